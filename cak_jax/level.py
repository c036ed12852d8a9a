"""Loudness and length of rendered audio."""

import numpy as np

# A match that would need more than 20 dB is not a match; the published limit.
MAX_GAIN = 10.0


def fit(audio: np.ndarray, samples: int) -> np.ndarray:
    """Cut or zero-pad `[channels, n]` to `[channels, samples]`."""
    missing = max(0, samples - audio.shape[-1])
    return np.pad(audio[..., :samples], ((0, 0), (0, missing)))


def rms(audio: np.ndarray) -> float:
    """Return the root mean square over all channels, in float64; 0 of no samples."""
    if audio.size == 0:
        return 0.0
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))


def rms_gain(dry: np.ndarray, wet: np.ndarray) -> float:
    """Return the gain that gives `wet` the RMS of `dry`, within +-20 dB.

    Exactly 1 where either is silent or both are equal.
    """
    level_dry, level_wet = rms(dry), rms(wet)
    if level_dry == 0.0 or level_wet == 0.0:
        return 1.0
    return float(np.clip(level_dry / level_wet, 1.0 / MAX_GAIN, MAX_GAIN))
