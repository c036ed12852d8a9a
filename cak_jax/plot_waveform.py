"""The figure that lays the waveform with the effect over the dry one."""

import numpy as np

from cak_jax.plot_style import (
    BLUE,
    MUTED,
    VERMILLION,
    check_array,
    label_lines,
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
    """Draw the waveform dry and with the effect, one over the other.

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
    figure = make_figure(7.8, 3.0)
    axes = figure.subplots()
    parts = ("with the effect", wet, VERMILLION), ("dry", dry, BLUE)
    for _, samples, colour in parts:
        low, high = envelope(samples)
        seconds = np.arange(len(low)) * samples.shape[1] / len(low) / sample_rate
        axes.fill_between(seconds, low, high, color=colour, alpha=0.6, linewidth=0.4)
    axes.axhline(0, color=MUTED, linewidth=0.5)
    axes.margins(x=0)
    axes.set(xlabel="time (s)", ylabel="full scale")
    style_axes(axes, "Waveform, equally loud")
    label_lines(axes, [(text, colour) for text, _, colour in parts])
    return figure
