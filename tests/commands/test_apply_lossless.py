"""At control 0 every lossless file comes back bit for bit, whatever decodes it."""

import json

import numpy as np
import soundfile
from support.applying import run
from support.more_sounds import LOSSLESS as THROUGH_PYAV, RATE, encode, music
from support.sounds import LOSSLESS, noise, put

from cak_jax.audio import sound_file

FRAMES = 1001


def test_control_zero_gives_every_lossless_file_back(tmp_path, effect, capsys):
    folder, wanted = tmp_path / "in", {}
    folder.mkdir()
    kinds = [*LOSSLESS, ("CAF", "ALAC_16"), ("CAF", "ALAC_24"), ("VOC", "PCM_16")]
    for number, (kind, subtype) in enumerate(kinds):
        # .wave is WAV, too.
        path = put(
            folder, f"{number}.{kind.lower()[:4]}", noise(FRAMES, 2, number), RATE,
            format=kind, subtype=subtype,
        )  # fmt: skip
        floats = subtype in ("FLOAT", "DOUBLE")
        wanted[path.name] = soundfile.read(path, dtype="float64" if floats else "int32")
    for name, (codec, kind, bits, _) in THROUGH_PYAV.items():
        sound = music(bits)[:, :FRAMES]
        encode(folder / name, codec, sound, kind)
        wanted[name] = sound.T, RATE
    report = tmp_path / "report.json"
    assert run(effect, folder, control="0", output=tmp_path / "out", json=report) == 0
    records = json.loads(report.read_text())["inputs"]
    assert len(records) == len(wanted) == len(LOSSLESS) + 3 + len(THROUGH_PYAV)
    for record in records:
        samples, rate = wanted[record["input"].rsplit("/", 1)[-1]]
        found, header = sound_file.read(record["output"])
        assert (header.sample_rate, record["notes"]) == (rate, [])
        np.testing.assert_array_equal(found, samples.T)
