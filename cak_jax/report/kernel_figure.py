"""The figure of the 3x3 kernel, after figure 3 of arXiv 2508.02643."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cak_jax.evaluation.kernel_profile import (
    OFFSETS,
    directional_sums,
    modulation_response,
)
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def typeset(value: float) -> str:
    """Write a number with its sign and three decimals."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def draw_weights(
    axes: "Axes",
    kernel: np.ndarray,
    settings: SpectrogramSettings,
    limit: float = 0.0,
    spacing: tuple[int, int] = (1, 1),
) -> None:
    """Draw weights `[3, 3]` as a heat map, frequency upwards, values written in.

    The darkest colours have the weight `limit`, 0 for the largest of the kernel. The
    cells are `spacing` bins and frames apart.
    """
    bin_hertz = settings.sample_rate / settings.n_fft
    frame_ms = 1000 * settings.hop_length / settings.sample_rate
    limit = limit or float(np.abs(kernel).max()) or 1.0
    colours: dict[str, Any] = {"cmap": style.DIVERGING, "vmin": -limit, "vmax": limit}
    axes.imshow(kernel, origin="lower", extent=(-1.5, 1.5, -1.5, 1.5), **colours)
    for i, row in enumerate(kernel):
        for j, weight in enumerate(row):
            colour = "white" if abs(weight) > 0.6 * limit else style.INK
            axes.text(j - 1, i - 1, typeset(weight), color=colour, fontsize=11,
                      ha="center", va="center")  # fmt: skip
    axes.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    bins, frames = (
        [offset.replace("1", str(cells)) for offset in OFFSETS] for cells in spacing
    )
    axes.set(xticklabels=frames, yticklabels=bins)
    axes.set_xlabel(f"time offset (frames of {frame_ms:.1f} ms)")
    axes.set_ylabel(f"frequency offset (bins of {bin_hertz:.1f} Hz)")
    style.style_axes(axes, f"Weights, sum {typeset(kernel.sum())}", grid=False)
    axes.spines[:].set_visible(False)


def draw_directions(axes: "Axes", kernel: np.ndarray) -> None:
    """Draw sum (bar) and energy (ring) along rows, columns and diagonals."""
    sums = directional_sums(kernel)
    # A gap of half a row between rows, columns and diagonals.
    places = -np.array([0, 1, 2, 3.5, 4.5, 5.5, 7, 8])
    values = np.array([total for total, _ in sums.values()])
    norms = np.array([norm for _, norm in sums.values()])
    colours = [style.VERMILLION if value > 0 else style.BLUE for value in values]
    axes.barh(places, values, height=0.62, color=colours)
    axes.scatter(norms, places, s=26, facecolors="none", edgecolors=style.INK, zorder=3)
    axes.axvline(0, color=style.MUTED, linewidth=0.8)
    axes.set_yticks(places, labels=list(sums))
    axes.set_xlabel("bar: sum    ring: root of energy")
    style.style_axes(axes, "Directional emphasis")
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)


def draw_response(
    figure: "Figure",
    axes: "Axes",
    kernel: np.ndarray,
    frames_per_second: float,
    spacing: tuple[int, int],
) -> None:
    """Draw the modulation response against cycles per bin, per frame, per second."""
    per_bin, per_frame = np.linspace(-0.5, 0.5, 129), np.linspace(0, 0.5, 65)
    bins, frames = spacing
    response = modulation_response(kernel, per_bin * bins, per_frame * frames)
    image = axes.pcolormesh(
        per_frame, per_bin, response, cmap=style.SEQUENTIAL, vmin=0, shading="gouraud"
    )
    axes.axhline(0, color="white", linewidth=0.6, alpha=0.6)
    axes.set_xlabel("cycles per frame (above) and per second (below)")
    axes.set_ylabel("cycles per bin\nrising ridges < 0 < falling ridges")
    style.style_axes(axes, "Response to ripples  |K|", grid=False)
    axes.spines[:].set_visible(False)
    below = axes.secondary_xaxis(
        -0.07,
        (
            lambda per_frame: np.multiply(per_frame, frames_per_second),
            lambda per_second: np.divide(per_second, frames_per_second),
        ),
    )
    below.tick_params(colors=style.MUTED, labelsize=8.5, length=0)
    below.spines[:].set_visible(False)
    axes.xaxis.labelpad = 16
    place = axes.inset_axes((1.04, 0, 0.04, 1))
    style.add_colorbar(figure, image, axes, "gain", cax=place)


def kernel(
    weights: npt.ArrayLike,
    settings: SpectrogramSettings,
    spacing: tuple[int, int] = (1, 1),
) -> "Figure":
    """Draw a kernel: weights, directional emphasis and modulation response.

    Args:
      weights: `[3, 3]`, `weights[i][j]` multiplies `x[f+i-1, t+j-1]`.
      settings: of the spectrogram that the kernel works on.
      spacing: bins and frames between the cells.

    Raises:
      ValueError: the kernel is not `[3, 3]` or not finite.
    """
    kernel = style.check_array("kernel", weights, (3, 3))
    if not np.isfinite(kernel).all():
        raise ValueError(f"kernel must be finite, got {kernel.tolist()}")
    figure = style.make_figure(12.0, 4.0)
    left, middle, right = figure.subplots(1, 3)
    for axes in (left, middle, right):
        axes.set_box_aspect(1)
    draw_weights(left, kernel, settings, spacing=spacing)
    draw_directions(middle, kernel)
    frames_per_second = settings.sample_rate / settings.hop_length
    draw_response(figure, right, kernel, frames_per_second, spacing)
    return figure
