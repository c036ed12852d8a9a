"""One pass over the clips: normalisation constants and descriptors.

The percentiles come from a streamed histogram, so memory does not grow with the
corpus. Source: arXiv 2508.02643, section on data.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import descriptors
from cak_jax.data.clips import Rows
from cak_jax.data.scan import Progress
from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings

BINS = 10_000
PERCENTS = 0.01, 99.99


class Statistics(NamedTuple):
    """Measures of a corpus: descriptors have one value per clip.

    `low` and `high` are percentiles of `log1p(alpha * sqrt|X|)` over training clips.
    """

    low: float
    high: float
    descriptors: dict[str, list[float]]


def measure(
    rows: Rows,
    training: np.ndarray,
    peak: float,
    settings: SpectrogramSettings,
    alpha: float,
    progress: Progress,
) -> Statistics:
    """Measure every clip, and the percentiles of the training clips.

    Args:
      rows: returns clip i, `[sample]` float32; read once, in order.
      training: `[clip]` bool.
      peak: an upper bound of the absolute samples of the training clips.
      settings, alpha: of the spectrogram, and the gain before the logarithm.
      progress: of the stage "measuring".
    """
    top = upper_bound(peak, settings, alpha)
    counts = np.zeros(BINS, np.int64)
    values: dict[str, list[float]] = {name: [] for name in descriptors.DESCRIPTORS}
    pending = None
    progress(0, len(training), "measuring")
    for index in range(len(training) + 1):
        # One clip ahead, so that XLA analyses it while the host counts the last one.
        ahead = None
        if index < len(training):
            clip = jnp.asarray(rows(index))
            ahead = _analyse(clip, np.float32(alpha), np.float32(top), settings)
        if pending is not None:
            bins, described = pending
            if training[index - 1]:
                counts += np.bincount(np.asarray(bins).ravel(), minlength=BINS)
            for name, value in described.items():
                values[name].append(float(value))
            progress(index, len(training), "measuring")
        pending = ahead
    low, high = (histogram_percentile(counts, top, p) for p in PERCENTS)
    return Statistics(low, high, values)


def upper_bound(peak: float, settings: SpectrogramSettings, alpha: float) -> float:
    """Return an upper bound of `log1p(alpha * sqrt|X|)` for samples up to `peak`."""
    # n_fft / 2 is the sum of the periodic Hann window.
    return float(np.log1p(alpha * np.sqrt(max(peak, 1e-12) * settings.n_fft / 2)))


def histogram_percentile(counts: np.ndarray, top: float, percent: float) -> float:
    """Return a percentile of values counted in equal bins over [0, top].

    It is interpolated within a bin, so the error is at most the width of one.
    """
    below = np.cumsum(counts)
    rank = percent / 100 * (below[-1] - 1)
    index = int(np.searchsorted(below, rank, side="right"))
    inside = (rank - (below[index] - counts[index])) / counts[index]
    return float((index + inside) * top / len(counts))


@functools.partial(jax.jit, static_argnames="settings")
def _analyse(
    audio: jax.Array, alpha: float, top: float, settings: SpectrogramSettings
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the histogram bin of each magnitude, and the descriptors of the clip."""
    magnitude = jnp.abs(spectral.stft(audio, settings))
    place = spectral.compress(magnitude, alpha) * (BINS / top)
    bins = jnp.minimum(place, BINS - 1).astype(jnp.uint16)
    return bins, descriptors.describe(audio, magnitude, settings)
