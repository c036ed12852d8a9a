"""Loudness and length of rendered audio."""

import numpy as np

# More than 20 dB up lifts noise, not sound. Down is harmless: a strong effect may
# need more than the 20 dB that the published application allows itself.
LARGEST_GAIN = 10.0
SMALLEST_GAIN = 1e-3


def fit(audio: np.ndarray, samples: int) -> np.ndarray:
    """Cut or zero-pad `[channels, n]` to `[channels, samples]`."""
    missing = max(0, samples - audio.shape[-1])
    return np.pad(audio[..., :samples], ((0, 0), (0, missing)))


def rms(audio: np.ndarray) -> float:
    """Return the root mean square over all channels, in float64; 0 of no samples."""
    if audio.size == 0:
        return 0.0
    # In one order whatever the memory layout, so that equals have equal sums.
    audio = np.ascontiguousarray(audio)
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))


def fitting_gain(*sounds: np.ndarray, ceiling: float = 1.0) -> float:
    """Return the one gain, at most 1, that keeps all sounds within the ceiling."""
    peak = max(float(np.abs(samples).max()) for samples in sounds)
    return min(1.0, ceiling / peak) if peak else 1.0


def rms_gain(
    dry: np.ndarray, wet: np.ndarray, smallest: float = SMALLEST_GAIN
) -> float:
    """Return the gain that gives `wet` the RMS of `dry`, from `smallest` to 10.

    Exactly 1 where either is silent or both are equal.
    """
    return bounded_gain(rms(dry), rms(wet), smallest)[0]


def bounded_gain(
    dry: float, wet: float, smallest: float = SMALLEST_GAIN
) -> tuple[float, bool]:
    """Return the gain from the level `wet` to `dry`, and whether it had to be cut.

    Exactly 1 where either is silent or both are equal.
    """
    if dry == 0.0 or wet == 0.0:
        return 1.0, False
    gain = dry / wet
    bounded = float(np.clip(gain, smallest, LARGEST_GAIN))
    return bounded, bounded != gain
