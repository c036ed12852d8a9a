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

from cak_jax import audio, formats
from cak_jax.audio import AudioError

LOSSLESS = [
    *(("WAV", s) for s in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
    *(("AIFF", s) for s in ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32")),
    *(("AIFF", s) for s in ("FLOAT", "DOUBLE")),
    *(("FLAC", s) for s in ("PCM_S8", "PCM_16", "PCM_24")),
    *(("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("W64", "PCM_24"), ("CAF", "PCM_24")),
    *(("AU", "PCM_16"), ("CAF", "FLOAT")),
]
EIGHT_BITS = ("PCM_S8", "PCM_U8")
LOSSY = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
OTHER = [("WAV", "ULAW"), ("WAV", "IMA_ADPCM"), ("CAF", "ALAC_24"), ("VOC", "PCM_16")]


def noise(frames: int = 5001, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (frames, channels))


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
    parts = list(audio.blocks(path, frames=1000))
    assert {len(part) for part in parts[:-1]} == {1000}
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    found = audio.info(path)
    assert (found.sample_rate, found.channels, found.frames) == (
        48000,
        2,
        len(expected),
    )
    assert (found.format, found.subtype) == (kind, subtype)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("kind", "subtype"), LOSSLESS)
def test_unchanged_file_is_bit_exact(tmp_path, kind, subtype, channels):
    source, target = tmp_path / "a", tmp_path / "b"
    # An even number of frames where libsndfile's own writer adds one.
    sound = noise(5001 + (kind == "AIFF" and subtype in EIGHT_BITS), channels)
    soundfile.write(source, sound, 44100, format=kind, subtype=subtype)
    samples, found = audio.read(source)
    assert samples.shape == (channels, len(sound))
    if kind == "AIFF" and subtype in EIGHT_BITS and channels == 1:
        assert audio.output_format(found) == ("WAV", "PCM_24", ".wav")
        return
    assert audio.output_format(found)[:2] == (kind, subtype)
    audio.write(target, audio.to_float(samples), 44100, *audio.output_format(found)[:2])
    raw = "float64" if subtype in ("FLOAT", "DOUBLE") else "int32"
    before = soundfile.read(source, dtype=raw, always_2d=True)[0]
    after = soundfile.read(target, dtype=raw, always_2d=True)[0]
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(audio.read(target)[0], samples)
    assert audio.info(target) == found


def test_suffix_of_output_is_one_that_folder_scans_accept():
    for kind, subtype in LOSSLESS:
        found = audio.AudioInfo(44100, 2, 0, kind, subtype)
        assert audio.output_format(found)[2] in audio.SUFFIXES


@pytest.mark.parametrize(("kind", "subtype"), LOSSY + OTHER)
def test_lossy_or_unwritable_input_becomes_wav(kind, subtype):
    found = audio.AudioInfo(48000, 2, 0, kind, subtype)
    assert audio.output_format(found) == ("WAV", "PCM_24", ".wav")


def test_every_combination_called_writable_is_known_to_libsndfile():
    for kind, (_, subtypes) in formats._LOSSLESS.items():
        for subtype in subtypes:
            assert soundfile.check_format(kind, subtype), (kind, subtype)


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_32", 32)])
def test_integers_are_rounded_and_clipped(tmp_path, subtype, bits):
    path = tmp_path / "x.wav"
    step = 2.0 ** (1 - bits)
    wanted = np.array([[-1.5, -1.0, -0.4 * step, 0.6 * step, 1.0, 1.5]])
    for dtype in (np.float32, np.float64):
        audio.write(path, wanted.astype(dtype), 8000, "WAV", subtype, overwrite=True)
        levels = audio.read(path)[0][0].astype(np.int64) >> (32 - bits)
        top = (1 << (bits - 1)) - 1
        assert levels.tolist() == [-top - 1, -top - 1, 0, 1, top, top]


def test_blockwise_writing_equals_writing_at_once(tmp_path):
    samples = noise().T
    audio.write(tmp_path / "a.flac", samples, 44100, "FLAC", "PCM_16")
    layout = (44100, 2, "FLAC", "PCM_16")
    with audio.create(tmp_path / "b.flac", *layout) as append:
        append(samples[:, :1234])
        append(samples[:, 1234:])
    first, second = (audio.read(tmp_path / name)[0] for name in ("a.flac", "b.flac"))
    np.testing.assert_array_equal(first, second)
    assert sorted(os.listdir(tmp_path)) == ["a.flac", "b.flac"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_are_refused_and_leave_nothing(tmp_path, bad):
    samples = np.zeros((1, 200_000))
    samples[0, -1] = bad
    with pytest.raises(AudioError, match="NaN or infinity"):
        audio.write(tmp_path / "x.wav", samples, 44100)
    assert os.listdir(tmp_path) == []


def test_existing_file_survives(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"precious")
    with pytest.raises(AudioError, match=r"x\.wav: exists already"):
        audio.write(path, np.zeros((1, 9)), 44100)
    with pytest.raises(AudioError, match="NaN"):
        audio.write(path, np.full((1, 9), np.nan), 44100, overwrite=True)
    assert path.read_bytes() == b"precious"
    audio.write(path, np.zeros((1, 9)), 44100, overwrite=True)
    assert audio.info(path).frames == 9


def test_error_in_the_middle_leaves_nothing(tmp_path):
    with (
        contextlib.suppress(KeyboardInterrupt),
        audio.create(tmp_path / "x.wav", 44100, 1) as append,
    ):
        append(np.zeros((1, 100)))
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "layout", "words"),
    [
        ("no/x.wav", ("WAV", "PCM_24"), "folder does not exist"),
        (".", ("WAV", "PCM_24"), "is a folder"),
        ("x.mp3", ("MP3", "MPEG_LAYER_III"), "use WAV/PCM_24"),
        ("x.wav", ("WAV", "PCM_S8"), "use WAV/PCM_24"),
    ],
)
def test_unusable_targets_are_named(tmp_path, name, layout, words):
    with pytest.raises(AudioError, match=words) as caught:
        audio.write(tmp_path / name, np.zeros((1, 9)), 44100, *layout)
    assert "\n" not in str(caught.value)


def test_flac_of_nine_channels_is_refused(tmp_path):
    with pytest.raises(AudioError, match="9 channels"):
        audio.write(tmp_path / "x.flac", np.zeros((9, 9)), 44100, "FLAC", "PCM_16")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk_is_reported(tmp_path, monkeypatch):
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, mode=0: real("/dev/full", os.O_RDWR)
    )
    with pytest.raises(AudioError, match=r"x\.wav: cannot be written"):
        audio.write(tmp_path / "x.wav", noise().T, 44100)
    assert os.listdir(tmp_path) == []


def test_longest_legal_name_can_be_written(tmp_path):
    path = tmp_path / ("x" * 251 + ".wav")
    audio.write(path, np.zeros((1, 9)), 44100)
    assert audio.info(path).frames == 9


@pytest.mark.parametrize("declared", [0, (1 << 36) - 1])
def test_declared_length_is_not_believed(tmp_path, declared):
    path = tmp_path / "x.flac"
    soundfile.write(path, noise(), 44100, subtype="PCM_16")
    expected = soundfile.read(path, dtype="int32")[0].T
    declare_flac_length(path, declared)
    np.testing.assert_array_equal(audio.read(path)[0], expected)


def test_truncated_files_are_short_or_refused(tmp_path):
    for kind, suffix in (("WAV", "wav"), ("OGG", "ogg"), ("AIFF", "aiff")):
        path = tmp_path / f"x.{suffix}"
        soundfile.write(path, noise(50_000), 44100, format=kind)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert 0 < audio.read(path)[0].shape[1] < 30_000
    path = tmp_path / "x.flac"
    soundfile.write(path, noise(50_000), 44100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"x\.flac: is damaged \(.+\)"):
        audio.read(path)


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
            assert audio.read(path)[0].ndim == 2


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
        audio.read(path)
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
            audio.info(path)
    for path in (sock, tmp_path / "missing.wav"):
        with pytest.raises(AudioError, match="cannot be opened"):
            audio.info(path)
    server.close()


@pytest.mark.parametrize("name", ["-dash", "new\nline", "\U0001f941", "caf\udce9"])
def test_odd_names(tmp_path, name):
    path = os.path.join(tmp_path, name + ".wav")
    try:
        audio.write(path, noise().T, 44100, "WAV", "PCM_16")
    except AudioError:
        pytest.skip("this file system does not take the name")
    assert audio.read(path)[0].shape == (2, 5001)
    text = audio.printable(path)
    assert text.encode().decode() == text
    assert "\n" not in text


def test_wrong_extension_is_read_by_content(tmp_path):
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(), 44100, format="FLAC")
    assert audio.info(path).format == "FLAC"


