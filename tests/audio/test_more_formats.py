"""Formats through PyAV: exact samples, lengths and offsets; and a line without it."""

import os
import shutil
import subprocess

import av
import numpy as np
import pytest
import soundfile
from support.more_sounds import FRAMES, LOSSLESS, RATE, encode, music
from support.sounds import put
from support.without_pyav import without_pyav

from cak_jax.audio import formats, sound_file
from cak_jax.audio.formats import AudioError
from cak_jax.audio.isolated_decoding.pool import guarded


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_are_exact(tmp_path, name):
    codec, kind, bits, _ = LOSSLESS[name]
    wanted = music(bits)
    encode(tmp_path / name, codec, wanted, kind)
    with guarded():
        found, header = sound_file.read(tmp_path / name)
    assert (header.sample_rate, header.channels, header.notes) == (RATE, 2, ())
    np.testing.assert_array_equal(found, wanted)
    assert formats.output_format(header)[:2] in (
        ("WAV", f"PCM_{bits}"),
        ("FLAC", f"PCM_{bits}"),
        ("CAF", f"PCM_{bits}"),
    )
    # Other types and sizes of blocks, in this process.
    parts = [*sound_file.blocks(tmp_path / name, 999, "float64")]
    np.testing.assert_array_equal(np.concatenate(parts).T, wanted / 2.0**31)


def test_flac_of_32_bits_is_exact(tmp_path):
    wanted = music(32)
    encode(
        tmp_path / "x.flac",
        "flac",
        wanted,
        "s32",
        options={"strict": "-2", "bits_per_raw_sample": "32"},
    )
    with pytest.raises(soundfile.SoundFileError):
        soundfile.info(tmp_path / "x.flac")
    found, header = sound_file.read(tmp_path / "x.flac")
    np.testing.assert_array_equal(found, wanted)
    assert formats.output_format(header) == ("WAV", "PCM_32", ".wav")


@pytest.mark.parametrize("name", ["x.m4a", "x.mp4", "x.3gp", "x.mka"])
def test_the_delay_of_the_encoder_is_taken_off(tmp_path, name):
    wanted = music() / 2.0**31
    encode(tmp_path / name, "aac", music(), "fltp")
    found, header = sound_file.read(tmp_path / name)
    assert header.sample_rate == RATE
    # Matroska does not say where the padding begins.
    padded = -(-FRAMES // 1024) * 1024
    assert found.shape[1] == (padded if name == "x.mka" else FRAMES)
    middle = slice(8000, 16_000)
    lag = np.correlate(found[0, 7000:17_000], wanted[0, middle]).argmax() - 1000
    assert lag == 0


LOSSY = {
    # Codec, sample type, rate, channels, bits per second, and the encoder's delay
    # where nothing tells it; None where the codec shapes the sound, or where ffmpeg's
    # decoder gives nothing for the first frame.
    "x.aac": ("aac", "fltp", RATE, 2, 128_000, 1024),
    "x.webm": ("libopus", "flt", 48_000, 2, 128_000, 0),
    "x.wma": ("wmav2", "fltp", RATE, 2, 128_000, None),
    "x.amr": ("libopencore_amrnb", "s16", 8000, 1, 12_200, None),
}


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_have_ffmpegs_samples(tmp_path, name):
    codec, kind, rate, channels, bits, delay = LOSSY[name]
    encode(tmp_path / name, codec, music()[:channels], kind, rate, bit_rate=bits)
    notes = []
    found = [*sound_file.blocks(tmp_path / name, note=notes.append)]
    header = sound_file.info(tmp_path / name)
    found = np.concatenate(found).T
    assert (header.sample_rate, len(found), notes) == (rate, channels, [])
    assert abs(found.shape[1] - FRAMES) < 2500
    if delay is not None:
        wanted = music()[0, 8000:16_000] / 2.0**31
        lag = np.correlate(found[0, 5000:19_000], wanted).argmax() - 3000
        assert lag == delay
    if shutil.which("ffmpeg"):
        command = ["ffmpeg", "-v", "quiet", "-i", tmp_path / name, "-f", "f32le", "-"]
        data = subprocess.run(command, capture_output=True, check=True).stdout
        theirs = np.frombuffer(data, np.float32).reshape(-1, channels).T
        # No sample more or less, and none at another place.
        np.testing.assert_allclose(found, theirs, atol=1e-3)


def test_tags_and_damage(tmp_path):
    path = tmp_path / "x.m4a"
    encode(path, "aac", music(), "fltp")
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 3000
    data[start : start + 4000] = bytes(4000)
    path.write_bytes(data)
    notes = []
    with guarded():
        count = sum(map(len, sound_file.blocks(path, note=notes.append)))
    assert 0 < count < FRAMES
    assert any("is damaged: " in note for note in notes)


@pytest.mark.parametrize(
    ("name", "codec"), [("x.wv", "wavpack"), ("x.m4a", "alac"), ("x.oga", "flac")]
)
def test_joined_files_are_read_to_the_end(tmp_path, name, codec):
    path = tmp_path / name
    encode(path, codec, music(), "s16" if codec == "flac" else "s16p")
    path.write_bytes(path.read_bytes() * 2)
    found, header = sound_file.read(path)
    np.testing.assert_array_equal(found, np.tile(music(), 2))
    assert header.notes == ("is 2 sounds joined to one file, all read",)


def test_without_the_extra_both_remedies_are_named(tmp_path):
    path = tmp_path / "my song.m4a"
    encode(path, "aac", music(), "fltp")
    with without_pyav(), pytest.raises(AudioError) as caught:
        sound_file.info(path)
    assert caught.value.reason == (
        'is M4A or MP4: pip install "cak-jax[formats]" to read it, or convert it: '
        "ffmpeg -i 'my song.m4a' 'my song.m4a.wav'"
    )
    assert sound_file.info(put(tmp_path, "x.wav", music().T / 2.0**31)).frames == FRAMES


def test_a_video_without_sound_is_refused(tmp_path):
    path = tmp_path / "x.mp4"
    with av.open(os.fspath(path), "w") as file:
        stream = file.add_stream("mpeg4", 25, width=32, height=32, pix_fmt="yuv420p")
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(AudioError, match="holds no sound"):
        sound_file.info(path)
