"""Sounds as they should not be: cut short, misdeclared, out of the ordinary."""

import json
import os
import pathlib
import socket
import struct

import numpy as np
import pytest
import soundfile
from support.applying import EFFECT, effect_file, load as exact, outputs, run
from support.sounds import (
    LOSSLESS,
    LOSSY,
    OTHER,
    RATE,
    clip_of,
    noise,
    put,
    reasons,
    sound,
)

from cak_jax.audio import sound_file, truncation
from cak_jax.audio.formats import AudioError
from cak_jax.data import clips
from cak_jax.rendering import file, in_memory
from cak_jax.rendering.settings import CHANNELS

CUT = "is cut short"
TELLING = [kind for kind in LOSSLESS + LOSSY + OTHER if kind[0] not in ("FLAC", "VOC")]


def notes(found):
    files = found.manifest["files"]
    return {entry["file"]: entry["note"] for entry in files if "note" in entry}


def cut(path, share=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return len(data) - int(len(data) * share)


def misdeclared(whole, size, claim):
    """Return a WAV file of 2000 bytes of sound with other sizes, of all and of that."""
    size, claim = struct.pack("<I", size), struct.pack("<I", claim)
    data = whole.replace(b"data" + struct.pack("<I", 2000), b"data" + claim)
    return data[:4] + size + data[8:]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("kind", "subtype"), TELLING)
def test_what_is_missing_is_told(tmp_path, kind, subtype, channels):
    path = tmp_path / "x"
    soundfile.write(path, noise(40_001, channels) / 2, 48000, subtype, format=kind)
    assert sound_file.info(path).notes == ()
    missing = cut(path)
    said = truncation.shortfall(path) or sound_file.info(path).notes[0]
    if kind == "OGG":
        assert said == f"{CUT}: the end of the stream is missing"
        return
    count = int(said.removeprefix(f"{CUT}: ").removesuffix(" bytes of it are missing"))
    # Padding and what stands behind the samples is no sound.
    assert missing - 64 <= count <= missing or kind == "CAF"


def test_streams_declare_no_length(tmp_path):
    path = put(tmp_path, "x.wav", noise(1000, 1), subtype="PCM_16")
    whole = path.read_bytes()
    expected = sound_file.read(path)[0]
    # The last but one by sox.
    for claim in (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x7F000024, 2000):
        path.write_bytes(misdeclared(whole, claim, claim))
        assert truncation.shortfall(path) == ""
        np.testing.assert_array_equal(sound_file.read(path)[0], expected)
    path = put(tmp_path, "x.au", noise(1000, 1), format="AU", subtype="PCM_16")
    data = path.read_bytes()
    path.write_bytes(data[:8] + b"\xff" * 4 + data[12:])
    assert truncation.shortfall(path) == ""


@pytest.mark.parametrize("claim", [0, 1, 998, 2001, 4000, 1 << 30, 0x7EFFFFFF])
def test_wrong_sizes_of_the_samples(tmp_path, claim):
    path = put(tmp_path, "x.wav", noise(1000, 1), subtype="PCM_16")
    expected, whole = sound_file.read(path)[0], path.read_bytes()
    for size in (0, len(whole), 0xFFFFFFFF):
        path.write_bytes(misdeclared(whole, size, claim))
        found = sound_file.read(path)[0]
        # Never more than there is, and what there is as it is.
        assert found.shape[1] <= 1000
        np.testing.assert_array_equal(found, expected[:, : found.shape[1]])
        assert (CUT in truncation.shortfall(path)) == (claim > 2000)
        if claim > 2000:
            assert found.shape[1] == 1000


def test_next_to_nothing_tells_nothing(tmp_path):
    path = tmp_path / "x"
    for begins in (b"", b"RIFF", b"riff", b"caff", b".snd", b"FORM", b"RF64", b"ID3"):
        for more in (b"", b"\xff" * 20, bytes(70)):
            path.write_bytes(begins + more)
            assert truncation.shortfall(path) == ""
    os.unlink(path)
    os.mkfifo(path)
    # A FIFO is no reason to wait.
    with pytest.raises(OSError):
        truncation.shortfall(path)


def test_a_corpus_notes_what_is_cut_short(folder, load):
    put(folder, "whole.wav", sound(3.0))
    kinds = {"x.wav": "WAV", "x.ogg": "OGG", "x.mp3": "MP3", "x.aiff": "AIFF"}
    for seed, (name, kind) in enumerate(kinds.items(), 1):
        folder.mkdir(exist_ok=True)
        samples = sound(20.0, 16000, seed=seed)
        soundfile.write(folder / name, samples, 16000, format=kind)
        cut(folder / name, 0.5)
    found = load(max_clips=0)
    assert notes(found).keys() == kinds.keys()
    assert all(note.startswith(f"{CUT}: ") for note in notes(found).values())
    json.dumps(found.manifest, allow_nan=False)
    # Again from what was remembered of the files.
    assert notes(load(max_clips=0)) == notes(found)
    assert notes(load(max_clips=3)).keys() <= kinds.keys()


