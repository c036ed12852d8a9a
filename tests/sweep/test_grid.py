"""Which runs a sweep has: products, followers, draws, names, and what is refused."""

import itertools
import re
import shutil

import numpy as np
import pytest
from ml_collections import config_dict
from support.documents import ROOT
from support.small_sweep import load

from cak_jax.sweep.grid import groups, part, plan_runs, points, sweep_settings
from cak_jax.training import config as config_lib
from cak_jax.training.config import ConfigError, build, load_file
from cak_jax.training.config_checks import flatten


def values_of(**parts):
    config = load()
    config.sweep.parts = config_dict.ConfigDict(parts)
    return [values for _, values in points(config)]


def test_a_grid_is_a_product():
    thresholds, seeds = (0.0, 0.15, 0.3), (0, 1)
    planned = values_of(a=part(grid={"gate.threshold": thresholds, "seed": seeds}))
    assert [(v["gate.threshold"], v["seed"]) for v in planned] == list(
        itertools.product(thresholds, seeds)
    )


def test_followers_go_with_their_leader():
    follower = part(
        grid={"train.clips": (3, 6), "seed": (0, 1)},
        follow={"train.epochs": (20, 10), "gate.anneal_epochs": (10.0, 5.0)},
        leader="train.clips",
    )
    planned = values_of(a=follower)
    assert len(planned) == 4
    for values in planned:
        assert values["train.clips"] * values["train.epochs"] == 60
        assert values["gate.anneal_epochs"] == values["train.epochs"] / 2


def test_parts_unite_and_no_run_is_made_twice():
    planned = values_of(
        a=part(grid={"gate.threshold": (0.0, 0.3)}),
        b=part(grid={"train.seed": (-1, 4)}),
    )
    # The default threshold is 0.3 and the default seed -1: one run is in both.
    assert sorted((v["gate.threshold"], v["train.seed"]) for v in planned) == [
        (0.0, -1), (0.3, -1), (0.3, 4)
    ]  # fmt: skip


def test_a_run_of_the_default_tuple_is_made_once():
    planned = values_of(
        a=part(grid={"game.critic_widths": ((2, 2, 2), (2, 2, 4))}),
        b=part(grid={"train.seed": (-1,)}),
    )
    # The second part's run has the widths of the configuration, as a list.
    assert [v["game.critic_widths"] for v in planned] == [[2, 2, 2], [2, 2, 4]]


def test_draws_stay_in_their_range_and_follow_the_seed():
    draw = {
        "train.learning_rate_critic": (1e-4, 1e-1, "log"),
        "gate.threshold": (0.1, 0.2),
        "train.clips": (2, 5),
    }
    planned = values_of(a=part(draw=draw, draws=400, draw_seed=1))
    rates = np.log10([v["train.learning_rate_critic"] for v in planned])
    assert len(planned) == 400 and rates.min() > -4 and rates.max() < -1
    # A third of the chances for each of three decades.
    counts = np.histogram(rates, bins=[-4, -3, -2, -1])[0]
    assert np.all(np.abs(counts - 400 / 3) < 4 * np.sqrt(400 * 2 / 9))
    assert {v["train.clips"] for v in planned} == {2, 3, 4, 5}
    assert all(0.1 <= v["gate.threshold"] <= 0.2 for v in planned)
    assert planned == values_of(a=part(draw=draw, draws=400, draw_seed=1))
    assert planned != values_of(a=part(draw=draw, draws=400, draw_seed=2))


def test_names_tell_runs_apart():
    widths = tuple((2, 2, n) for n in range(2, 40))
    config = load()
    grid = {"game.critic_widths": widths, "seed": (1,), "train.seed": (2,)}
    grid["gate.threshold"] = (0.1, 0.1 + 1e-9)
    config.sweep.parts = config_dict.ConfigDict({"a": part(grid=grid)})
    names = [name for name, _ in points(config)]
    assert len(set(names)) == 2 * len(widths)
    assert all(0 < len(name) < 120 and "/" not in name for name in names)
    assert "threshold0.1" in names[0]
    assert "-seed1-" in names[0] and "train_seed2" in names[0]


def test_the_example_of_the_readme_is_a_sweep(tmp_path):
    readme = (ROOT / "cak_jax/sweep/README.md").read_text("utf-8")
    [example] = re.findall(r"^```python\n(.*?)^```$", readme, re.M | re.S)
    for name in ("default", "sweep"):
        shutil.copy(ROOT / "configs" / f"{name}.py", tmp_path)
    (tmp_path / "mine.py").write_text(example, "utf-8")
    listed = points(load_file(tmp_path / "mine.py"))
    # Two sizes by two labels by three seeds, and sixteen draws.
    assert len(listed) == 2 * 2 * 3 + 16


