"""Runs along an axis: each as if it were alone, in whatever form they are made."""

import jax
import numpy as np
import pytest
from support.small_game import leaves
from support.small_sweep import load

from cak_jax.sweep import run_axis, train_together
from cak_jax.sweep.grid import plan_runs
from cak_jax.sweep.group import Group
from cak_jax.training import batch_plan, devices, run_corpus
from cak_jax.training.steps import train_steps
from cak_jax.training.trainer import Trainer

STEPS = 3


@pytest.fixture(scope="module")
def group():
    loaded = Group(plan_runs(load()))
    loaded.load()
    return loaded


@pytest.fixture(scope="module")
def trainers(group):
    """Four runs that differ in gate, clips and seed."""
    placement = batch_plan.place(group.whole(group.runs[0]).audio, "auto")
    return [group.trainer(run, placement) for run in group.runs[:4]]


COMPILED = {}


def make(trainers, width, active=None, states=None):
    """One dispatch of runs, side by side; packed states and metrics on the host."""
    if active is None:
        active = np.ones((len(trainers), STEPS), bool)
    runs = train_together.gather(trainers)
    if states:
        runs = runs._replace(state=run_axis.stack(states))
    plans = run_axis.stack(
        [next(train_together.dispatches(t, STEPS))[0] for t in trainers]
    )
    mesh = devices.make_mesh(devices.RUN, jax.devices()[:1])
    state, hparams, constants = run_axis.place(runs, mesh)
    placed = run_axis.place((plans, active), mesh)
    arguments = (state, *placed, trainers[0].placement.audio, hparams, constants)
    static = trainers[0].static
    key = static, width, len(trainers)
    if key not in COMPILED:
        COMPILED[key] = run_axis.compile_runs(mesh, static, width, arguments)
    return jax.device_get(COMPILED[key](*arguments))


def each(tree, run):
    return leaves(jax.tree.map(lambda leaf: leaf[run], tree))


def assert_close(ours, expected, tolerance=1e-5):
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(
            ours[name], value, rtol=tolerance, atol=tolerance, err_msg=name
        )


def detector(numbers):
    return {
        name: v for name, v in numbers.items() if "detector" in name and "par" in name
    }


@pytest.fixture(scope="module")
def serial(trainers):
    return make(trainers, 1)


def test_serial_runs_are_single_runs(trainers, serial):
    states, metrics = serial
    single = jax.jit(train_steps, static_argnames="static")
    for run, trainer in enumerate(trainers):
        plan, _ = next(train_together.dispatches(trainer, STEPS))
        state, expected = single(
            trainer.state, plan, trainer.placement.audio, trainer.hparams,
            trainer.constants, static=trainer.static,
        )  # fmt: skip
        params = each(states.params, run)
        assert_close(detector(params), detector(leaves(state.params)))
        assert not expected.pop("skipped").any()  # a sweep ends such a run instead
        for name, values in expected.items():
            np.testing.assert_allclose(metrics[name][run], values, rtol=1e-3, atol=1e-4)
    assert len({float(value) for value in metrics["scale"][:, -1]}) == len(trainers)


@pytest.mark.parametrize("width", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_at_once_equals_one_after_the_other(trainers, serial, width):
    states, metrics = make(trainers, width)
    for run in range(len(trainers)):
        params, expected = (each(s.params, run) for s in (states, serial[0]))
        assert_close(detector(params), detector(expected), 1e-4)
    np.testing.assert_allclose(metrics["scale"], serial[1]["scale"], atol=1e-4)


def test_unactive_iterations_change_nothing(trainers, serial):
    active = np.array([[True, False, False], [False] * 3, [True] * 3, [True] * 3])
    states, metrics = make(trainers, 1, active)
    assert states.step.tolist() == [1, 0, 3, 3]
    before = leaves(run_axis.pack(trainers[1].state))
    for name, value in each(states, 1).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert metrics["scale"][0, 0] == serial[1]["scale"][0, 0]
    assert not metrics["scale"][1].any()


@pytest.mark.parametrize("width", [1, 4])
def test_a_run_does_not_depend_on_its_neighbours(trainers, width):
    ruined = jax.tree.map(
        lambda leaf: leaf * np.nan if leaf.dtype == np.float32 else leaf,
        run_axis.pack(trainers[1].state),
    )
    states = [run_axis.pack(trainer.state) for trainer in trainers]
    healthy, _ = make(trainers, width)
    sick, metrics = make(trainers, width, states=[states[0], ruined, *states[2:]])
    assert np.isnan(metrics["scale"][1]).all()
    for run in (0, 2, 3):
        expected = each(healthy, run)
        for name, value in each(sick, run).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_plans_run_through_all_epochs(trainers):
    for trainer in trainers:
        plans = train_together.dispatches(trainer, 4)
        total = trainer.settings.train.epochs * trainer.steps_per_epoch
        count = -(-total // 4)
        dispatched, active = zip(*(next(plans) for _ in range(count + 2)), strict=True)
        assert all(len(plan) == 4 for plan in dispatched)
        flags = np.concatenate(active)
        assert flags.sum() == total and flags[:total].all()
        control = np.concatenate([plan.control for plan in dispatched])[:total]
        epochs = range(trainer.settings.train.epochs)
        expected = np.concatenate([trainer.plan(epoch).control for epoch in epochs])
        np.testing.assert_array_equal(control, expected)


def test_what_fits():
    def fitting(count, each, free):
        return run_axis.choose_width("vmap", count, each, free, None).runs

    assert fitting(8, 10, 1000) == 8
    assert fitting(8, 100, 1000) == 4  # half of what is free
    assert fitting(6, 200, 1000) == 2
    assert fitting(8, 600, 1000) == 1
    assert fitting(8, 0, 1000) == 8


def test_the_faster_form_is_taken():
    def decide(vectorise, serial, together, free=10**9):
        measured = []

        def measure(width):
            measured.append(width)
            return serial if width == 1 else together

        return run_axis.choose_width(vectorise, 4, 10**6, free, measure), measured

    width, measured = decide("auto", 0.1, 0.3)
    assert (width.runs, measured) == (1, [1, 4]) and "lax.map" in width.said
    assert "100 ms" in width.said and "300 ms" in width.said and "1 MB" in width.said
    width, _ = decide("auto", 0.3, 0.1)
    assert width.runs == 4 and "vmap" in width.said
    for vectorise, runs in (("map", 1), ("vmap", 4)):
        width, measured = decide(vectorise, 0.3, 0.1)
        assert (width.runs, measured) == (runs, [])
    width, measured = decide("auto", 0.3, 0.1, free=10**6)
    assert (width.runs, measured) == (1, []) and "no two fit" in width.said


def test_one_program_for_all_gates_and_sizes(group):
    """What is swept is given to a program, not built into it."""
    made = [
        Trainer(run.settings, run_corpus.draw(group.whole(run), run.settings))
        for run in group.runs
    ]
    assert len({trainer.static for trainer in made}) == 1


def test_runs_of_one_draw_share_a_corpus(group, trainers):
    made = [group.trainer(run, trainers[0].placement) for run in group.runs]
    by_draw = {}
    for trainer in made:
        train = trainer.settings.train
        key = train.clips, train.seed if train.clips else 0
        assert by_draw.setdefault(key, trainer.corpus) is trainer.corpus
    # Six are all there are: that draw is the whole corpus itself.
    assert len(by_draw) == 3 and by_draw[6, 0] is by_draw[0, 0]
