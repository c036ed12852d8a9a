"""Figures that set things side by side: kernels, trainings, knobs, levels at 0."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cak_jax.effect.effect import Effect
from cak_jax.report import style
from cak_jax.report.kernel_figure import draw_weights, typeset
from cak_jax.report.run_figures import Record, draw_panels, draw_requests, read_series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = 4  # side by side
HISTORY = {
    "generator_loss": "Generator loss",
    "critic_loss": "Critic loss",
    "wasserstein": "Wasserstein distance",
    "violation": "Audit violation",
    "pattern_strength": "Pattern strength",
    "temperature": "Gate temperature",
    "scale": "Scale",
}
GENERATORS = {
    "critic_loss": "Critic loss",
    "generator_loss": "Generator loss",
    "wasserstein": "Wasserstein distance",
    "reconstruction": "Reconstruction",
}


def kernels(effects: Mapping[str, Effect]) -> "Figure":
    """Draw the weights of several effects, times their scale, in the same colours."""
    figure = style.make_figure(3.6 * len(effects), 3.8)
    grid = figure.subplots(1, len(effects), squeeze=False)[0]
    limit = max(
        float(np.abs(effect.kernel).max()) * abs(effect.scale)
        for effect in effects.values()
    )
    for axes, (name, effect) in zip(grid, effects.items(), strict=True):
        weights = np.asarray(effect.kernel) * effect.scale
        axes.set_box_aspect(1)
        draw_weights(axes, weights, effect.spectrogram, limit, effect.spacing)
        style.style_axes(axes, f"{name}, sum {typeset(weights.sum())}", grid=False)
    return figure


def histories(
    runs: Mapping[str, Sequence[Record]], panels: Mapping[str, str] = HISTORY
) -> "Figure":
    """Draw several trainings over the same epochs, a panel per quantity.

    Args:
      runs: name -> records with "epoch"; a value that a record lacks is not drawn.
      panels: key of the records -> title.

    Raises:
      ValueError: there are more runs than colours.
    """
    labels = style.colours_of(runs)
    named = min(PANELS, len(panels)) - 1  # the panel that names the lines
    return draw_panels(
        [
            (
                title,
                [
                    (*read_series(runs[name], key), name if k == named else "", colour)
                    for name, colour in labels
                ],
            )
            for k, (key, title) in enumerate(panels.items())
        ],
        PANELS,
    )


def audits(requested: np.ndarray, curves: Mapping[str, np.ndarray]) -> "Figure":
    """Draw requested `[K]` against measured change `[clip, K]` of several effects."""
    figure = style.make_figure(4.4 * len(curves), 4.2)
    grid = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (name, curve) in zip(grid, curves.items(), strict=True):
        draw_requests(axes, requested, curve, name, "requested control")
    grid[0].set_ylabel("measured by the audit")
    return figure


def identity(
    controls: npt.ArrayLike,
    factors: Mapping[str, npt.ArrayLike],
    residuals: Mapping[str, Mapping[str, npt.ArrayLike]],
) -> "Figure":
    """Draw the factor of the pattern by control, and how output differs from input.

    Args:
      controls: `[K]`.
      factors: name -> `c gate(c) scale`, `[K]`.
      residuals: name -> {"published", "residual"} -> difference to the input in dB of
        the input, `[K]`; minus infinity, for no difference, is not drawn.

    Raises:
      ValueError: there are more names than colours.
    """
    labels = style.colours_of(factors)
    figure = style.make_figure(12.0, 4.0)
    left, right = figure.subplots(1, 2)
    controls = np.asarray(controls)
    for name, colour in labels:
        left.plot(controls, factors[name], color=colour, linewidth=1.6)
        for mode, marks in (("published", "o:"), ("residual", "o-")):
            level = np.asarray(residuals[name][mode], np.float64)
            finite = np.isfinite(level)
            right.plot(
                controls[finite], level[finite], marks, color=colour, markersize=4
            )
    left.set(xlabel="control", ylabel="c gate(c) scale")
    style.style_axes(left, "Factor")
    style.label_lines(left, labels)
    right.set(
        xlim=left.get_xlim(),
        xlabel="control (dotted: the published application; full: ours)",
        ylabel="dB of the input",
    )
    style.style_axes(right, "Difference to the input")
    return figure
