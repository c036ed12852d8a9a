"""The paper's notebook: sizes, sweeps and the published numbers."""

import json
import re

import numpy as np
import pytest

from cak_jax.apps.notebook import paper
from cak_jax.apps.notebook.show import NotebookError
from cak_jax.effect.effect import load_effect
from cak_jax.sweep.grid import plan_runs
from cak_jax.training import config as config_lib


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: paper.configure("unet", "test"), "must be one of paper"),
        (lambda: paper.configure_sweep("huge"), "SIZE: must be one of"),
    ],
)
def test_mistakes(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotebookError, match=re.escape(said)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_shipped_sizes_are_configurations():
    for kind in paper.SIZES:
        for size in ("test", "minutes", "full"):
            built = config_lib.build(paper.configure(kind, size))
            assert built.game.generator == ("film" if kind == "film" else "cak")
            if size == "full" and kind == "paper":
                assert built.changes == config_lib.build(
                    config_lib.load_file(config_lib.find("paper"))
                ).changes | {"train.devices": 0}


@pytest.mark.parametrize(
    ("size", "count"), [("test", 6), ("minutes", 9), ("full", 180)]
)
def test_sweeps_at_every_size(size, count):
    planned = plan_runs(paper.configure_sweep(size))
    assert len(planned) == count
    values = [run.values for run in planned]
    assert len({(v["train.clips"], v["gate.temperature_final"]) for v in values}) > 5
    if size != "full":
        # Every corpus size has about as many iterations, and annealing ends in time.
        batch = planned[0].settings.train.batch_size
        for own in values:
            each = max(1, own["train.clips"] // batch)
            assert own["train.epochs"] * each == pytest.approx(
                paper.STEPS[size], rel=0.1
            )
            assert own["gate.anneal_epochs"] < own["train.epochs"]


def test_published_history_is_the_published_one(golden_dir):
    golden = json.loads((golden_dir / "published_model.json").read_text("utf-8"))
    found = paper.published_history()
    names = {"g_loss": "generator_loss", "c_loss": "critic_loss",
             "wasserstein_d": "wasserstein", "violations": "violation"}  # fmt: skip
    assert [record["epoch"] for record in found] == list(range(1, 101))
    for name, series in golden["history"].items():
        assert [record[names.get(name, name)] for record in found] == series
    assert len(found[0]) == 1 + len(golden["history"])


def test_residual_is_minus_infinity_for_none():
    effect = load_effect("published")
    clips = np.random.default_rng(0).normal(0, 0.1, (2, 20000)).astype(np.float32)
    assert paper.residual(effect, clips, 0.0, "residual") == -np.inf
    heard = paper.residual(effect, clips, 1.0, "residual")
    assert -40 < heard < 10
    assert np.isfinite(paper.residual(effect, clips, 0.0, "published"))
