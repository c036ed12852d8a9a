"""The figure of a run while it trains: how far it is, and the kernel as it stands."""

import numpy as np

from cak_jax.report.kernel_figure import draw_weights
from cak_jax.report.run_figures import read_series
from cak_jax.report.style import (
    BLUE,
    GREEN,
    VERMILLION,
    label_lines,
    make_figure,
    style_axes,
)


def progress(records: list[dict], held_out: list[dict], epochs: int, effect=None):
    """Draw a run that is under way.

    Args:
      records: of its epochs so far, as `metrics.jsonl` has them.
      held_out: of those that were evaluated.
      epochs: that it is to have.
      effect: as it stands; None where there is no kernel to show.

    Returns:
      The figure: losses, the audit, and the kernel.
    """
    figure = make_figure(12.0, 3.3)
    left, middle, right = figure.subplots(1, 3)
    losses = (
        ("critic_loss", "critic", VERMILLION),
        ("generator_loss", "generator", BLUE),
    )
    draw_lines(left, records, losses, "Losses")
    audited = (
        ("audit_slope", "slope", GREEN),
        ("audit_r2", "R\N{SUPERSCRIPT TWO}", BLUE),
    )
    wanted = "Asked and applied, held out"
    draw_lines(middle, held_out, audited, wanted)
    middle.set_ylim(bottom=min(0.0, middle.get_ylim()[0]))
    middle.axhline(1.0, color=GREEN, linewidth=0.8, linestyle=(0, (4, 3)))
    for axes in (left, middle):
        axes.set(xlim=(0.5, epochs + 0.5), xlabel=f"epoch of {epochs}")
        axes.xaxis.get_major_locator().set_params(integer=True)
    if effect is None:
        right.set_visible(False)
        return figure
    settings = effect.spectrogram
    right.set_box_aspect(1)
    draw_weights(
        right,
        np.asarray(effect.kernel),
        settings.sample_rate / settings.n_fft,
        1000 * settings.hop_length / settings.sample_rate,
    )
    return figure


def draw_lines(axes, records: list[dict], lines, title: str) -> None:
    """Draw series of records against epochs: (key, label, colour) each."""
    for key, _, colour in lines:
        epochs, values = read_series(records, key)
        axes.plot(epochs, values, color=colour, marker="o", markersize=3.5)
    style_axes(axes, title)
    axes.margins(y=0.12)
    label_lines(axes, [(label, colour) for _, label, colour in lines])