def test_apply_notes_what_is_cut_short(tmp_path, capsys):
    effect, said = effect_file(tmp_path), {}
    for name, kind in (("w.wav", "WAV"), ("o.ogg", "OGG"), ("m.mp3", "MP3")):
        path = tmp_path / name
        soundfile.write(path, sound(2.0, 44100), 44100, format=kind)
        assert run(effect, path, output=tmp_path / f"{name}-whole.wav") == 0
        said[name] = capsys.readouterr().out
        cut(path)
        assert run(effect, path, output=tmp_path / f"{name}-cut.wav") == 0
        assert f"the input {CUT}: " in capsys.readouterr().out
        assert "cut short" not in said[name]
    path = put(tmp_path, "x.flac", noise(5000, 1), format="FLAC", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    word = int.from_bytes(data[18:26], "big") >> 36 << 36 | 6000
    path.write_bytes(data[:18] + word.to_bytes(8, "big") + data[26:])
    assert run(effect, path) == 0
    assert "declares 6000 samples and holds 5000" in capsys.readouterr().out


def test_channels_that_cancel(folder, load):
    left = sound(1.0)
    silent = np.zeros_like(left)
    put(folder, "opposite.wav", np.hstack([left, -left]))
    put(folder, "nearly.wav", np.hstack([left, -0.9999 * left]))
    put(folder, "six.wav", np.hstack([left, -left] * 3) * 0.9)
    put(folder, "behind.wav", np.hstack([silent, left, -left]))
    put(folder, "one of 32.wav", np.hstack([left] + [silent] * 31))
    found = load(max_clips=0)
    said = "channels cancel in their mean: first channel used"
    names = ("nearly.wav", "opposite.wav", "six.wav")
    assert notes(found) == dict.fromkeys(names, said)
    assert reasons(found) == {"behind.wav": clips.NOTHING_LEFT}
    wanted = left[:, 0].astype(np.float32)
    np.testing.assert_array_equal(clip_of(found, "opposite.wav @ 0.0 s"), wanted)
    got = clip_of(found, "one of 32.wav @ 0.0 s")
    np.testing.assert_allclose(got, wanted / 32, rtol=1e-5)


def test_an_effect_hears_channels_that_cancel(tmp_path):
    left = sound(1.0)
    path = put(tmp_path, "x.wav", np.hstack([left, -left]))
    for channels in CHANNELS:
        output = tmp_path / f"{channels}.wav"
        settings = {"channels": channels, "output": output}
        assert run(effect_file(tmp_path), path, **settings) == 0
        wet = soundfile.read(output)[0]
        np.testing.assert_allclose(wet[:, 0], -wet[:, 1], atol=1e-6)
        assert np.abs(wet - soundfile.read(path)[0]).max() > 0.01


def test_extreme_samples_in_a_corpus(folder, load):
    generator = np.random.default_rng(1)
    square = np.sign(np.sin(np.arange(RATE) / 9.0 + 0.1))[:, None]
    sounds = {
        "dc.wav": np.full((RATE, 1), 0.5),
        "square.wav": square,
        "above.wav": 30 * sound(1.0),
        "denormal.wav": generator.uniform(-1e-40, 1e-40, (RATE, 1)),
        "one sample.wav": np.full((1, 1), 0.5),
        "short.wav": sound(0.01),
        "many.wav": generator.uniform(-1, 1, (RATE, 32)),
        "minus inf.wav": np.r_[sound(0.9), [[-np.inf]]],
    }
    for name, samples in sounds.items():
        put(folder, name, samples)
    put(folder, "fast.wav", sound(1.0, 192_000, seed=3), 192_000)
    found = load(max_clips=0)
    assert reasons(found) == {
        "denormal.wav": "silent",
        "minus inf.wav": "holds NaN or infinity",
    }
    assert len(found.names) == 7 and np.isfinite(found.audio).all()
    for name in ("dc.wav", "square.wav", "above.wav"):
        wanted = sounds[name][:, 0].astype(np.float32)
        np.testing.assert_array_equal(clip_of(found, f"{name} @ 0.0 s"), wanted)
    wanted = sounds["many.wav"].astype(np.float32).mean(axis=1)
    np.testing.assert_allclose(clip_of(found, "many.wav @ 0.0 s"), wanted, atol=1e-7)
    wanted = sound(1.0, 192_000, seed=3)[::24, 0]
    got = clip_of(found, "fast.wav @ 0.0 s")
    np.testing.assert_allclose(got[100:-100], wanted[100:-100], atol=1e-4)


@pytest.mark.parametrize("control", ["0", "0.8"])
def test_thirty_two_channels(tmp_path, control):
    path = put(tmp_path, "x.wav", noise(3000, 32) / 2, subtype="DOUBLE")
    output = tmp_path / "y.wav"
    assert run(effect_file(tmp_path), path, control=control, output=output) == 0
    (dry, _), (wet, header) = exact(path), exact(output)
    assert header.channels == 32
    if control == "0":
        assert wet.tobytes() == dry.tobytes()
    else:
        wanted = in_memory.render(EFFECT, dry.T, RATE, 0.8).T
        np.testing.assert_allclose(wet, wanted, atol=1e-12)


@pytest.mark.parametrize("rate", [1, 999, 4_000_000_000])
def test_an_absurd_sample_rate(folder, load, tmp_path, rate, capsys):
    path = put(folder, "x.wav", sound(0.5), subtype="PCM_16")
    put(folder, "good.wav", sound(1.0))
    data = path.read_bytes()
    path.write_bytes(data[:24] + struct.pack("<I", rate) + data[28:])
    assert run(effect_file(tmp_path), path) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: ")
    assert reasons(load())["x.wav"].startswith(("declares ", "cannot be decoded"))


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="Linux only")
def test_what_can_be_opened_but_not_read(folder, load, tmp_path, capsys):
    put(folder, "good.wav", sound(1.0))
    (folder / "x.wav").symlink_to("/proc/self/mem")
    with pytest.raises(AudioError, match=r"x\.wav: cannot be read \(Input/output err"):
        sound_file.info(folder / "x.wav")
    found = load()
    assert reasons(found) == {"x.wav": "cannot be read (Input/output error)"}
    assert run(effect_file(tmp_path), folder, output=tmp_path / "out") == 1
    assert "x.wav: cannot be read" in capsys.readouterr().err
    assert len(outputs(tmp_path / "out")) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_what_may_not_be_read(folder, load):
    put(folder, "good.wav", sound(1.0))
    put(folder, "x.wav", sound(1.0, seed=1)).chmod(0)
    assert reasons(load()) == {"x.wav": "cannot be opened (Permission denied)"}


