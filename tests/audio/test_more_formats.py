"""Formats through PyAV: exact samples, lengths and offsets; and a line without it."""

import importlib.util
import os

import av
import numpy as np
import pytest
import soundfile
from support.sounds import put

from cak_jax.audio import formats, sound_file
from cak_jax.audio.formats import AudioError
from cak_jax.audio.isolated_decoding.pool import guarded

RATE = 44100
FRAMES = 30_000


def music(bits: int = 16) -> np.ndarray:
    """Return `[2, n]` left-justified int32 of so many bits."""
    generator = np.random.default_rng(0)
    time = np.arange(FRAMES) / RATE
    tone = 0.4 * np.sin(2 * np.pi * np.array([[330], [440]]) * time)
    level = tone + 0.05 * generator.normal(size=(2, FRAMES))
    step = 1 << (32 - bits)
    return (np.rint(level * 2**31 / step) * step).astype(np.int32)


def encode(path, codec: str, sound: np.ndarray, kind: str, **options) -> None:
    """Write a file with PyAV; `kind` is the sample type that the codec takes."""
    with av.open(os.fspath(path), "w", options=options.pop("container", {})) as file:
        stream = file.add_stream(codec, RATE, **options)
        stream.codec_context.layout = "stereo"
        stream.codec_context.format = kind
        whole = sound if kind.startswith("s32") else sound >> 16
        if kind.startswith("flt"):
            whole = (sound / 2.0**31).astype(np.float32)
        elif kind.startswith("s16"):
            whole = whole.astype(np.int16)
        size = stream.codec_context.frame_size or 4096
        for start in range(0, FRAMES, size):
            part = np.ascontiguousarray(whole[:, start : start + size])
            if not kind.endswith("p"):
                part = np.ascontiguousarray(part.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, kind, "stereo")
            frame.sample_rate, frame.pts = RATE, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


LOSSLESS = {
    "x.m4a": ("alac", "s16p", 16, "ALAC_16"),
    "y.m4a": ("alac", "s32p", 24, "ALAC_24"),
    "x.wv": ("wavpack", "s16p", 16, "WV"),
    "y.wv": ("wavpack", "s32p", 32, "WV"),
    "x.tta": ("tta", "s16", 16, "TTA"),
    "y.tta": ("tta", "s32", 24, "TTA"),
    "x.oga": ("flac", "s16", 16, "OGG"),
    "y.flac": ("flac", "s32", 24, "FLAC"),
    "x.mka": ("flac", "s16", 16, "MKA"),
}


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


def test_without_the_extra_both_remedies_are_named(tmp_path, monkeypatch):
    path = tmp_path / "my song.m4a"
    encode(path, "aac", music(), "fltp")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "av" else find(name)
    )
    with pytest.raises(AudioError) as caught:
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
