"""Slices of a table, and figures of them: closed forms."""

import csv
import io
import json

import numpy as np
import pytest
from support.small_sweep import load

from cak_jax.report import sweep_figures
from cak_jax.sweep import report, results
from cak_jax.sweep.grid import SEEDS, groups, plan_runs
from cak_jax.training.config import find, load_file
from cak_jax.training.config_checks import flatten

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
    assert results.centre(rows(), fields) == {
        "train.clips": 2, "gate.temperature_final": 20.0
    }  # fmt: skip


def test_curves_and_grids():
    values, measures = results.curve(
        results.where(rows(), {"gate.temperature_final": 20.0}), "train.clips", "m"
    )
    assert values == [1, 2, 3]
    assert [column.tolist() for column in measures] == [[20, 21], [40, 41], [60, 61]]
    down, right, table = results.grid(
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
    assert len(results.numbers(records, "m")) == len(records) - 2
    table = list(csv.DictReader(io.StringIO(results.to_csv(records))))
    assert table[0]["m"] == table[1]["m"] == "" and table[2]["m"] == "10.0"
    lines = [json.loads(line) for line in results.to_jsonl(records).splitlines()]
    assert [line["m"] for line in lines[:3]] == [None, None, 10.0]


def test_axes_are_what_differs_but_for_seeds_and_followers():
    axes = report.axes_of(rows(), set())
    assert axes == ["train.clips", "gate.temperature_final"]
    assert report.axes_of(rows(), {"train.clips"}) == ["gate.temperature_final"]
    assert report.followers(flatten(load())) == {"train.epochs"}


def test_figures_are_drawn(tmp_path):
    figures = report.draw_figures(rows(), set(), {"m": "measure"}, tmp_path)
    assert len(figures) == 3
    assert all(figure["panels"][0]["png"][:4] == PNG for figure in figures)
    captions = [figure["caption"] for figure in figures]
    assert "gate.temperature_final 20.0" in captions[0]


def heard_rows():
    """Two qualities by two spacings, a slope in closed form."""
    slope = "heard.quality.windows.1024.slope"
    return [
        {"run": f"{quality}-{spacing[0]}", "status": "done", "fault": "",
         "corpus.labels": quality, "game.spacing": spacing, "training_clips": 4,
         "steps": 9, "train_seconds": 0.5, "evaluate_seconds": None,
         slope: spacing[0] / len(quality)}
        for quality in ("attack", "-attack") for spacing in ([1, 1], [4, 4])
    ]  # fmt: skip


def test_a_line_on_a_heard_run_has_one_slope_a_window():
    measures = {
        "heard.quality.windows.1024.slope": 1.0,
        "heard.quality.windows.1024.to_target.slope": 0.5,
        "heard.quality.windows.4096.slope": 0.9,
        "heard.side_effects.level_db": 2.0,
    }
    row = {"run": "x", "status": "done", "measures": measures}
    line = results.describe_row(row, "heard", 1, 2)
    assert line.endswith("x: heard, even knob: slopes 1.000 and 0.900; level +2.0 dB")


def test_headings_say_the_quality(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    drawn, records = [], heard_rows()
    for kind in ("curves", "heat_maps"):
        draw = getattr(sweep_figures, kind)
        monkeypatch.setattr(
            sweep_figures,
            kind,
            lambda panels, draw=draw: drawn.append(draw(panels)) or drawn[-1],
        )
    shown = report.shown_measures(records, "heard")
    figures = report.draw_figures(records, set(), shown, tmp_path)
    heading = "quality (corpus.labels)"
    assert [figure["title"] for figure in figures] == [
        heading, "game.spacing", f"{heading} and game.spacing"
    ]  # fmt: skip
    by_quality, by_spacing, both = (figure.axes[0] for figure in drawn)

    def ticks(axis):
        return [label.get_text() for label in axis.get_ticklabels()]

    qualities, spacings = ["-attack", "attack"], ["(1, 1)", "(4, 4)"]
    assert by_quality.get_xlabel() == both.get_ylabel() == heading
    assert ticks(by_quality.xaxis) == ticks(both.yaxis) == qualities
    assert ticks(by_spacing.xaxis) == ticks(both.xaxis) == spacings


@pytest.mark.parametrize("name", ["sweep", "sweep_corpus_gate", "sweep_zoo"])
def test_shipped_sweeps(name):
    planned = plan_runs(load_file(find(name)))
    count = {"sweep": 24, "sweep_corpus_gate": 180, "sweep_zoo": 64}[name]
    assert len({run.key for run in planned}) == count
    assert len({run.name for run in planned}) == count
    if name == "sweep":
        # Labels and seeds share a program.
        assert len(groups(planned)) == 4
        assert {run.settings.game.audit for run in planned} == {"heard"}
        assert {run.name for run in planned} >= {
            "labelsattack-spacing1x1-n_fft1024-seed0",
            "labels-attack-spacing4x4-n_fft2048-seed1",
        }
        seconds = {
            run.settings.train.crop_frames * run.settings.spectrogram.hop_length
            for run in planned
        }
        assert len(seconds) == 1
    if name != "sweep_corpus_gate":
        return
    for run in planned:
        train, gate = run.settings.train, run.settings.hparams
        batches = 2 * train.clips // train.batch_size
        assert 150 <= train.epochs * batches <= 156
        assert gate["anneal_epochs"] * batches == pytest.approx(100)
    cells = {tuple(v for f, v in run.values.items() if f not in SEEDS)
             for run in planned}  # fmt: skip
    assert len(cells) == 60
