"""Encoding: bit-exact round trips, and nothing half written."""

import contextlib
import os
import struct

import numpy as np
import pytest
import soundfile
from support.riff import order_of, walk
from support.sounds import EIGHT_BITS, LOSSLESS, LOSSY, OTHER, noise

from cak_jax.audio import formats, sound_file
from cak_jax.audio.formats import (
    SUFFIXES,
    AudioError,
    AudioInfo,
    output_format,
    to_float,
)

# What is tested here is reading in this process.
OWN_DECODERS = True


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("kind", "subtype"), LOSSLESS)
def test_unchanged_file_is_bit_exact(tmp_path, kind, subtype, channels):
    source, target = tmp_path / "a", tmp_path / "b"
    # An even number of frames where libsndfile's own writer adds one.
    sound = noise(5001 + (kind == "AIFF" and subtype in EIGHT_BITS), channels)
    soundfile.write(source, sound, 44100, format=kind, subtype=subtype)
    samples, found = sound_file.read(source)
    assert samples.shape == (channels, len(sound))
    if kind == "AIFF" and subtype in EIGHT_BITS and channels == 1:
        assert output_format(found) == ("WAV", "PCM_24", ".wav")
        return
    assert output_format(found)[:2] == (kind, subtype)
    sound_file.write(
        target,
        to_float(samples),
        44100,
        *output_format(found)[:2],
    )
    raw = "float64" if subtype in ("FLOAT", "DOUBLE") else "int32"
    before = soundfile.read(source, dtype=raw, always_2d=True)[0]
    after = soundfile.read(target, dtype=raw, always_2d=True)[0]
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(sound_file.read(target)[0], samples)
    assert sound_file.info(target) == found


def test_suffix_of_output_is_one_that_folder_scans_accept():
    for kind, subtype in LOSSLESS:
        found = AudioInfo(44100, 2, 0, kind, subtype)
        assert output_format(found)[2] in SUFFIXES


@pytest.mark.parametrize(("kind", "subtype"), LOSSY + OTHER)
def test_lossy_or_unwritable_input_becomes_wav(kind, subtype):
    found = AudioInfo(48000, 2, 0, kind, subtype)
    wanted = subtype if subtype == "PCM_16" else "PCM_24"
    assert output_format(found) == ("WAV", wanted, ".wav")


def test_lossless_types_outlive_their_container():
    kinds = {"ALAC_16": "PCM_16", "ALAC_20": "PCM_24", "ALAC_32": "PCM_32"}
    for subtype, wanted in (kinds | {"PCM_32": "PCM_32", "FLOAT": "FLOAT"}).items():
        found = AudioInfo(48000, 2, 0, "WV", subtype)
        assert output_format(found) == ("WAV", wanted, ".wav")


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
        sound_file.write(
            path, wanted.astype(dtype), 8000, "WAV", subtype, overwrite=True
        )
        levels = sound_file.read(path)[0][0].astype(np.int64) >> (32 - bits)
        top = (1 << (bits - 1)) - 1
        assert levels.tolist() == [-top - 1, -top - 1, 0, 1, top, top]


def test_blockwise_writing_equals_writing_at_once(tmp_path):
    samples = noise().T
    sound_file.write(tmp_path / "a.flac", samples, 44100, "FLAC", "PCM_16")
    layout = (44100, 2, "FLAC", "PCM_16")
    with sound_file.create(tmp_path / "b.flac", *layout) as append:
        append(samples[:, :1234])
        append(samples[:, 1234:])
    first, second = (
        sound_file.read(tmp_path / name)[0] for name in ("a.flac", "b.flac")
    )
    np.testing.assert_array_equal(first, second)
    assert sorted(os.listdir(tmp_path)) == ["a.flac", "b.flac"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_are_refused_and_leave_nothing(tmp_path, bad):
    samples = np.zeros((1, 200_000))
    samples[0, -1] = bad
    with pytest.raises(AudioError, match="NaN or infinity"):
        sound_file.write(tmp_path / "x.wav", samples, 44100)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "CAF", "W64", "RF64", "FLAC"])
