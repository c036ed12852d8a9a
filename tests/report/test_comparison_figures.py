"""Figures that compare draw the numbers of each side."""

import numpy as np
import pytest
from support.figures import lines_of

from cak_jax.effect.effect import load_effect
from cak_jax.report import comparison_figures

pytest.importorskip("matplotlib")


def test_histories_share_a_panel():
    records = [{"epoch": n, "critic_loss": n * 2.0} for n in (1, 2, 3)]
    drawn = comparison_figures.histories(
        {"a": records, "b": records[:1]}, {"critic_loss": "x"}
    )
    assert lines_of(drawn.axes[0]) == [[2.0, 4.0, 6.0], [2.0]]


def test_lines_without_a_colour_are_refused():
    runs = {str(number): [{"epoch": 1, "scale": 1.0}] for number in range(7)}
    with pytest.raises(ValueError, match="at most 6 lines have colours, got 7"):
        comparison_figures.histories(runs, {"scale": "x"})
    with pytest.raises(ValueError, match="at most 6 lines have colours, got 7"):
        comparison_figures.identity((0.0,), dict.fromkeys(runs, (0.0,)), {})
    six = comparison_figures.histories(dict(list(runs.items())[:6]), {"scale": "x"})
    assert len(six.axes[0].lines) == 6


def test_kernels_share_their_colours():
    shown = comparison_figures.kernels({n: load_effect(n) for n in ("bright", "tones")})
    limits = {axes.get_images()[0].get_clim() for axes in shown.axes}
    assert len(limits) == 1


def test_audits_draw_the_median():
    curves = {"a": np.array([[0.0, 1.0], [0.0, 0.5]])}
    audit = comparison_figures.audits(np.array([0.0, 1.0]), curves).axes[0]
    assert [0.0, 0.75] in lines_of(audit)


def test_identity_leaves_out_what_does_not_differ():
    values = {"a": {"published": [-9.0, -5.0], "residual": [-np.inf, -20.0]}}
    left, right = comparison_figures.identity(
        (0.0, 1.0), {"a": [0.0, 2.0]}, values
    ).axes
    assert lines_of(left) == [[0.0, 2.0]]
    assert lines_of(right) == [[-9.0, -5.0], [-20.0]]
