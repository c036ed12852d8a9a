"""Figures of one run from arrays: history, audit, labels, and how far it is.

Every function takes numbers and returns a figure; nothing here reads a file.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cak_jax.effect.effect import Effect
from cak_jax.model.losses import TERMS, Panel
from cak_jax.report import style
from cak_jax.report.kernel_figure import draw_weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# One line of `metrics.jsonl`.
Record = Mapping[str, Any]
# Epochs, values, label, colour of a line.
Line = tuple[np.ndarray, np.ndarray, str, str]

# Below this many epochs each of them has a mark.
FEW_EPOCHS = 13
R2 = "R\N{SUPERSCRIPT TWO}"


def _panel(panel: Panel) -> tuple[Any, ...]:
    """Return a loss term's panel: its metric in training, and on held-out clips."""
    label = "train" if panel.held_out else ""
    lines = [("train", panel.metric, label, style.BLUE)]
    if panel.held_out:
        lines.append(("held-out", panel.metric, "held-out", style.VERMILLION))
    return panel.title, *lines


# A panel: title, then its lines as (source, key, label, colour).
PANELS: tuple[tuple[Any, ...], ...] = (
    (
        "Losses",
        ("train", "generator_loss", "generator", style.BLUE),
        ("train", "critic_loss", "critic", style.VERMILLION),
    ),
    *(_panel(term.panel) for term in TERMS.values() if term.panel),
    ("Left at control 0", ("held-out", "residual_at_zero", "", style.VERMILLION)),
    ("Gate temperature", ("train", "temperature", "", style.BLUE)),
    ("Scale", ("train", "scale", "", style.BLUE)),
    (
        "Kernel",
        ("train", "kernel_sum", "sum", style.BLUE),
        ("train", "bias", "bias", style.PURPLE),
    ),
    (
        "Audit, held-out",
        ("held-out", "audit_slope", "slope", style.VERMILLION),
        ("held-out", "audit_r2", R2, style.GREEN),
    ),
)


