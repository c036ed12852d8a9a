"""Figures of a sound before and after an effect: spectrograms, waveforms."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cak_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What lies this many dB under the peak counts as silence.
RANGE = 80.0
# Cells of a drawn spectrogram, because a screen shows no more of them.
ROWS, FRAMES = 220, 500
# Of the frequency axis, Hz.
LOWEST = 40.0
# Points of a drawn waveform, because a screen shows no more of them.
COLUMNS = 1000


def log_edges(sample_rate: int, bins: int) -> np.ndarray:
    """Return `[ROWS + 1]` frequencies in Hz, evenly spaced on a logarithmic axis."""
    nyquist = sample_rate / 2
    return np.geomspace(max(LOWEST, nyquist / bins), nyquist, ROWS + 1)


def average_rows(decibels: np.ndarray, sample_rate: int) -> np.ndarray:
    """Average the bins that fall between logarithmic edges.

    Half a million cells of a linear spectrogram would mostly be drawn on top of each
    other at the treble end of a logarithmic axis.

    Args:
      decibels: `[freq, frame]`, frequency 0 first, Nyquist last.
      sample_rate: samples per second.

    Returns:
      `[ROWS, frame]`; a row that holds no bin takes the one it lies in.
    """
    last = decibels.shape[0] - 1
    edges = log_edges(sample_rate, decibels.shape[0])
    start = np.floor(edges / (sample_rate / 2) * last + 0.5).astype(int)
    low = np.minimum(start[:-1], last)
    high = np.clip(start[1:], low + 1, last + 1)
    total = np.cumsum(decibels, axis=0, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total[:1]), total])
    means: np.ndarray = (total[high] - total[low]) / (high - low)[:, None]
    return means


def average_frames(rows: np.ndarray) -> np.ndarray:
    """Average neighbouring frames until at most `FRAMES` are left."""
    group = -(-rows.shape[1] // FRAMES)
    count = -(-rows.shape[1] // group)
    padded = np.pad(rows, ((0, 0), (0, count * group - rows.shape[1])), mode="edge")
    means: np.ndarray = padded.reshape(rows.shape[0], count, group).mean(-1)
    return means


def check_decibels(
    dry: npt.ArrayLike, wets: Sequence[npt.ArrayLike], controls: Sequence[float]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return dry and wet spectrograms, floored `RANGE` dB under the peak.

    Raises:
      ValueError: shapes or counts do not fit, or a value is not finite.
    """
    dry = style.check_array("dry", dry, (None, None))
    checked = [style.check_array("every wet", wet, dry.shape) for wet in wets]
    if not checked or len(checked) != len(controls):
        raise ValueError(
            f"wets and controls must be as many, at least one, "
            f"got {len(checked)} and {len(controls)}"
        )
    sounds = np.stack([dry, *checked])
    if not np.isfinite(sounds).all():
        raise ValueError("dry and every wet must be finite decibels")
    sounds = np.maximum(sounds, sounds.max() - RANGE)
    return sounds[0], list(sounds[1:])


