"""Figures of a sweep from arrays: heat maps over two fields, curves over one."""

import numpy as np

from cak_jax.report.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    PURPLE,
    SEQUENTIAL,
    VERMILLION,
    add_colorbar,
    label_lines,
    make_figure,
    style_axes,
)

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, INK, MUTED)
# Up to here every value of an axis has a place and a label of its own.
NAMED = 12
PANELS = 3  # side by side


def short(value) -> str:
    """Return a value as a label."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def span(numbers: np.ndarray) -> tuple[float, float]:
    """Return limits around numbers, wide enough that rounding does not look like much.

    At least 2% of what they are about, so that 0.9998 and 0.9999 look alike.
    """
    low, high = float(np.min(numbers)), float(np.max(numbers))
    middle = (low + high) / 2
    half = max((high - low) / 2, 0.01 * abs(middle), 1e-9)
    return middle - half, middle + half


def heat_maps(maps: list[dict]):
    """Draw heat maps, up to three in a row, each with its numbers.

    Args:
      maps: title, "rows" and "across" (field names), "down" and "right" (values),
        "table" `[row, column]`, NaN where there is no run.
    """
    across = min(PANELS, len(maps))
    down = -(-len(maps) // across)
    figure = make_figure(3.9 * across + 0.6, 3.2 * down + 0.2)
    for place, own in enumerate(maps, start=1):
        axes = figure.add_subplot(down, across, place)
        table = np.ma.masked_invalid(own["table"])
        low, high = span(table.compressed()) if table.count() else (0.0, 1.0)
        image = axes.imshow(
            table, aspect="auto", cmap=SEQUENTIAL, origin="lower", vmin=low, vmax=high
        )
        axes.set_xticks(range(len(own["right"])), map(short, own["right"]))
        axes.set_yticks(range(len(own["down"])), map(short, own["down"]))
        axes.set(xlabel=own["across"], ylabel=own["rows"])
        style_axes(axes, own["title"], grid=False)
        for i, row in enumerate(own["table"]):
            for j, value in enumerate(row):
                if np.isfinite(value):
                    colour = "white" if value <= (low + high) / 2 else INK
                    axes.text(j, i, f"{value:.3g}", ha="center", va="center",
                              color=colour, fontsize=7.5)  # fmt: skip
        bar = add_colorbar(figure, image, axes, "")
        bar.formatter.set_useOffset(False)
    return figure


def curves(panels: list[dict]):
    """Draw measures along a field: a mark for every run, a line through the means.

    Args:
      panels: title, "field", and "lines": name -> (values, numbers of each value).
    """
    across = min(PANELS, len(panels))
    down = -(-len(panels) // across)
    figure = make_figure(3.7 * across + 0.4, 2.6 * down)
    for place, own in enumerate(panels, start=1):
        axes = figure.add_subplot(down, across, place)
        lines = own["lines"].items()
        every = _sorted(
            {value for values, _ in own["lines"].values() for value in values}
        )
        named = len(every) <= NAMED or not all(
            isinstance(v, int | float) for v in every
        )
        for colour, (_, (values, found)) in zip(COLOURS, lines, strict=False):
            x = [every.index(value) if named else value for value in values]
            for position, own_numbers in zip(x, found, strict=True):
                axes.plot([position] * len(own_numbers), own_numbers, ".", color=colour,
                          markersize=4, alpha=0.6)  # fmt: skip
            axes.plot(x, [numbers.mean() for numbers in found], color=colour)
        if named:
            axes.set_xticks(range(len(every)), map(short, every))
        found = [n for _, listed in own["lines"].values() for n in listed]
        if found:
            low, high = span(np.concatenate(found))
            rim = 0.05 * (high - low)
            axes.set_ylim(low - rim, high + rim)
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.set(xlabel=own["field"])
        style_axes(axes, own["title"])
        if len(own["lines"]) > 1:
            names = zip(own["lines"], COLOURS, strict=False)
            label_lines(axes, list(names))
    return figure


def _sorted(values: set) -> list:
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)
