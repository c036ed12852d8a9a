"""The look that all figures share, and how a figure reaches a file.

Object-oriented matplotlib only: no pyplot, no global settings, so that a figure can
be drawn in any thread of a training loop. Matplotlib is the extra `plot` and is
imported inside the functions.
"""

import importlib.util
import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cak_jax.runtime.files import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers tell apart.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#AA4499"
INK, MUTED, RULE, PAPER = "#222222", "#6B6B6B", "#DDDDDD", "#FFFFFF"
# Of the lines of a panel, in order.
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, INK, MUTED)
DIVERGING, SEQUENTIAL = "RdBu_r", "cividis"
INSTALL = 'pip install "cak-jax[plot]"'


def available() -> bool:
    """Say whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def make_figure(width: float, height: float) -> "Figure":
    """Create an empty figure, size in inches.

    Raises:
      ImportError: matplotlib is missing; the message names the extra.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"figures need matplotlib: {INSTALL}") from error
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    layout: Any = figure.get_layout_engine()
    layout.set(w_pad=0.1, h_pad=0.08, wspace=0.03, hspace=0.03)
    return figure


def make_grid(
    panels: int, most: int, width: float, height: float
) -> tuple["Figure", list["Axes"]]:
    """Create a figure with a grid of panels, at most `most` columns.

    Width and height are those of a panel, in inches.
    """
    columns = min(most, panels)
    rows = -(-panels // columns)
    figure = make_figure(width * columns, 0.3 + height * rows)
    places = range(1, panels + 1)
    return figure, [figure.add_subplot(rows, columns, place) for place in places]


def colours_of(names: Collection[str]) -> list[tuple[str, str]]:
    """Return each name with the colour of its line, as `label_lines` takes them.

    Raises:
      ValueError: there are more names than colours.
    """
    if len(names) > len(COLOURS):
        raise ValueError(f"at most {len(COLOURS)} lines have colours, got {len(names)}")
    return list(zip(names, COLOURS, strict=False))


def style_axes(axes: "Axes", title: str, grid: bool = True) -> None:
    """Give axes a bold title on the left, quiet ticks and, with `grid`, faint lines."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=3, color=RULE)
    axes.xaxis.label.set(color=MUTED, fontsize=9)
    axes.yaxis.label.set(color=MUTED, fontsize=9)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
    if grid:
        axes.grid(True, color=RULE, linewidth=0.6)


def label_lines(axes: "Axes", labels: list[tuple[str, str]]) -> None:
    """Name lines in their colours, right of the title: (text, colour) of each."""
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

    texts: list[Any] = [
        TextArea(text, textprops={"color": colour, "fontsize": 9})
        for text, colour in labels
    ]
    axes.add_artist(
        AnchoredOffsetbox(
            loc="lower right",
            child=HPacker(children=texts, pad=0, sep=8),
            bbox_to_anchor=(1.0, 1.0),
            bbox_transform=axes.transAxes,
            frameon=False,
            borderpad=0.1,
        )
    )


def add_colorbar(
    figure: "Figure",
    image: "ScalarMappable",
    axes: "Axes | npt.NDArray[Any]",
    label: str,
    **placement: Any,
) -> "Colorbar":
    """Add a thin colour bar with its unit beside one or several axes.

    `placement` is as `Figure.colorbar` takes it.
    """
    placement = placement or {"aspect": 30, "pad": 0.02}
    bar = figure.colorbar(image, ax=axes, **placement)
    bar.set_label(label, color=MUTED, fontsize=9)
    bar.ax.tick_params(colors=MUTED, labelsize=8.5, length=2, color=RULE)
    bar.outline.set_visible(False)
    return bar


def to_png(figure: "Figure", dpi: int = 150) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=dpi)
    return data.getvalue()


def save(figure: "Figure", path: Path | str, dpi: int = 150) -> Path:
    """Write a figure as PNG, whole or not at all; return the path."""
    path = Path(path)
    replace_file(path, to_png(figure, dpi))
    return path


def save_figures(
    drawn: Mapping[str, tuple["Figure", str, str]], folder: Path
) -> list[dict[str, Any]]:
    """Save figures as PNG files; return them for a report (`run_page.write_report`).

    `drawn` maps the name of a file to figure, title and caption.
    """
    folder.mkdir(exist_ok=True)
    figures = []
    for name, (figure, title, caption) in drawn.items():
        path = save(figure, folder / f"{name}.png")
        figures.append({"title": title, "caption": caption, "png": path.read_bytes()})
    return figures


def check_array(
    name: str, value: npt.ArrayLike, shape: tuple[int | None, ...]
) -> npt.NDArray[np.float64]:
    """Return `value` as a float array of that shape; None stands for any length.

    Raises:
      ValueError: the shape differs; the message names the argument.
    """
    array = np.asarray(value, dtype=np.float64)
    fits = array.ndim == len(shape) and all(
        length is None or length == actual
        for length, actual in zip(shape, array.shape, strict=True)
    )
    if not fits or not array.size:
        lengths = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must be [{lengths}], not empty, got {array.shape}")
    return array