def test_what_is_no_sound_in_a_corpus(folder, load):
    put(folder, "good.wav", sound(1.0))
    (folder / "page.mp3").write_text("<!doctype html><html></html>")
    (folder / "archive.wav").write_bytes(b"PK\x03\x04" + bytes(200))
    (folder / "header.wav").write_bytes((folder / "good.wav").read_bytes()[:20])
    flac = put(folder, "y.mp3", sound(1.0, seed=1), format="FLAC", subtype="PCM_16")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "socket.wav"))
    found = load()
    server.close()
    said = reasons(found)
    assert said.keys() == {"page.mp3", "archive.wav", "header.wav", "socket.wav"}
    assert said["socket.wav"].startswith("cannot be opened")
    assert said["header.wav"].startswith("cannot be decoded")
    # What is called MP3 and is FLAC is a sound.
    assert f"{flac.name} @ 0.0 s" in found.names and len(found.names) == 2


@pytest.mark.parametrize("name", ["-dash.wav", "n" * 251 + ".wav", " .wav", "%s.wav"])
def test_names_in_a_corpus(folder, load, name):
    put(folder, name, sound(1.0))
    assert load().names == (f"{name} @ 0.0 s",)


def test_mode_published_knows_how_long_is_too_long(tmp_path, monkeypatch, capsys):
    path = put(tmp_path, "x.wav", sound(1.0, channels=2), subtype="PCM_16")
    effect = effect_file(tmp_path)
    monkeypatch.setattr(file, "MAX_PUBLISHED", 2 * RATE)
    assert run(effect, path, mode="published") == 0
    monkeypatch.setattr(file, "MAX_PUBLISHED", 2 * RATE - 2)
    assert run(effect, path, mode="published", overwrite=True) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "is too long for mode published" in line and line.endswith("minutes")


@pytest.mark.slow
def test_a_hundred_thousand_files(folder, load):
    """Some minutes: `pytest -m slow`; every one is used, or named with a reason."""
    whole = bytearray(put(folder, "x.wav", sound(0.01), subtype="PCM_16").read_bytes())
    for number in range(100_000):
        whole[-4:] = struct.pack("<I", number)
        pathlib.Path(folder, f"{number % 100}").mkdir(exist_ok=True)
        (folder / f"{number % 100}/{number}.wav").write_bytes(whole)
    (folder / "text.wav").write_text("words")
    found = load(max_clips=10)
    assert len(found.names) == 10
    used = {entry["file"] for entry in found.manifest["files"]}
    assert len(used | reasons(found).keys()) == 100_002
