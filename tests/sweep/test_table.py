"""Slices of a table, figures of them, effects in a plane: closed forms."""

import csv
import io
import json
import re

import numpy as np
import pytest
from support.small_sweep import load

from cak_jax.report import style, sweep_figures
from cak_jax.sweep import (
    effect_map,
    effect_map_page,
    sweep_report,
    table as sweep_table,
)
from cak_jax.sweep.effect_map import lay_out
from cak_jax.sweep.grid import SEEDS
from cak_jax.sweep.planned_runs import plan_runs
from cak_jax.training.config import find, flatten, load_file

PNG = b"\x89PNG"


def rows():
    """Two planes through (2, 20): a product in closed form, two seeds."""
    places = {(a, 20.0) for a in (1, 2, 3)} | {(2, b) for b in (5.0, 20.0, 80.0)}
    return [
        {"run": f"{a}-{b}-{s}", "status": "done", "fault": "", "train.clips": a,
         "gate.temperature_final": b, "train.seed": s, "training_clips": a, "steps": 9,
         "train_seconds": 0.5, "evaluate_seconds": None, "m": a * b + s}
        for a, b in sorted(places) for s in (0, 1)
    ]  # fmt: skip


def test_the_centre_is_where_most_runs_are():
    fields = ["train.clips", "gate.temperature_final"]
    assert sweep_table.centre(rows(), fields) == {
        "train.clips": 2, "gate.temperature_final": 20.0
    }  # fmt: skip


def test_curves_and_grids():
    values, found = sweep_table.curve(
        sweep_table.where(rows(), {"gate.temperature_final": 20.0}), "train.clips", "m"
    )
    assert values == [1, 2, 3]
    assert [own.tolist() for own in found] == [[20, 21], [40, 41], [60, 61]]
    down, right, table = sweep_table.grid(
        rows(), "train.clips", "gate.temperature_final", "m"
    )
    assert (down, right) == ([1, 2, 3], [5.0, 20.0, 80.0])
    expected = np.outer(down, right) + 0.5
    expected[[0, 0, 2, 2], [0, 2, 0, 2]] = np.nan
    np.testing.assert_array_equal(table, expected)


def test_what_was_not_measured_is_empty_and_not_zero():
    records = rows()
    del records[0]["m"]
    records[1]["m"] = None
    assert len(sweep_table.numbers(records, "m")) == len(records) - 2
    table = list(csv.DictReader(io.StringIO(sweep_table.to_csv(records))))
    assert table[0]["m"] == table[1]["m"] == "" and table[2]["m"] == "10.0"
    lines = [json.loads(line) for line in sweep_table.to_jsonl(records).splitlines()]
    assert [line["m"] for line in lines[:3]] == [None, None, 10.0]


def test_axes_are_what_differs_but_for_seeds_and_followers():
    found = sweep_report.axes_of(rows(), set())
    assert found == ["train.clips", "gate.temperature_final"]
    assert sweep_report.axes_of(rows(), {"train.clips"}) == ["gate.temperature_final"]
    assert sweep_report.followers(flatten(load())) == {"train.epochs"}


def test_figures_are_drawn(tmp_path):
    found = sweep_report.draw_figures(rows(), set(), {"m": "measure"}, tmp_path)
    assert len(found) == 3 and all(own["png"][:4] == PNG for own in found)
    captions = [own["caption"] for own in found]
    assert "gate.temperature_final 20.0" in captions[0]


def test_heat_maps_print_every_cell():
    down, right, table = sweep_table.grid(
        rows(), "train.clips", "gate.temperature_final", "m"
    )
    own = {"title": "t", "rows": "r", "across": "a", "down": down, "right": right,
           "table": table}  # fmt: skip
    figure = sweep_figures.heat_maps([own])
    texts = [text.get_text() for text in figure.axes[0].texts]
    expected = [f"{value:.3g}" for value in table[np.isfinite(table)]]
    assert sorted(texts) == sorted(expected)


def test_rounding_does_not_look_like_much():
    low, high = sweep_figures.span(np.array([0.99981, 0.99984]))
    assert high - low == pytest.approx(0.02, rel=1e-3) and low < 0.9998 < high
    assert sweep_figures.span(np.array([-1.0, 3.0])) == (-1.0, 3.0)
    low, high = sweep_figures.span(np.zeros(3))
    assert low < 0 < high


def test_values_that_are_no_numbers_have_places(tmp_path):
    lines = {"": (["random", "rms"], [np.array([1.0, 2.0]), np.array([3.0])])}
    figure = sweep_figures.curves([{"title": "t", "field": "labels", "lines": lines}])
    labels = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert labels == ["random", "rms"]
    assert style.save(figure, tmp_path / "f.png").read_bytes()[:4] == PNG


def test_a_plane_keeps_two_directions():
    """Points of a plane in four dimensions come out as they lie in it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30)) * [[5.0], [1.0]]
    varied = np.stack([x, y, x + 2 * y], axis=1)
    table = np.concatenate([varied, np.ones((30, 1))], axis=1)
    names = ["first", "second", "third", "constant"]
    places, axes = lay_out(table, names)

    def distances(points):
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    scaled = varied / varied.std(axis=0)
    np.testing.assert_allclose(distances(places), distances(scaled), atol=1e-9)
    spread = places.std(axis=0)
    assert spread[0] > spread[1] and abs(np.mean(places[:, 0] * places[:, 1])) < 1e-9
    assert all("constant" not in name for own in axes for name in own)
    shuffled = rng.permutation(30)
    again, _ = lay_out(table[shuffled], names)
    np.testing.assert_allclose(again, places[shuffled], atol=1e-9)
    with pytest.raises(ValueError, match="differ in 0 features"):
        lay_out(np.ones((4, 3)), ["a", "b", "c"])


def test_the_page_of_a_map_escapes_and_plays():
    hostile = "<b>\"x' & \x00"
    animals = [
        {"name": hostile, "values": {"labels": label, "seed": n}, "sound": b"abc"}
        for n, label in enumerate(["rms", "random", "rms"])
    ]
    places = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, 1.0]])
    page = effect_map_page.render("z", animals, places, [["+ a"], ["- b"]], b"dry")
    assert "<b>" not in page and "\x00" not in page
    assert effect_map_page.colour_field(animals) == "labels"
    x = [float(v) for v in re.findall(r'cx="([\d.]+)"', page)]
    y = [float(v) for v in re.findall(r'cy="([\d.]+)"', page)]
    # As on paper: the first component to the right, the second upwards.
    assert np.argsort(x).tolist() == [2, 0, 1] and np.argsort(y).tolist() == [1, 2, 0]
    assert page.count("data:audio/mpeg") == 4


def test_too_few_effects_make_no_map(tmp_path):
    assert "too few" in effect_map.write_zoo([], {}, None, tmp_path)


@pytest.mark.parametrize("name", ["sweep", "sweep_corpus_gate", "sweep_zoo"])
def test_shipped_sweeps(name):
    planned = plan_runs(load_file(find(name)))
    count = {"sweep": 27, "sweep_corpus_gate": 180, "sweep_zoo": 64}[name]
    assert len({own.key for own in planned}) == count
    assert len({own.point.name for own in planned}) == count
    if name != "sweep_corpus_gate":
        return
    for own in planned:
        train, gate = own.settings.train, own.settings.hparams
        batches = 2 * train.clips // train.batch_size
        assert 150 <= train.epochs * batches <= 156
        assert gate["anneal_epochs"] * batches == pytest.approx(100)
    cells = {tuple(v for f, v in own.point.values.items() if f not in SEEDS)
             for own in planned}  # fmt: skip
    assert len(cells) == 60
