"""Decoding and encoding, against soundfile's own reading and closed forms."""

import contextlib
import itertools
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import soxr
from support.sounds import LOSSLESS, LOSSY, OTHER, noise

from cak_jax.audio import sound_file
from cak_jax.audio.formats import AudioError, mono
from cak_jax.runtime.text import printable

# What is tested here is reading in this process.
OWN_DECODERS = True


def declare_flac_length(path, frames: int) -> None:
    """Overwrite the 36 bits in which a FLAC file declares its length."""
    data = bytearray(path.read_bytes())
    word = int.from_bytes(data[18:26], "big") >> 36 << 36 | frames
    data[18:26] = word.to_bytes(8, "big")
    path.write_bytes(data)


@pytest.mark.parametrize(("kind", "subtype"), LOSSLESS + LOSSY + OTHER)
def test_sequential_reading_equals_soundfile(tmp_path, kind, subtype):
    path = tmp_path / "x.bin"
    soundfile.write(path, noise() * 0.5, 48000, format=kind, subtype=subtype)
    expected = soundfile.read(path, dtype="float32", always_2d=True)[0]
    parts = list(sound_file.blocks(path, frames=1000))
    assert {len(part) for part in parts[:-1]} == {1000}
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    found = sound_file.info(path)
    assert (found.sample_rate, found.channels, found.frames) == (
        48000,
        2,
        len(expected),
    )
    assert (found.format, found.subtype) == (kind, subtype)


@pytest.mark.parametrize("declared", [0, (1 << 36) - 1])
def test_declared_length_is_not_believed(tmp_path, declared):
    path = tmp_path / "x.flac"
    soundfile.write(path, noise(), 44100, subtype="PCM_16")
    expected = soundfile.read(path, dtype="int32")[0].T
    declare_flac_length(path, declared)
    np.testing.assert_array_equal(sound_file.read(path)[0], expected)


@pytest.mark.parametrize("kind", ["WAV", "OGG", "AIFF", "FLAC"])
def test_truncated_files_are_read_as_far_as_they_go(tmp_path, kind):
    path = tmp_path / "x"
    soundfile.write(path, noise(50_000), 44100, format=kind)
    whole = sound_file.read(path)[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found, header = sound_file.read(path)
    assert 10_000 < found.shape[1] < 30_000
    if kind != "OGG":
        np.testing.assert_array_equal(found, whole[:, : found.shape[1]])
    assert header.notes[0].startswith("is cut short: ")


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF"])
def test_flipped_bytes_never_escape_as_another_error(tmp_path, kind):
    path = tmp_path / "x"
    soundfile.write(path, noise(3000) * 0.3, 44100, format=kind)
    whole = path.read_bytes()
    generator = np.random.default_rng(1)
    for _ in range(15):
        data = bytearray(whole)
        for place in generator.integers(4, len(data), 20):
            data[place] ^= int(generator.integers(1, 256))
        path.write_bytes(data)
        with contextlib.suppress(AudioError):
            assert sound_file.read(path)[0].ndim == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"just some words", "begins with 'just som'"),
        (b"<!DOCTYPE html>", "begins with '<!DOCTYP'"),
        (b"PK\x03\x04zip", "not an audio file"),
        ("\ufeffhello".encode("utf-16-le"), "not an audio file"),
        (b"\xff\xd8\xff\xe0JFIF", "not an audio file"),
        (b"RIFF", "cannot be decoded"),
        (b"RIFF\x24\0\0\0WAVE", "cannot be decoded"),
        (b"fLaC\0\0\0\x22", "cannot be decoded"),
        (b"OggS" + bytes(60), "cannot be decoded"),
    ],
)
def test_what_is_no_sound_is_named(tmp_path, content, words):
    path = tmp_path / "notes.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=words) as caught:
        sound_file.read(path)
    assert "notes.wav" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_fifo_socket_and_folder_do_not_hang(tmp_path):
    fifo, folder, sock = (tmp_path / f"{n}.wav" for n in ("fifo", "folder", "sock"))
    os.mkfifo(fifo)
    folder.mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(sock))
    for path in (fifo, folder):
        with pytest.raises(AudioError, match="not a regular file"):
            sound_file.info(path)
    for path in (sock, tmp_path / "missing.wav"):
        with pytest.raises(AudioError, match="cannot be opened"):
            sound_file.info(path)
    server.close()


@pytest.mark.parametrize("name", ["-dash", "new\nline", "\U0001f941", "caf\udce9"])
def test_odd_names(tmp_path, name):
    path = os.path.join(tmp_path, name + ".wav")
    try:
        sound_file.write(path, noise().T, 44100, "WAV", "PCM_16")
    except AudioError:
        pytest.skip("this file system does not take the name")
    assert sound_file.read(path)[0].shape == (2, 5001)
    text = printable(path)
    assert text.encode().decode() == text
    assert "\n" not in text


def test_wrong_extension_is_read_by_content(tmp_path):
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(), 44100, format="FLAC")
    assert sound_file.info(path).format == "FLAC"


@pytest.mark.parametrize(("source", "target"), [(48000, 44100), (8000, 44100)])
def test_resampled_sine_is_the_sine_at_the_new_rate(source, target):
    tone = np.sin(2 * np.pi * 440 * np.arange(source) / source)
    expected = np.sin(2 * np.pi * 440 * np.arange(target) / target)
    got = sound_file.resample(np.stack([tone, -tone]), source, target)
    assert got.shape == (2, target)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got[0, 2000:-2000], expected[2000:-2000], atol=1e-6)
    np.testing.assert_array_equal(got[0], -got[1])


def test_equal_rates_change_nothing():
    samples = noise().T
    assert sound_file.resample(samples, 44100, 44100) is samples


def test_streamed_resampling_equals_the_whole():
    samples = noise(20_000).T.astype(np.float32)
    step = sound_file.resampler(48000, 44100, 2)
    cuts = [0, 1, 5000, 5000, 19_000, 20_000]
    parts = [step(samples[:, a:b], b == 20_000) for a, b in itertools.pairwise(cuts)]
    expected = soxr.resample(samples.T, 48000, 44100, "VHQ").T
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-6)


def test_mono_is_the_mean():
    block = noise(channels=6)
    np.testing.assert_allclose(mono(block), block.sum(axis=1) / 6)
    np.testing.assert_array_equal(mono(block[:, :1]), block[:, 0])


def test_importing_loads_neither_jax_nor_a_decoder():
    code = (
        "import sys, cak_jax.audio.sound_file;"
        "print(sorted({'jax', 'soundfile', 'soxr'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
