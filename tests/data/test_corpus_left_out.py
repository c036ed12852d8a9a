"""What of a folder is left out, why, and how that is said."""

import json
import os

import numpy as np
import pytest
from support.sounds import ALPHA, RATE, SPECTROGRAM, put, reasons, sound

from cak_jax.data import scan
from cak_jax.data.corpus import load_corpus
from cak_jax.data.scan import CorpusError
from cak_jax.data.settings import CorpusSettings
from cak_jax.runtime.text import printable


def test_everything_left_out_has_its_reason(folder, load):
    good = put(folder, "a.wav", sound(1))
    (folder / "copy.wav").write_bytes(good.read_bytes())
    put(folder, "silent.wav", np.zeros((RATE, 1)))
    bad = sound(1)
    bad[100] = np.nan
    put(folder, "nan.wav", bad)
    put(folder, "loud.wav", 32768 * sound(1, seed=5))
    put(folder, "none.wav", np.zeros((0, 1)))
    put(folder, "slow.wav", sound(1, seed=6), 10)
    flac = put(folder, "cut.flac", sound(9, seed=1), format="FLAC", subtype="PCM_16")
    flac.write_bytes(flac.read_bytes()[:2000])
    (folder / "words.wav").write_text("not a sound")
    (folder / "empty.wav").touch()
    put(folder, "Album One.wav/silent too.wav", np.zeros((2 * RATE, 1)))
    os.mkfifo(folder / "pipe.wav")
    (folder / "gone.wav").symlink_to("nowhere")
    (folder / "notes.txt").touch()
    (folder / "LICENCE").touch()
    (folder / "._a.wav").touch()
    put(folder, ".trash/x.wav", sound(1, seed=2))
    found = load(max_clips=0)
    expected = {
        "copy.wav": "same content as a.wav",
        "silent.wav": "silent",
        "nan.wav": "holds NaN or infinity",
        "none.wav": "holds no samples",
        "slow.wav": "declares 10 samples per second",
        "empty.wav": "is not an audio file (it is empty)",
        "words.wav": "is not an audio file (it begins with 'not a so')",
        # A folder is searched, whatever its name.
        "Album One.wav/silent too.wav": "silent",
        "pipe.wav": "is not a regular file",
        "gone.wav": "cannot be opened (No such file or directory)",
    }
    got = reasons(found)
    assert got.pop("cut.flac").startswith("is damaged")
    assert got.pop("loud.wav").startswith("samples reach")
    assert got == expected
    assert found.manifest["ignored"] == {"": 1, ".txt": 1, "hidden": 2}
    assert found.names == ("a.wav @ 0.0 s",)


def test_silent_clips_drop_out_and_the_others_move_up(folder, load):
    samples = sound(5)
    samples[RATE : 2 * RATE] = 0
    samples[3 * RATE : 4 * RATE] = 1e-7
    put(folder, "x.wav", samples)
    found = load()
    assert [name[8:] for name in found.names] == ["0.0 s", "2.0 s", "4.0 s"]
    for row, second in enumerate((0, 2, 4)):
        expected = samples[second * RATE : (second + 1) * RATE, 0].astype(np.float32)
        np.testing.assert_array_equal(found.audio[row], expected)
    assert reasons(found) == {"x.wav @ 1.0 s": "silent", "x.wav @ 3.0 s": "silent"}
    assert os.path.getsize(found.audio.filename) == 3 * RATE * 4


@pytest.mark.parametrize("declared", [0, (1 << 36) - 1])
def test_declared_length_is_counted_where_it_cannot_be(folder, load, declared):
    samples = sound(3)
    path = put(folder, "x.flac", samples, format="FLAC", subtype="PCM_24")
    data = bytearray(path.read_bytes())
    word = int.from_bytes(data[18:26], "big") >> 36 << 36 | declared
    data[18:26] = word.to_bytes(8, "big")
    path.write_bytes(data)
    found = load()
    np.testing.assert_allclose(found.audio.ravel(), samples[:, 0], atol=1e-6)


def test_file_that_ends_before_it_declares(folder, load):
    samples = sound(3, 16000)
    path = put(folder, "x.flac", samples, 16000, format="FLAC", subtype="PCM_16")
    data = path.read_bytes()
    word = int.from_bytes(data[18:26], "big") >> 36 << 36 | 2 * len(samples)
    path.write_bytes(data[:18] + word.to_bytes(8, "big") + data[26:])
    found = load()
    assert 1 <= len(found.names) <= 3
    assert set(reasons(found).values()) == {"the file ends before it declares"}
    short = load(seconds=10.0)
    begin, end = short.content[0]
    assert 2 * RATE < end - begin < 4 * RATE


@pytest.mark.parametrize("name", ["\U0001f941 drum.wav", "a\nb.wav", "caf\udce9.wav"])
def test_odd_names(folder, load, name):
    put(folder, "x.wav", sound(1))
    try:
        os.rename(folder / "x.wav", os.path.join(folder, name))
    except OSError:
        pytest.skip("this file system does not take the name")
    found = load()
    text = json.dumps(found.manifest, ensure_ascii=False)
    assert text.encode().decode() == text
    assert "\n" not in found.names[0]
    assert found.names[0] == f"{printable(name)} @ 0.0 s"


def test_link_loops_end(folder, load):
    put(folder, "a/x.wav", sound(1))
    (folder / "a/again").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    found = load()
    assert found.names == ("a/x.wav @ 0.0 s",)


def test_runs_inside_the_corpus_are_left_out(folder, load):
    put(folder, "x.wav", sound(1))
    put(folder, "run/previews/y.wav", sound(1, seed=1))
    for name in ("config.json", "metrics.jsonl"):
        (folder / "run" / name).touch()
    found = load()
    assert found.names == ("x.wav @ 0.0 s",)
    assert reasons(found) == {"run": "folder: a training run"}


def test_unusable_folders_are_named_in_one_line(folder, load, tmp_path):
    cases = [("no/such", "does not exist"), (str(__file__), "is not a folder")]
    for path, words in cases:
        with pytest.raises(CorpusError, match=rf"corpus\.path.*{words}"):
            load_corpus(CorpusSettings(path, cache=str(tmp_path)), SPECTROGRAM, ALPHA)
    with pytest.raises(CorpusError, match=r"no usable sound file \(it is empty\)"):
        load()
    (folder / "a.txt").touch()
    (folder / "b.wav").write_text("words")
    with pytest.raises(CorpusError, match=r"b\.wav: is not .*1 file with.*\(\.txt\)"):
        load()
    (folder / "b.wav").unlink()
    put(folder, "quiet.wav", np.zeros((RATE, 1)))
    with pytest.raises(CorpusError, match=r"quiet\.wav: silent"):
        load()


@pytest.mark.parametrize(
    "changes",
    [
        {"clip": "middle"}, {"short": "end"}, {"seconds": 0}, {"seconds": np.nan},
        {"fade_seconds": -1}, {"fade_seconds": 8}, {"held_out": 1.0},
        {"held_out": -0.1}, {"max_clips": -1}, {"max_held_out": -1},
    ],
)  # fmt: skip
def test_unusable_settings_name_the_field(changes):
    with pytest.raises(CorpusError, match=rf"corpus\.{next(iter(changes))}: "):
        CorpusSettings("x", **changes)


def test_scanning_is_sorted_and_complete(folder):
    folder.mkdir()
    names = ["b.wav", "a/c.FLAC", "a/b/d.Mp3", "z.ogg"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert scan.scan(str(folder)).names == sorted(names)
