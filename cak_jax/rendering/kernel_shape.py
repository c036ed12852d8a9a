"""An effect's shape at no cost: flip and tilt of its one stencil, as numbers.

The formulas stand in `RenderSettings`, whose fields these are.
"""

import numpy as np

from cak_jax.model.spectrogram_settings import SpectrogramSettings

LOWEST, HIGHEST = 50.0, 16000.0


def flip(kernel, how: str) -> np.ndarray:
    """Return the kernel `[3, 3]`, mirrored in "time", "frequency", "both" or "none"."""
    kernel = np.asarray(kernel, np.float64)
    if how in ("frequency", "both"):
        kernel = kernel[::-1]
    if how in ("time", "both"):
        kernel = kernel[:, ::-1]
    return kernel


def tilt_weights(settings: SpectrogramSettings, tilt: float) -> np.ndarray:
    """Return the factor on the amount per frequency bin, `[freq]` in [0, 1].

    >>> tilt_weights(SpectrogramSettings(32000, 4, 2), -1.0).tolist()
    [1.0, 0.12018..., 0.0]
    """
    hertz = np.arange(settings.bins) * settings.sample_rate / settings.n_fft
    place = np.log2(np.maximum(hertz, LOWEST) / LOWEST) / np.log2(HIGHEST / LOWEST)
    place = np.clip(place, 0.0, 1.0)
    return 1.0 - tilt * (1.0 - place) if tilt >= 0 else 1.0 + tilt * place