def broken(**fields):
    return {"a": part(**fields)}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (broken(grid={"gate.treshold": (0.1,)}),
         "a.grid.gate.treshold: there is no such field; did you mean gate.threshold?"),
        (broken(grid={"gate.threshold": ()}), "must be a tuple of values"),
        (broken(grid={"output.previews": (1, 2)}), "cannot be swept"),
        (broken(grid={"sweep.clips": (1, 2)}), "cannot be swept"),
        (broken(grid={"seed": (0, 1)}, follow={"train.epochs": (2,)}, leader="seed"),
         "needs one value for each of the 2 of seed, got 1"),
        (broken(follow={"train.epochs": (2,)}), "a.leader: must be a field of its"),
        (broken(draws=3), "a.draws: must be 1 or more, with ranges"),
        (broken(draw={"gate.threshold": (0.1, 0.2)}), "a.draws: must be 1 or more"),
        (broken(draw={"gate.threshold": (0.2, 0.1)}, draws=2), "must be (low, high)"),
        (broken(draw={"gate.threshold": (0.0, 1.0, "log")}, draws=2), "begin above 0"),
        (broken(draw={"gate.threshold": (float("nan"), 1.0)}, draws=2), "(low, high)"),
        (broken(draw={"game.audit": (0, 1)}, draws=2), "is no number"),
        (broken(draw={"train.epochs": (1.5, 4.5)}, draws=2), "whole numbers"),
        (broken(draw={"train.epochs": (1, 4)}, draws=2, draw_seed=-1), "draw_seed"),
        ({}, "sweep.parts: has no runs"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept(parts, said):
    config = load()
    config.sweep.parts = config_dict.ConfigDict(parts)
    with pytest.raises(ConfigError) as caught:
        points(config)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("gate.threshold", 99.0, "threshold99: gate.threshold: must be from -10 to 10"),
        ("train.epochs", "x", "sweep: train.epochs cannot be 'x' (str)"),
        ("game.generator", "film", "a sweep keeps effect files"),
        ("train.devices", 2, "train.devices: must be 1 in a sweep"),
    ],
)
def test_every_run_is_checked_before_any_is_made(field, value, said):
    config = load(**{"output.previews": 0})
    config.sweep.parts = config_dict.ConfigDict({"a": part(grid={field: (value,)})})
    with pytest.raises(ConfigError) as caught:
        plan_runs(config)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("vectorise", "all"), ("rendered_clips", 1), ("runs_at_once", -1), ("clips", -1),
     ("probe_clips", 5000), ("probe_amount", 0.0), ("probe_amount", float("nan"))],
)  # fmt: skip
def test_how_a_sweep_runs_is_checked(field, value):
    with pytest.raises(ConfigError, match=rf"^sweep\.{field}: must be"):
        sweep_settings(load(**{f"sweep.{field}": value}))


def test_what_shares_a_program():
    config = load()
    traced = {
        "gate.threshold": (0.1, 0.2), "gate.anneal_epochs": (1.0, 2.0),
        "train.clips": (3, 6), "train.epochs": (1, 3), "train.seed": (0, 1),
        "game.weight_compliance": (1.0, 2.0), "game.kernel_gain": (0.1, 1.0),
        "train.learning_rate_critic": (1e-3, 1e-4), "game.leash": (0.2, 0.5),
        "corpus.labels": ("random", "rms"), "spectrogram.gamma": (0.85, 1.0),
    }  # fmt: skip
    for field, values in traced.items():
        config.sweep.parts = config_dict.ConfigDict({"a": part(grid={field: values})})
        assert len(groups(plan_runs(config))) == 1, field
    shapes = {
        "train.crop_frames": (16, 32), "game.critic_widths": ((2, 2, 2), (4, 4, 4)),
        "game.audit": ("relative", "absolute"), "train.batch_size": (2, 4),
        "spectrogram.n_fft": (128, 256), "seed": (0, 1), "game.critic_steps": (1, 2),
        "game.leash": (0.0, 0.5),
    }  # fmt: skip
    for field, values in shapes.items():
        config.sweep.parts = config_dict.ConfigDict({"a": part(grid={field: values})})
        assert len(groups(plan_runs(config))) == 2, field


def test_a_planned_run_is_the_single_run_of_its_values():
    run = plan_runs(load())[0]
    config = load()
    with config.unlocked():
        del config["sweep"]
    config.update_from_flattened_dict(run.values)
    config.name = f"small {run.name}"
    assert run.flat == flatten(config)
    assert run.settings == build(config)


def test_runs_from_before_these_fields_go_on():
    now = flatten(config_lib.load_file(config_lib.find("relative")))
    before = {f: v for f, v in now.items() if f not in config_lib.LATER}
    assert config_lib.differences(before, now) == []
    now["train.clips"] = 9
    assert config_lib.differences(before, now) == ["train.clips: 0 -> 9"]