def average(
    spectrograms: list[np.ndarray], sample_rate: int, hop_length: float
) -> tuple[list[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Average spectrograms of one shape, as they are drawn.

    Returns:
      each as `[ROWS, frame]`, and the borders of the cells: seconds and Hz.
    """
    maps = [average_frames(average_rows(part, sample_rate)) for part in spectrograms]
    bins, frames = spectrograms[0].shape
    seconds = frames * hop_length / sample_rate
    across = np.linspace(0, seconds, maps[0].shape[1] + 1)
    return maps, (across, log_edges(sample_rate, bins))


def change_colours(changes: list[np.ndarray]) -> dict[str, Any]:
    """Return colours of changes in dB, as `pcolormesh` takes them; 0 is the middle."""
    limit = max(3.0, float(np.percentile(np.abs(changes), 99.5)))
    return {"cmap": style.DIVERGING, "vmin": -limit, "vmax": limit}


def style_frequency(axes: "Axes", sample_rate: int) -> None:
    """Make the vertical axis logarithmic, with the octaves of a mixing desk."""
    axes.set_yscale("log")
    ticks = [hertz for hertz in (50, 200, 1000, 5000, 20000) if hertz < sample_rate / 2]
    names = [f"{hertz // 1000}k" if hertz >= 1000 else str(hertz) for hertz in ticks]
    axes.set_yticks(ticks, labels=names)
    axes.minorticks_off()


def draw_profile(
    axes: "Axes",
    changes: list[np.ndarray],
    edges: np.ndarray,
    controls: Sequence[float],
) -> None:
    """Draw the mean change over time against frequency, one line per control."""
    colours = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.INK)
    labels = [(f"{c:g}", colours[i % len(colours)]) for i, c in enumerate(controls)]
    centres = np.sqrt(edges[:-1] * edges[1:])
    axes.axvline(0, color=style.MUTED, linewidth=0.8)
    for change, (_, colour) in zip(changes, labels, strict=True):
        axes.plot(change.mean(1), centres, color=colour, linewidth=1.5)
    axes.set_xlabel("mean change (dB)")
    style.style_axes(axes, "Mean change")
    style.label_lines(axes, labels)


def draw_maps(
    figure: "Figure",
    grid: npt.NDArray[Any],
    maps: list[np.ndarray],
    titles: list[str],
    across: np.ndarray,
    edges: np.ndarray,
    colours: dict[str, Any],
    unit: str,
) -> None:
    """Draw a row of maps `[ROWS, frame]`, with one colour bar at the right.

    The row's `grid` has an axes for each map at its right end. `across` and `edges` are
    the borders of the cells, `colours` is as `pcolormesh` takes them.
    """
    for axes, values, title in zip(grid[-len(maps) :], maps, titles, strict=True):
        image = axes.pcolormesh(across, edges, values, **colours)
        style.style_axes(axes, title, grid=False)
        axes.set_xlabel("time (s)")
    style.add_colorbar(figure, image, grid, unit)


def spectrograms(
    dry: npt.ArrayLike,
    wets: Sequence[npt.ArrayLike],
    controls: Sequence[float],
    sample_rate: int,
    hop_length: float,
    knob: str = "Control",
) -> "Figure":
    """Draw dry and wet spectrograms and, below, their difference.

    Args:
      dry: `[freq, frame]` in dB, frequency 0 first, Nyquist last.
      wets: `[freq, frame]` in dB, one per control.
      controls: the control value of each of `wets`.
      sample_rate: samples per second.
      hop_length: samples per frame.
      knob: the word for a control in the titles.

    Raises:
      ValueError: shapes or counts do not fit, or a value is not finite.
    """
    dry, wets = check_decibels(dry, wets, controls)
    sounds, place = average([dry, *wets], sample_rate, hop_length)
    changes = [sound - sounds[0] for sound in sounds[1:]]
    peak = max(sound.max() for sound in sounds)
    level = {"cmap": "magma", "vmin": peak - RANGE, "vmax": peak}
    change = change_colours(changes)

    figure = style.make_figure(1.2 + 3.3 * len(sounds), 6.2)
    grid = figure.subplots(2, len(sounds), sharey=True)
    titles = [f"{knob} {control:g}" for control in controls]
    draw_maps(figure, grid[0], sounds, ["Dry", *titles], *place, level, "level (dB)")
    titles = [f"Difference at {control:g}" for control in controls]
    draw_maps(figure, grid[1], changes, titles, *place, change, "change (dB)")
    draw_profile(grid[1, 0], changes, place[1], controls)
    for axes in grid[:, 0]:
        axes.set_ylabel("frequency (Hz)")
    style_frequency(grid[0, 0], sample_rate)
    return figure


def difference(
    dry: npt.ArrayLike, wet: npt.ArrayLike, sample_rate: int, hop_length: float
) -> "Figure":
    """Draw what changed from a dry sound to a wet one: the difference in dB.

    Args:
      dry, wet: `[freq, frame]` in dB, frequency 0 first, Nyquist last.
      sample_rate: samples per second.
      hop_length: samples per frame.

    Raises:
      ValueError: shapes do not fit, or a value is not finite.
    """
    dry, (wet,) = check_decibels(dry, [wet], [1.0])
    changes, place = average([wet - dry], sample_rate, hop_length)
    figure = style.make_figure(7.8, 4.2)
    grid = np.array([figure.subplots()])
    titles = ["Effect minus dry: red is louder, blue is softer"]
    change = change_colours(changes)
    draw_maps(figure, grid, changes, titles, *place, change, "change (dB)")
    grid[0].set_ylabel("frequency (Hz)")
    style_frequency(grid[0], sample_rate)
    return figure


def envelope(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest sample in each of at most `COLUMNS` parts.

    The channels of `[channels, samples]` count together.
    """
    count = min(COLUMNS, samples.shape[1])
    starts = np.arange(count) * samples.shape[1] // count
    low = np.minimum.reduceat(samples.min(0), starts)
    return low, np.maximum.reduceat(samples.max(0), starts)


def waveform(dry: npt.ArrayLike, wet: npt.ArrayLike, sample_rate: int) -> "Figure":
    """Draw the waveform dry and, below, with the effect, on one scale.

    Args:
      dry, wet: `[channels, samples]`, of one shape.
      sample_rate: samples per second.

    Raises:
      ValueError: shapes do not fit.
    """
    dry = style.check_array("dry", dry, (None, None))
    wet = style.check_array("wet", wet, dry.shape)
    figure = style.make_figure(7.8, 3.6)
    grid = figure.subplots(2, 1, sharex=True, sharey=True)
    parts = ("Dry", dry, style.BLUE), ("With the effect", wet, style.VERMILLION)
    for axes, (title, samples, colour) in zip(grid, parts, strict=True):
        low, high = envelope(samples)
        seconds = np.arange(len(low)) * samples.shape[1] / len(low) / sample_rate
        axes.fill_between(seconds, low, high, color=colour, linewidth=0.4)
        axes.axhline(0, color=style.MUTED, linewidth=0.5)
        axes.margins(x=0)
        axes.set(ylabel="full scale")
        style.style_axes(axes, title)
    grid[1].set(xlabel="time (s)")
    return figure
