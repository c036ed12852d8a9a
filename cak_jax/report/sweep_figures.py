"""Figures of a sweep from arrays: heat maps over two fields, curves over one."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cak_jax.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# An axis of up to so many values has a place and a label for each of them.
MOST_NAMED = 12
PANELS = 3  # side by side


def short(value: object) -> str:
    """Return a value as a label."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def span(numbers: np.ndarray) -> tuple[float, float]:
    """Return limits around numbers, so wide that rounding does not look large.

    The span is at least 2% of the middle, so that 0.9998 and 0.9999 look alike.
    """
    low, high = float(np.min(numbers)), float(np.max(numbers))
    middle = (low + high) / 2
    half = max((high - low) / 2, 0.01 * abs(middle), 1e-9)
    return middle - half, middle + half


def heat_maps(maps: Sequence[dict[str, Any]]) -> "Figure":
    """Draw heat maps, up to three in a row, each with its numbers.

    Args:
      maps: title, "rows" and "across" (field names), "down" and "right" (values),
        "table" `[row, column]`, NaN where there is no run. Optional: "spread", the
        standard deviation of each cell, which is shown where it is above 0.
    """
    figure, grid = style.make_grid(len(maps), PANELS, 4.1, 3.2)
    for axes, heat_map in zip(grid, maps, strict=True):
        table = np.ma.masked_invalid(heat_map["table"])
        low, high = span(table.compressed()) if table.count() else (0.0, 1.0)
        image = axes.imshow(table, aspect="auto", origin="lower", vmin=low, vmax=high,
                            cmap=style.SEQUENTIAL)  # fmt: skip
        right, down = heat_map["right"], heat_map["down"]
        axes.set_xticks(range(len(right)), [short(value) for value in right])
        axes.set_yticks(range(len(down)), [short(value) for value in down])
        axes.set(xlabel=heat_map["across"], ylabel=heat_map["rows"])
        style.style_axes(axes, heat_map["title"], grid=False)
        spread = heat_map.get("spread", np.zeros(table.shape))
        for i, row in enumerate(heat_map["table"]):
            for j, value in enumerate(row):
                if np.isfinite(value):
                    more = f"\n±{spread[i, j]:.2g}" if spread[i, j] > 0 else ""
                    colour = "white" if value <= (low + high) / 2 else style.INK
                    axes.text(j, i, f"{value:.3g}{more}", ha="center", va="center",
                              color=colour, fontsize=7.5)  # fmt: skip
        formatter: Any = style.add_colorbar(figure, image, axes, "").formatter
        formatter.set_useOffset(False)
    return figure


def curves(panels: Sequence[dict[str, Any]]) -> "Figure":
    """Draw measures along a field.

    Every run is a mark. A line goes through the means; its bars are one standard
    deviation.

    Args:
      panels: title, "field", "values", and "numbers": those of each value's runs; both
        are empty where no run has the measure.
    """
    figure, grid = style.make_grid(len(panels), PANELS, 3.8, 2.6)
    for axes, panel in zip(grid, panels, strict=True):
        values, numbers = panel["values"], panel["numbers"]
        every = _sort(values)
        # Values that are no numbers, or few, stand at equal distances.
        named = len(every) <= MOST_NAMED or not all(
            isinstance(value, int | float) for value in every
        )
        x = [every.index(value) if named else value for value in values]
        for position, of_runs in zip(x, numbers, strict=True):
            axes.plot([position] * len(of_runs), of_runs, ".", color=style.BLUE,
                      markersize=4, alpha=0.6)  # fmt: skip
        means, spread = ([f(n) for n in numbers] for f in (np.mean, np.std))
        axes.errorbar(x, means, yerr=spread, color=style.BLUE, elinewidth=1, capsize=2)
        if named:
            axes.set_xticks(range(len(every)), [short(value) for value in every])
        if numbers:
            low, high = span(np.concatenate(numbers))
            rim = 0.05 * (high - low)
            axes.set_ylim(low - rim, high + rim)
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.set(xlabel=panel["field"])
        style.style_axes(axes, panel["title"])
    return figure


def _sort(values: Iterable[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:  # of several types
        return sorted(values, key=str)