def test_a_file_without_samples_can_be_read_again_or_is_refused(tmp_path, kind):
    path = tmp_path / "x"
    try:
        sound_file.write(path, np.zeros((2, 0)), 44100, kind, "PCM_16")
    except AudioError as error:
        assert kind == "FLAC"
        assert "holds no samples, which FLAC cannot say" in str(error)
        assert list(tmp_path.iterdir()) == []
        return
    samples, found = sound_file.read(path)
    assert samples.shape == (2, 0)
    assert found.sample_rate == 44100


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "AIFF"])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_the_same_sound_is_the_same_file_at_any_time(tmp_path, kind, subtype):
    path, sound = tmp_path / "x", noise(999, 2).astype(np.float32)
    sound_file.write(path, sound.T, 44100, kind, subtype)
    data = path.read_bytes()
    peaks = [body for name, body in walk(data) if name == b"PEAK"]
    version, seconds = struct.unpack(f"{order_of(data)}II", peaks[0][:8])
    assert (version, seconds, len(peaks)) == (1, 0, 1)
    np.testing.assert_array_equal(soundfile.read(path)[0], sound)


def test_existing_file_survives(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"precious")
    with pytest.raises(AudioError, match=r"x\.wav: exists already"):
        sound_file.write(path, np.zeros((1, 9)), 44100)
    with pytest.raises(AudioError, match="NaN"):
        sound_file.write(path, np.full((1, 9), np.nan), 44100, overwrite=True)
    assert path.read_bytes() == b"precious"
    sound_file.write(path, np.zeros((1, 9)), 44100, overwrite=True)
    assert sound_file.info(path).frames == 9


def test_error_in_the_middle_leaves_nothing(tmp_path):
    with (
        contextlib.suppress(KeyboardInterrupt),
        sound_file.create(tmp_path / "x.wav", 44100, 1) as append,
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
        sound_file.write(tmp_path / name, np.zeros((1, 9)), 44100, *layout)
    assert "\n" not in str(caught.value)


def test_flac_of_nine_channels_is_refused(tmp_path):
    with pytest.raises(AudioError, match="9 channels"):
        sound_file.write(tmp_path / "x.flac", np.zeros((9, 9)), 44100, "FLAC", "PCM_16")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk_is_reported(tmp_path, monkeypatch):
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, mode=0: real("/dev/full", os.O_RDWR)
    )
    with pytest.raises(AudioError, match=r"x\.wav: cannot be written"):
        sound_file.write(tmp_path / "x.wav", noise().T, 44100)
    assert os.listdir(tmp_path) == []


def test_longest_legal_name_can_be_written(tmp_path):
    path = tmp_path / ("x" * 251 + ".wav")
    sound_file.write(path, np.zeros((1, 9)), 44100)
    assert sound_file.info(path).frames == 9


def test_what_a_format_cannot_count_is_refused(tmp_path, monkeypatch):
    for kind, subtype, size in (("WAV", "PCM_24", 3), ("AIFF", "DOUBLE", 8)):
        most = ((1 << 32) - (1 << 25)) // size
        formats.check_size("x", kind, subtype, most)
        with pytest.raises(AudioError, match=f"x: is too long for {kind} "):
            formats.check_size("x", kind, subtype, most + 1)
        for free in ("RF64", "W64", "CAF"):
            formats.check_size("x", free, subtype, 1 << 40)
    counted = []
    check = lambda path, kind, subtype, samples: counted.append(samples)  # noqa: E731
    monkeypatch.setattr(sound_file, "check_size", check)
    with sound_file.create(tmp_path / "x.wav", 44100, 3) as append:
        for frames in (10, 0, 500):
            append(np.zeros((3, frames)))
    assert counted == [30, 30, 1530]


def test_a_finished_file_is_handed_over_before_it_has_its_name(tmp_path):
    path, seen = tmp_path / "x.wav", []

    def finish(temporary):
        seen.append((os.listdir(tmp_path), soundfile.info(temporary).frames))
        with open(temporary, "ab") as file:
            file.write(b"more")

    sound_file.write(path, np.zeros((1, 9)), 44100, finish=finish)
    [(names, frames)] = seen
    assert frames == 9 and names != ["x.wav"] and len(names) == 1
    assert path.read_bytes().endswith(b"more")

    def fail(temporary):
        raise OSError(28, "No space left on device")

    with pytest.raises(AudioError, match=r"y\.wav: cannot be written \(No space"):
        sound_file.write(tmp_path / "y.wav", np.zeros((1, 9)), 44100, finish=fail)
    assert os.listdir(tmp_path) == ["x.wav"]
