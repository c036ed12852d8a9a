"""The figure that sets the waveform with the effect below the dry one."""

import numpy as np

from cak_jax.report.style import (
    BLUE,
    MUTED,
    VERMILLION,
    check_array,
    make_figure,
    style_axes,
)

COLUMNS = 1000


def envelope(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest sample in each of at most `COLUMNS` parts.

    Args:
      samples: `[channels, samples]`; the channels count together.
    """
    count = min(COLUMNS, samples.shape[1])
    starts = np.arange(count) * samples.shape[1] // count
    low = np.minimum.reduceat(samples.min(0), starts)
    return low, np.maximum.reduceat(samples.max(0), starts)


def waveform(dry, wet, sample_rate: int):
    """Draw the waveform dry and, below, with the effect, on one scale.

    Args:
      dry, wet: `[channels, samples]`, of one shape.
      sample_rate: samples per second.

    Returns:
      The figure.

    Raises:
      ValueError: shapes do not fit.
    """
    dry = check_array("dry", dry, (None, None))
    wet = check_array("wet", wet, dry.shape)
    figure = make_figure(7.8, 3.6)
    grid = figure.subplots(2, 1, sharex=True, sharey=True)
    parts = ("Dry", dry, BLUE), ("With the effect", wet, VERMILLION)
    for axes, (title, samples, colour) in zip(grid, parts, strict=True):
        low, high = envelope(samples)
        seconds = np.arange(len(low)) * samples.shape[1] / len(low) / sample_rate
        axes.fill_between(seconds, low, high, color=colour, linewidth=0.4)
        axes.axhline(0, color=MUTED, linewidth=0.5)
        axes.margins(x=0)
        axes.set(ylabel="full scale")
        style_axes(axes, title)
    grid[1].set(xlabel="time (s)")
    return figure