@pytest.mark.parametrize(("source", "target"), [(48000, 44100), (8000, 44100)])
def test_resampled_sine_is_the_sine_at_the_new_rate(source, target):
    tone = np.sin(2 * np.pi * 440 * np.arange(source) / source)
    expected = np.sin(2 * np.pi * 440 * np.arange(target) / target)
    got = audio.resample(np.stack([tone, -tone]), source, target)
    assert got.shape == (2, target)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got[0, 2000:-2000], expected[2000:-2000], atol=1e-6)
    np.testing.assert_array_equal(got[0], -got[1])


def test_equal_rates_change_nothing():
    samples = noise().T
    assert audio.resample(samples, 44100, 44100) is samples


def test_streamed_resampling_equals_the_whole():
    samples = noise(20_000).T.astype(np.float32)
    step = audio.resampler(48000, 44100, 2)
    cuts = [0, 1, 5000, 5000, 19_000, 20_000]
    parts = [step(samples[:, a:b], b == 20_000) for a, b in itertools.pairwise(cuts)]
    expected = soxr.resample(samples.T, 48000, 44100, "VHQ").T
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-6)


def test_mono_is_the_mean():
    block = noise(channels=6)
    np.testing.assert_allclose(audio.mono(block), block.sum(axis=1) / 6)
    np.testing.assert_array_equal(audio.mono(block[:, :1]), block[:, 0])


def test_importing_loads_neither_jax_nor_a_decoder():
    code = (
        "import sys, cak_jax.audio;"
        "print(sorted({'jax', 'soundfile', 'soxr'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
