"""The figure that sets dry and wet spectrograms side by side."""

import numpy as np

from cak_jax.report.style import (
    BLUE,
    DIVERGING,
    GREEN,
    INK,
    MUTED,
    PURPLE,
    VERMILLION,
    add_colorbar,
    check_array,
    label_lines,
    make_figure,
    style_axes,
)

RANGE = 80.0
ROWS, FRAMES = 220, 500
LOWEST = 40.0


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
    return (total[high] - total[low]) / (high - low)[:, None]


def average_frames(rows: np.ndarray) -> np.ndarray:
    """Average neighbouring frames until at most `FRAMES` are left."""
    group = -(-rows.shape[1] // FRAMES)
    count = -(-rows.shape[1] // group)
    padded = np.pad(rows, ((0, 0), (0, count * group - rows.shape[1])), mode="edge")
    return padded.reshape(rows.shape[0], count, group).mean(-1)


def check_decibels(dry, wets, controls) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return dry and wet spectrograms, checked and floored 80 dB under the peak."""
    dry = check_array("dry", dry, (None, None))
    wets = [check_array("every wet", wet, dry.shape) for wet in wets]
    if not wets or len(wets) != len(controls):
        raise ValueError(
            f"wets and controls must be as many, at least one, "
            f"got {len(wets)} and {len(controls)}"
        )
    for name, values in [("dry", dry), *(("every wet", wet) for wet in wets)]:
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite decibels")
    floor = max(dry.max(), *(wet.max() for wet in wets)) - RANGE
    return np.maximum(dry, floor), [np.maximum(wet, floor) for wet in wets]


def style_frequency(axes, sample_rate: int) -> None:
    """Make the vertical axis logarithmic, with the octaves of a mixing desk."""
    axes.set_yscale("log")
    ticks = [hertz for hertz in (50, 200, 1000, 5000, 20000) if hertz < sample_rate / 2]
    names = [f"{hertz // 1000}k" if hertz >= 1000 else str(hertz) for hertz in ticks]
    axes.set_yticks(ticks, labels=names)
    axes.minorticks_off()


def draw_profile(axes, changes: list, edges: np.ndarray, controls) -> None:
    """Draw the mean change over time against frequency, one line per control."""
    colours = (BLUE, VERMILLION, GREEN, PURPLE, INK)
    labels = [(f"{c:g}", colours[i % len(colours)]) for i, c in enumerate(controls)]
    centres = np.sqrt(edges[:-1] * edges[1:])
    axes.axvline(0, color=MUTED, linewidth=0.8)
    for change, (_, colour) in zip(changes, labels, strict=True):
        axes.plot(change.mean(1), centres, color=colour, linewidth=1.5)
    axes.set_xlabel("mean change (dB)")
    style_axes(axes, "Mean change")
    label_lines(axes, labels)


def draw_maps(figure, grid, maps: list, titles: list, mesh: dict, unit: str) -> None:
    """Draw one row of maps over the same axes, with one colour bar at the right.

    Args:
      figure: that holds the row.
      grid: axes of the row, one per map at its right end.
      maps: list of `[ROWS, frame]`.
      titles: one per map.
      mesh: `across`, `edges` and the colours, as `pcolormesh` takes them.
      unit: label of the colour bar.
    """
    mesh = dict(mesh)
    across, edges = mesh.pop("across"), mesh.pop("edges")
    for axes, values, title in zip(grid[-len(maps) :], maps, titles, strict=True):
        image = axes.pcolormesh(across, edges, values, **mesh)
        style_axes(axes, title, grid=False)
        axes.set_xlabel("time (s)")
    add_colorbar(figure, image, grid, unit)


def spectrograms(
    dry,
    wets: list,
    controls,
    sample_rate: int,
    hop_length: float,
    knob: str = "Control",
):
    """Draw dry and wet spectrograms and, below, their difference.

    Args:
      dry: `[freq, frame]` in dB, frequency 0 first, Nyquist last.
      wets: list of `[freq, frame]` in dB, one per control.
      controls: the control value of each.
      sample_rate: samples per second.
      hop_length: samples per frame.
      knob: what the controls are values of.

    Returns:
      The figure. What lies 80 dB under the peak counts as silence.

    Raises:
      ValueError: shapes or counts do not fit, or a value is not finite.
    """
    dry, wets = check_decibels(dry, wets, controls)
    edges = log_edges(sample_rate, dry.shape[0])
    sounds = [average_frames(average_rows(part, sample_rate)) for part in (dry, *wets)]
    changes = [sound - sounds[0] for sound in sounds[1:]]
    seconds = dry.shape[1] * hop_length / sample_rate
    place = {"across": np.linspace(0, seconds, sounds[0].shape[1] + 1), "edges": edges}
    peak = max(sound.max() for sound in sounds)
    level = {"cmap": "magma", "vmin": peak - RANGE, "vmax": peak}
    limit = max(3.0, float(np.percentile(np.abs(changes), 99.5)))
    change = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit}

    figure = make_figure(1.2 + 3.3 * len(sounds), 6.2)
    grid = figure.subplots(2, len(sounds), sharey=True)
    titles = [f"{knob} {control:g}" for control in controls]
    draw_maps(figure, grid[0], sounds, ["Dry", *titles], place | level, "level (dB)")
    titles = [f"Difference at {control:g}" for control in controls]
    draw_maps(figure, grid[1], changes, titles, place | change, "change (dB)")
    draw_profile(grid[1, 0], changes, edges, controls)
    for axes in grid[:, 0]:
        axes.set_ylabel("frequency (Hz)")
    style_frequency(grid[0, 0], sample_rate)
    return figure
