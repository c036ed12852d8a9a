"""Steps that are not finite: taken back, counted, and too many of them the end."""

import json
import types

import driver
import harness
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.small_game import leaves

from cak_jax.commands import train
from cak_jax.effect.effect import Effect
from cak_jax.model import train_step as step_lib
from cak_jax.training import run, steps, trainer
from cak_jax.training.checkpoint import CheckpointError, Checkpoints
from cak_jax.training.metrics_log import EpochSeries

pytestmark = [
    pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning"),
    pytest.mark.usefixtures("quick"),
]


def parts(state) -> dict[str, np.ndarray]:
    return leaves(state.replace(key=jax.random.key_data(state.key)))


@pytest.fixture(scope="module")
def around():
    """States as before and after an iteration, and finite metrics of it."""
    before, after = (driver.make_state(seed) for seed in (1, 2))
    return before, after.replace(step=before.step + 1), {"loss": jnp.float32(0.5)}


def test_a_good_step_is_not_touched(around):
    before, after, metrics = around
    kept, found = step_lib.skip_if_not_finite(before, after, metrics)
    assert found == {"loss": 0.5, "skipped": 0.0}
    for name, value in parts(after).items():
        np.testing.assert_array_equal(parts(kept)[name], value)


def spoiled(after, metrics):
    """The same with one number of each leaf not finite, leaf by leaf."""
    yield after, {"loss": jnp.float32(jnp.inf)}
    for field in ("params", "generator_optimizer", "critic_optimizer"):
        values, shape = jax.tree.flatten(getattr(after, field))
        for index, value in enumerate(values):
            if jnp.issubdtype(value.dtype, jnp.floating):
                bad = value.ravel().at[-1].set(jnp.nan).reshape(value.shape)
                new = [*values[:index], bad, *values[index + 1 :]]
                yield after.replace(**{field: jax.tree.unflatten(shape, new)}), metrics


def test_a_bad_step_is_taken_back_but_counted(around):
    """Wherever it shows; the next one has a batch and draws of its own."""
    before, after, metrics = around
    count, skip = 0, jax.jit(step_lib.skip_if_not_finite)
    for bad, said in spoiled(after, metrics):
        kept, found = skip(before, bad, said)
        assert found["skipped"] == 1 and kept.step == before.step + 1
        expected = parts(before.replace(key=after.key, step=after.step))
        for name, value in parts(kept).items():
            np.testing.assert_array_equal(value, expected[name])
        count += 1
    assert count > 20


@pytest.fixture
def poisoned(monkeypatch):
    """Training in which the steps `poisoned(...)` are given have a NaN gradient."""
    chosen = []
    original = steps.train_iteration

    def iteration(state, *arguments, **options):
        after, metrics = original(state, *arguments, **options)
        bad = jnp.isin(state.step, jnp.asarray(chosen, jnp.int32))
        poison = jnp.where(bad, jnp.nan, 0.0)
        params = jax.tree.map(lambda leaf: leaf + poison, after.params)
        loss = metrics["critic_loss"] + poison
        return after.replace(params=params), {**metrics, "critic_loss": loss}

    monkeypatch.setattr(steps, "train_iteration", iteration)
    jax.clear_caches()
    yield chosen.extend
    jax.clear_caches()


def command(folder, *arguments):
    return train.main([*harness.SMALL, *arguments, f"--workdir={folder}"])


def records(folder):
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [r for r in map(json.loads, lines) if r["kind"] == "train"]


def test_once_is_survived_and_always_is_the_end(tmp_path, poisoned, capsys):
    """One bad step in the second epoch of 22 steps, none but bad ones in the third."""
    poisoned([30, *range(50, 1000)])
    limit = "--config.train.skip_limit=3"
    assert command(tmp_path, harness.epochs(12), limit) == 1
    output, errors = capsys.readouterr()
    assert output.count("1 step not finite, taken back") == 1
    lines = errors.splitlines()
    assert len(lines) == 1 and "critic_loss is nan" in lines[0]
    assert "train.skip_limit is 3" in lines[0] and "--workdir" in lines[0]
    first, second = records(tmp_path)
    assert (first["skipped"], second["skipped"]) == (0, 1)
    assert np.isfinite([v for v in second.values() if isinstance(v, float)]).all()
    # The last good state is kept: steps are read one dispatch late.
    step, sha256 = harness.newest(tmp_path)
    assert 53 <= step <= 54
    # Again it says the same; nothing is tried that has failed.
    assert command(tmp_path, harness.epochs(12), limit) == 1
    assert capsys.readouterr().err.splitlines() == lines
    assert harness.newest(tmp_path) == (step, sha256)


def test_an_epoch_without_a_good_step_ends_the_run():
    series = EpochSeries(limit=10)
    bad = {"critic_loss": np.full(2, np.inf), "skipped": np.ones(2)}
    series.add(bad)
    assert "step 7: critic_loss is inf" in series.fault(3, 2)
    assert series.fault(3, 3) == "" and not series.too_many


def test_a_series_comes_back_from_a_checkpoint():
    series = EpochSeries(limit=1)
    loss = np.array([0.1, np.nan, 0.3], np.float32)
    scale = np.array([1.0, 1.1, 1.2], np.float32)
    columns = {"loss": loss, "scale": scale, "skipped": np.array([0, 1, 0])}
    series.add(columns)
    other = EpochSeries(limit=1)
    other.load(json.loads(json.dumps(series.to_json(), allow_nan=False)))
    assert repr(other) == repr(series)
    means = other.finish()
    assert means["loss"] == np.mean(loss[[0, 2]].astype(float))
    assert means["scale"] == float(scale[2]) and means["skipped"] == 1
    assert len(other) == 0 and other.skipped == 1


def test_an_epoch_that_another_version_began_is_finished():
    """It keeps the metrics that all of its steps have."""
    series = EpochSeries(limit=1)
    row = {"violation": 0.5, "reconstruction": 0.1, "skipped": 0.0}
    series.load({"rows": [row], "skipped": 0})
    series.add({"violation": np.array([0.25]), "skipped": np.zeros(1)})
    assert series.finish() == {"violation": 0.375, "skipped": 0.0}


def test_nothing_that_is_not_finite_is_saved(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    state = driver.make_state(1)
    checkpoints.save(1, state, {})
    bad = {**state.params, "scale": jnp.float32(jnp.inf)}
    with pytest.raises(CheckpointError, match=r"scale.* of step 2 is not finite"):
        checkpoints.save(2, state.replace(params=bad), {})
    found = checkpoints.restore(driver.make_state(0))
    checkpoints.close()
    assert found.step == 1 and driver.leaves(found.state) == driver.leaves(state)


def test_an_effect_beyond_all_bounds_ends_the_run(monkeypatch):
    kernel = ((1.0,) * 3,) * 3
    grown = lambda snapshot, metrics: Effect("grown", kernel, 0.0, 2e4)  # noqa: E731
    monkeypatch.setattr(run, "effect_of", grown)
    with pytest.raises(trainer.TrainingError, match=r"step 7: .*scale") as caught:
        run.keep_effect(types.SimpleNamespace(step=7))
    assert "\n" not in str(caught.value)