def read_series(records: Sequence[Record], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return epochs and values, `[N]` each, of the records where both are numbers."""
    # A missing value and null become NaN.
    points = [(record.get("epoch"), record.get(key)) for record in records]
    table = np.array(points, dtype=np.float64).reshape(-1, 2)
    table = table[np.isfinite(table).all(axis=1)]
    return table[:, 0], table[:, 1]


def draw_series(
    axes: "Axes", epochs: np.ndarray, values: np.ndarray, colour: str
) -> None:
    """Draw a line over epochs, with a mark for each where they are few."""
    shape = "o-" if epochs.size < FEW_EPOCHS else "-"
    axes.plot(epochs, values, shape, color=colour, linewidth=1.6, markersize=3.5)


def history(
    records: Sequence[Record],
    held_out: Sequence[Record],
) -> "Figure":
    """Draw a training run against epochs, after figure 2 of arXiv 2508.02643.

    Args:
      records: per epoch `epoch`, `generator_loss`, `critic_loss`, `wasserstein`,
        `violation`, `reconstruction`, `pattern_strength`, `temperature`, `scale`,
        `kernel_sum`, `bias`; a value that is missing, null or not finite is not drawn.
      held_out: per evaluated epoch `epoch`, `violation`, `reconstruction`,
        `audit_slope`, `audit_r2`; of FiLM `residual_at_zero`.

    Raises:
      ValueError: there is nothing to draw.
    """
    sources = {"train": records, "held-out": held_out}
    panels = []
    for title, *lines in PANELS:
        drawn = [
            (*read_series(sources[source], key), label, colour)
            for source, key, label, colour in lines
        ]
        drawn = [line for line in drawn if line[0].size]
        if drawn:
            panels.append((title, drawn))
    if not panels:
        raise ValueError("records and held_out hold no finite value to draw")
    return draw_panels(panels)


def draw_panels(panels: Sequence[tuple[str, list[Line]]], most: int = 3) -> "Figure":
    """Draw small multiples against epochs, at most so many in a row."""
    figure, grid = style.make_grid(len(panels), most, 3.7, 2.2)
    for axes in grid[1:]:
        axes.sharex(grid[0])
    for axes, (title, lines) in zip(grid, panels, strict=True):
        draw_lines(axes, title, lines, "epoch")
    return figure


def draw_lines(axes: "Axes", title: str, lines: Sequence[Line], xlabel: str) -> None:
    """Draw the lines of a panel, and name those that have a label."""
    for epochs, values, _, colour in lines:
        draw_series(axes, epochs, values, colour)
    axes.set_xlabel(xlabel)
    axes.locator_params("x", integer=True)
    axes.margins(y=0.12)
    style.style_axes(axes, title)
    style.label_lines(axes, [(text, colour) for *_, text, colour in lines if text])


def draw_requests(
    axes: "Axes", requested: np.ndarray, measured: np.ndarray, title: str, xlabel: str
) -> None:
    """Draw the measured value of each clip, their median (thick) and the diagonal."""
    axes.plot((0, 1), (0, 1), color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(requested, measured.T, color=style.BLUE, linewidth=0.7, alpha=0.3)
    # Not nanmedian: it warns where no clip has a value.
    median: Any = np.ma.median  # NumPy brings no types for it
    middle = median(np.ma.masked_invalid(measured), axis=0).filled(np.nan)
    axes.plot(requested, middle, color=style.VERMILLION, linewidth=2.4)
    error = np.abs(measured - requested)
    error = error[np.isfinite(error)]
    if error.size:
        text = f"mean |measured \N{MINUS SIGN} requested| {error.mean():.3f}"
        axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=9,
                  color=style.MUTED)  # fmt: skip
    axes.set(xlabel=xlabel)
    style.style_axes(axes, title)
    labels = [("clips", style.BLUE), ("median", style.VERMILLION)]
    style.label_lines(axes, [*labels, ("- - ideal", style.INK)])


def audit(
    requested: npt.ArrayLike,
    raw: npt.ArrayLike,
    calibrated: npt.ArrayLike | None = None,
) -> "Figure":
    """Draw requested against measured values, raw and with the gate inverted.

    Args:
      requested: `[K]`, raw controls and amounts of the calibrated knob.
      raw: `[clip, K]` values that the audit reads from the output.
      calibrated: the same of the calibrated knob; None for one panel.

    Raises:
      ValueError: shapes do not fit, or no value is finite.
    """
    requested = style.check_array("requested", requested, (None,))
    shape = None, requested.size
    raw = style.check_array("raw", raw, shape)
    panels = [(requested, raw, "Raw control", "requested control")]
    if calibrated is not None:
        calibrated = style.check_array("calibrated", calibrated, shape)
        title = "Calibrated, gate inverted"
        panels.append((requested, calibrated, title, "requested amount"))
    values = np.concatenate([panel[1].ravel() for panel in panels])
    values = values[np.isfinite(values)]
    if not values.size:
        raise ValueError("the audit holds no finite value")
    figure = style.make_figure(4.9 * len(panels), 4.4)
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        draw_requests(axes, *panel)
    grid[0].set_ylabel("measured by the audit")
    # A clip whose audit is meaningless must not squeeze the rest flat.
    low, high = np.percentile(values, (2, 98), method="nearest")
    low, high = min(0.0, low), max(1.0, high)
    grid[0].set_ylim(low - 0.06 * (high - low), high + 0.12 * (high - low))
    return figure


def heard(
    amounts: npt.ArrayLike, windows: Mapping[str, Mapping[str, Sequence[float]]]
) -> "Figure":
    """Draw requested against heard change, one panel for each window.

    Args:
      amounts: `[K]`, of the knob; a point at 0, where nothing changes, is added.
      windows: by window "measured", "lower" and "upper" `[K]`: mean and quartiles over
        clips, in units of the range.

    Raises:
      ValueError: shapes do not fit, or there is no window.
    """
    amounts = style.check_array("amounts", amounts, (None,))
    if not windows:
        raise ValueError("windows must hold at least one")
    turns = np.concatenate([[0.0], amounts])
    figure = style.make_figure(4.9 * len(windows), 4.4)
    grid = figure.subplots(1, len(windows), sharey=True, squeeze=False)[0]
    for axes, (window, found) in zip(grid, windows.items(), strict=True):
        mean, lower, upper = (
            np.concatenate([[0.0], style.check_array(name, found[name], amounts.shape)])
            for name in ("measured", "lower", "upper")
        )
        axes.plot((0, 1), (0, 1), color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.fill_between(turns, lower, upper, color=style.BLUE, alpha=0.2, linewidth=0)
        axes.plot(turns, mean, "o-", color=style.VERMILLION, linewidth=2.4,
                  markersize=5)  # fmt: skip
        axes.set(xlabel="amount")
        style.style_axes(axes, f"Frames of {window}")
        labels = [("half of the clips", style.BLUE), ("mean", style.VERMILLION)]
        style.label_lines(axes, [*labels, ("- - ideal", style.INK)])
    grid[0].set_ylabel("heard, share of the range")
    return figure


def label_histogram(labels: npt.ArrayLike, controls: npt.ArrayLike) -> "Figure":
    """Draw how texture labels and the training pairs' control values spread.

    Args:
      labels: `[N]` labels of the corpus.
      controls: `[M]` control values of the transformation pairs.

    Raises:
      ValueError: not one-dimensional, empty, or without a finite value.
    """
    figure = style.make_figure(9.0, 3.2)
    grid = figure.subplots(1, 2)
    parts: tuple[tuple[str, npt.ArrayLike, str, str], ...] = (
        ("labels", labels, "Texture labels", style.BLUE),
        ("controls", controls, "Control of the training pairs", style.VERMILLION),
    )
    for axes, (name, numbers, title, colour) in zip(grid, parts, strict=True):
        values = style.check_array(name, numbers, (None,))
        values = values[np.isfinite(values)]
        if not values.size:
            raise ValueError(f"{name} holds no finite value")
        bins = np.linspace(min(0.0, values.min()), max(1.0, values.max()), 21)
        axes.hist(values, bins=bins, color=colour, edgecolor="white", linewidth=0.8)
        axes.axvline(np.median(values), color=style.INK, linewidth=1.2)
        axes.set(xlabel=name.removesuffix("s"), ylabel="count")
        style.style_axes(axes, title)
        axes.grid(False, axis="x")
        style.label_lines(
            axes, [(f"n {values.size}, median {np.median(values):.2f}", style.MUTED)]
        )
    return figure


def progress(
    records: Sequence[Record],
    held_out: Sequence[Record],
    epochs: int,
    effect: Effect | None = None,
) -> "Figure":
    """Draw a run that is under way.

    Args:
      records, held_out: of its epochs so far, as `metrics.jsonl` has them.
      epochs: that the run is to have.
      effect: as it stands; None where there is no kernel to show.
    """
    figure = style.make_figure(12.0, 3.3)
    left, middle, right = figure.subplots(1, 3)
    losses = [
        (*read_series(records, "critic_loss"), "critic", style.VERMILLION),
        (*read_series(records, "generator_loss"), "generator", style.BLUE),
    ]
    # A game without a critic has one loss.
    losses = [line for line in losses if line[0].size] or losses
    audited = [
        (*read_series(held_out, "audit_slope"), "slope", style.GREEN),
        (*read_series(held_out, "audit_r2"), R2, style.BLUE),
    ]
    draw_lines(left, "Losses", losses, f"epoch of {epochs}")
    title = "Requested and measured, held out"
    draw_lines(middle, title, audited, f"epoch of {epochs}")
    middle.set_ylim(bottom=min(0.0, middle.get_ylim()[0]))
    middle.axhline(1.0, color=style.GREEN, linewidth=0.8, linestyle=(0, (4, 3)))
    for axes in (left, middle):
        axes.set_xlim(0.5, epochs + 0.5)
    if effect is None:
        right.set_visible(False)
        return figure
    right.set_box_aspect(1)
    kernel, settings = np.asarray(effect.kernel), effect.spectrogram
    draw_weights(right, kernel, settings, spacing=effect.spacing)
    return figure
