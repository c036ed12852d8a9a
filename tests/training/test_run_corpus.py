"""What a run says of the files of its corpus."""

import types

from support.sounds import ALPHA, RATE, SPECTROGRAM, put, sound

from cak_jax.data.settings import CorpusSettings
from cak_jax.training.run_corpus import load_whole


def lines(capsys, tmp_path, **changes):
    """Load a folder; return the corpus, and what is said below the first line."""
    corpus = CorpusSettings(
        path=str(tmp_path / "in"), cache=str(tmp_path / "cache"), seconds=1.0,
        fade_seconds=0.0, held_out=0.0, **changes,
    )  # fmt: skip
    settings = types.SimpleNamespace(
        corpus=corpus, spectrogram=SPECTROGRAM, alpha=ALPHA
    )
    found = load_whole(settings)
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"sounds: {len(found.names)} clips to train on")
    return found, [line.removeprefix("sounds: ") for line in rest]


def test_what_is_odd_or_not_read_is_said_and_kept(tmp_path, capsys):
    folder = tmp_path / "in"
    put(folder, "good.wav", sound(2))
    for seed in (1, 2):
        path = put(folder, f"cut{seed}.wav", sound(3, seed=seed), subtype="PCM_16")
        path.write_bytes(path.read_bytes()[:-7000])
    data = bytearray(
        put(folder, "x.flac", sound(2, seed=3), format="FLAC", subtype="PCM_16")
        .read_bytes()
    )  # fmt: skip
    # A count in the header that is 8000 too large; it is known at the end only.
    data[22:26] = (3 * RATE).to_bytes(4, "big")
    (folder / "x.flac").write_bytes(data)
    (folder / "a.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(99))
    (folder / "b.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(98))
    (folder / "song.ape").write_bytes(b"MAC ")
    for _ in range(2):  # decoded, and from the cache
        found, said = lines(capsys, tmp_path)
        assert said == [
            "not read: a.m4a: cannot be decoded (Invalid data found when processing "
            "input) (and 1 more)",
            "not read: x.flac @ 2.0 s: the file ends before it declares",
            "1 file ignored, no sound by its name (.ape)",
            "cut1.wav: is cut short: 7000 bytes of it are missing (and 1 more)",
            "x.flac: declares 24000 samples and holds 16000",
        ]
        notes = {f["file"]: f.get("note") for f in found.manifest["files"]}
        assert notes == {
            "good.wav": None,
            "x.flac": "declares 24000 samples and holds 16000",
            "cut1.wav": "is cut short: 7000 bytes of it are missing",
            "cut2.wav": "is cut short: 7000 bytes of it are missing",
        }
