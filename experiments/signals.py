"""Sounds that the figures are drawn from: test signals, excerpts of files, octaves."""

import itertools
import pathlib

import numpy as np

from cak_jax.audio import sound_file
from cak_jax.audio.formats import to_float
from cak_jax.model import spectral

EXCERPT_SECONDS = 20.0
# Octave bands, named by their middle; the first one reaches down to DC.
OCTAVES = tuple(1000 * 2.0**k for k in range(-5, 5))


def decibels(value):
    """Return `20 log10`, floored far below anything that is heard."""
    return 20 * np.log10(np.maximum(value, 1e-12))


def time(seconds: float, rate: int) -> np.ndarray:
    return np.arange(round(seconds * rate)) / rate


def sine(hertz: float, peak_db: float, seconds: float, rate: int) -> np.ndarray:
    phase = 2 * np.pi * hertz * time(seconds, rate)
    return (10 ** (peak_db / 20) * np.sin(phase)).astype(np.float32)


def log_sweep(low: float, high: float, peak_db: float, seconds: float, rate: int):
    """Return a sine whose pitch rises by the same interval every second."""
    growth = np.log(high / low) / seconds
    phase = 2 * np.pi * low / growth * np.expm1(growth * time(seconds, rate))
    return (10 ** (peak_db / 20) * np.sin(phase)).astype(np.float32)


def impulses(per_second: float, peak_db: float, seconds: float, rate: int):
    """Return single samples at equal distances, the first half a distance in."""
    train = np.zeros(round(seconds * rate), np.float32)
    places = (np.arange(int(seconds * per_second)) + 0.5) * rate / per_second
    train[places.astype(int)] = 10 ** (peak_db / 20)
    return train


def noise(colour: str, rms_db: float, seconds: float, rate: int) -> np.ndarray:
    """Return seeded noise: "white", or "pink" (equal power in every octave)."""
    count = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(count))
    if colour == "pink":
        # Flat below 20 Hz, where nothing is heard.
        bins = np.fft.rfftfreq(count, 1 / rate)
        spectrum = spectrum / np.sqrt(np.maximum(bins, 20.0))
    sound = np.fft.irfft(spectrum, count)
    return (10 ** (rms_db / 20) * sound / np.std(sound)).astype(np.float32)


def signal_set(seconds: float, rate: int) -> dict[str, np.ndarray]:
    """Return the set of test signals by name: dBFS, of the peak for sines."""
    return {
        "sine 100 Hz, -30 dB": sine(100, -30, seconds, rate),
        "sine 1 kHz, -60 dB": sine(1000, -60, seconds, rate),
        "sine 1 kHz, -30 dB": sine(1000, -30, seconds, rate),
        "sine 1 kHz, -6 dB": sine(1000, -6, seconds, rate),
        "sine 8 kHz, -30 dB": sine(8000, -30, seconds, rate),
        "white noise, -20 dB": noise("white", -20, seconds, rate),
        "log sweep 20 Hz to 20 kHz": log_sweep(20, 20000, -12, seconds, rate),
        "8 impulses a second": impulses(8, -6, seconds, rate),
    }


def excerpt(path: str, seconds: float = EXCERPT_SECONDS) -> tuple[np.ndarray, int]:
    """Return the middle of a file, `[channels, samples]`, and its sample rate."""
    samples, found = sound_file.read(path)
    length = round(seconds * found.sample_rate)
    start = max(0, (samples.shape[1] - length) // 2)
    return to_float(samples[:, start : start + length]), found.sample_rate


def mono_excerpt(path: str, rate: int) -> np.ndarray:
    """Return the channels' mean of the middle of a file at a sample rate."""
    samples, found = excerpt(path)
    return sound_file.resample(samples.mean(axis=0).astype(np.float32), found, rate)


def name_of(path: str) -> str:
    return pathlib.Path(path).stem


def octave_bins(settings: spectral.SpectrogramSettings) -> list[slice]:
    """Return the bins of every octave that the spectrogram reaches."""
    bin_hertz = settings.sample_rate / settings.n_fft
    edges = [0, *(round(f * 2**0.5 / bin_hertz) for f in OCTAVES)]
    edges = [min(edge, settings.bins) for edge in edges]
    pairs = itertools.pairwise(edges)
    return [slice(low, high) for low, high in pairs if high > low]
