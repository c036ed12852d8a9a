"""Folders of test sounds, and how the tests load them; no tests here."""

from pathlib import Path

import numpy as np
import soundfile

from cak_jax.audio import riff_chunks
from cak_jax.data.corpus import load_corpus
from cak_jax.data.settings import CorpusSettings
from cak_jax.model.spectrogram_settings import SpectrogramSettings

RATE = 8000
SPECTROGRAM = SpectrogramSettings(sample_rate=RATE, n_fft=256, hop_length=64)
ALPHA = 10.0

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


def loader(folder: Path, cache: Path):
    """Load `folder` with short clips and without fades, unless said otherwise."""
    folder.mkdir()

    def run(**changes):
        settings = {"seconds": 1.0, "fade_seconds": 0.0, "held_out": 0.0}
        settings |= {"path": str(folder), "cache": str(cache)} | changes
        return load_corpus(CorpusSettings(**settings), SPECTROGRAM, ALPHA)

    return run


def sound(seconds: float, rate: int = RATE, channels: int = 1, seed: int = 0):
    """Return smooth noise, `[n, channels]`, below a quarter of the sample rate."""
    generator = np.random.default_rng(seed)
    count = round(seconds * rate)
    time = np.arange(count)[:, None] / rate
    frequencies = generator.uniform(50, 2000, (6, 1, channels))
    phases = generator.uniform(0, 6, (6, 1, channels))
    return 0.1 * np.sin(2 * np.pi * frequencies * time + phases).sum(axis=0)


def grain(index: int, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    """Return coloured noise that swells, `[n]` float32: every bin is heard."""
    generator = np.random.default_rng(index)
    count = round(seconds * rate)
    white = np.fft.rfft(generator.normal(size=count))
    tilt = np.linspace(1, generator.uniform(0.1, 1), len(white))
    swell = 1 + 0.8 * np.sin(2 * np.pi * np.arange(count) / rate * (1 + index % 3))
    return (0.05 * np.fft.irfft(white * tilt, count) * swell).astype(np.float32)


def put(folder: Path, name: str, samples, rate: int = RATE, **kind) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {"format": "WAV", "subtype": "FLOAT"} | kind
    soundfile.write(path, samples, rate, **kind)
    # The order of a corpus follows from its files' hashes, these from that time.
    riff_chunks.clear_peak_time(path)
    return path


def reasons(found) -> dict[str, str]:
    return {entry["file"]: entry["reason"] for entry in found.manifest["left_out"]}


def clip_of(found, name: str) -> np.ndarray:
    return np.asarray(found.audio[found.names.index(name)])


def fill(folder: Path, count: int = 4) -> None:
    for index in range(count):
        put(folder, f"{index}.wav", sound(2.5, 11025, 2, index), 11025)


def assert_same(first, second) -> None:
    np.testing.assert_array_equal(first.audio, second.audio)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.content, second.content)
    np.testing.assert_array_equal(first.held_out, second.held_out)
    assert first.names == second.names
    assert (first.low, first.high) == (second.low, second.high)
    assert first.sha256 == second.sha256
    assert first.manifest == second.manifest
