"""Figures of a sweep draw every number, and no rounding as a difference."""

import numpy as np
import pytest

from cak_jax.report import style, sweep_figures

pytest.importorskip("matplotlib")

PNG = b"\x89PNG"


def test_heat_maps_print_every_cell():
    nan = np.nan
    table = np.array([[nan, 20.5, nan], [10.5, 40.5, 160.5], [nan, 60.5, nan]])
    figure = sweep_figures.heat_maps(
        [{"title": "t", "rows": "r", "across": "a", "down": [1, 2, 3],
          "right": [5.0, 20.0, 80.0], "table": table}]
    )  # fmt: skip
    texts = [text.get_text() for text in figure.axes[0].texts]
    expected = [f"{value:.3g}" for value in table[np.isfinite(table)]]
    assert sorted(texts) == sorted(expected)


def test_spread_over_seeds_is_drawn():
    maps = {"title": "t", "rows": "r", "across": "a", "down": [1], "right": [1, 2]}
    maps |= {"table": np.array([[2.0, 3.0]]), "spread": np.array([[0.25, 0.0]])}
    (axes, *_) = sweep_figures.heat_maps([maps]).axes
    assert [text.get_text() for text in axes.texts] == ["2\n±0.25", "3"]
    numbers = [np.array([1.0, 3.0]), np.array([4.0])]
    panel = {"title": "t", "field": "f", "values": [1, 2], "numbers": numbers}
    (axes,) = sweep_figures.curves([panel]).axes
    (bars,) = axes.collections  # from mean - deviation to mean + deviation
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [
        [1.0, 3.0], [4.0, 4.0]
    ]  # fmt: skip


def test_a_panel_that_no_run_measures_is_empty():
    panel = {"title": "t", "field": "f", "values": [], "numbers": []}
    (axes,) = sweep_figures.curves([panel]).axes
    assert axes.get_xlabel() == "f" and not axes.get_xticks().size
    assert not any(line.get_xdata().size for line in axes.lines)


def test_rounding_does_not_look_like_much():
    low, high = sweep_figures.span(np.array([0.99981, 0.99984]))
    assert high - low == pytest.approx(0.02, rel=1e-3) and low < 0.9998 < high
    assert sweep_figures.span(np.array([-1.0, 3.0])) == (-1.0, 3.0)
    low, high = sweep_figures.span(np.zeros(3))
    assert low < 0 < high


def test_values_that_are_no_numbers_have_places(tmp_path):
    numbers = [np.array([1.0, 2.0]), np.array([3.0])]
    figure = sweep_figures.curves(
        [{"title": "t", "field": "labels", "values": ["random", "rms"],
          "numbers": numbers}]
    )  # fmt: skip
    labels = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert labels == ["random", "rms"]
    assert style.save(figure, tmp_path / "f.png").read_bytes()[:4] == PNG
