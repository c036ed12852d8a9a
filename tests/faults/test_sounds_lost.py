"""Sounds that go, and signals that come, while a run reads them or trains on them."""

import contextlib
import json
import os
import shutil
import signal

import harness
import jax
import numpy as np
import pytest
from processes import children
from support.sounds import grain, put

from cak_jax.commands import train as main
from cak_jax.effect.effect import load_effect
from cak_jax.model import train_state
from cak_jax.training import run

pytestmark = [
    pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning"),
    pytest.mark.usefixtures("quick"),
]


@pytest.fixture
def base(tmp_path):
    for index in range(5):
        put(tmp_path / "sounds", f"{index}.wav", grain(index, 2.0))
    return tmp_path


def command(base, *arguments):
    return main.main(
        [
            *harness.SMALL,
            "--config.corpus.held_out=0.2",
            f"--config.corpus.path={base / 'sounds'}",
            f"--config.corpus.cache={base / 'cache'}",
            f"--workdir={base / 'run'}",
            *arguments,
        ]
    )


@pytest.mark.parametrize("epochs", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_sounds_and_cache_that_vanish_during_a_run(base, epochs, monkeypatch, capsys):
    """The run has what it needs; going on without them is refused."""
    original = run.train

    def train(*arguments):
        shutil.rmtree(base / "sounds")
        shutil.rmtree(base / "cache")
        return original(*arguments)

    monkeypatch.setattr(run, "train", train)
    assert command(base, harness.epochs(epochs)) == 0
    evaluation = json.loads((base / "run" / "evaluation.json").read_text("utf-8"))
    assert evaluation["clips"] == 1
    assert (load_effect(base / "run").scale != 1.0) == bool(epochs)
    capsys.readouterr()
    assert command(base, harness.epochs(epochs)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and f"{base / 'sounds'} does not exist" in lines[0]


def test_a_run_of_no_step(base):
    """An effect that is what training begins with, evaluated like any other."""
    assert command(base, harness.epochs(0)) == 0
    effect = load_effect(base / "run")
    spec = train_state.GameSpec((2, 4, 8), 2, kernel_gain=0.1)
    first = train_state.create_state_quickly(jax.random.key(0), spec=spec).params
    np.testing.assert_array_equal(effect.kernel, first["detector"]["kernel"])
    assert effect.scale == 1.0 and effect.bias == 0.0
    assert (base / "run" / "evaluation.json").exists()
    assert not (base / "run" / "metrics.jsonl").read_text("utf-8")


@contextlib.contextmanager
def heard(number):
    """Let a signal that this process may ignore do what it does elsewhere."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("stage", ["reading", "decoding"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_corpus_is_read(base, stage, number, monkeypatch, capsys):
    """At once, with no process, half store or folder left; then it goes on."""
    sent, before = [], children()

    class Bars(run.Bars):
        def __call__(self, done, total, what):
            if what == stage and not sent:
                sent.append(number)
                os.kill(os.getpid(), number)

    with monkeypatch.context() as patch, heard(signal.SIGINT):
        patch.setattr(run, "Bars", Bars)
        assert command(base, harness.epochs(0)) == 128 + number
    name = signal.Signals(number).name
    said = capsys.readouterr().err
    assert said == f"stopped by {name}; run the same command again to resume\n"
    assert sent and children() == before
    assert not (base / "run").exists()
    assert not list((base / "cache").glob("*.partial"))
    assert command(base, harness.epochs(0)) == 0
