"""Sounds in formats of PyAV, written by it; no tests here."""

import os

import av
import numpy as np

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


def encode(
    path, codec: str, sound: np.ndarray, kind: str, rate: int = RATE, **options
) -> None:
    """Write `[channel, n]` with PyAV; `kind` is the sample type of the codec."""
    layout = {1: "mono", 2: "stereo"}[len(sound)]
    with av.open(os.fspath(path), "w", options=options.pop("container", {})) as file:
        bit_rate = options.pop("bit_rate", 0)
        stream = file.add_stream(codec, rate, **options)
        stream.codec_context.layout = layout
        stream.codec_context.format = kind
        if bit_rate:
            stream.codec_context.bit_rate = bit_rate
        whole = sound if kind.startswith("s32") else sound >> 16
        if kind.startswith("flt"):
            whole = (sound / 2.0**31).astype(np.float32)
        elif kind.startswith("s16"):
            whole = whole.astype(np.int16)
        size = stream.codec_context.frame_size or 4096
        for start in range(0, sound.shape[1], size):
            part = np.ascontiguousarray(whole[:, start : start + size])
            if not kind.endswith("p"):
                part = np.ascontiguousarray(part.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, kind, layout)
            frame.sample_rate, frame.pts = rate, start
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
    "y.mka": ("pcm_s24le", "s32", 24, "MKA"),
    "x.caf": ("alac", "s16p", 16, "CAF"),
}
