"""The same on eight devices, and with batches shared by devices."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from support.compiling import flags
from support.ports import DEAD_PROXY
from support.small_sweep import ROOT, learned, rows

BARE = ("--config.sweep.vectorise=map", "--config.sweep.runs_at_once=1")
# Four of the devices share the batches of a single run, or one of them makes it.
SHARE = """
import json, sys
from support.small_sweep import load, start
from cak_jax.training import run
from cak_jax.sweep.grid import plan_runs
from cak_jax.training.trainer import Trainer
import dataclasses
assert start(sys.argv[1], *sys.argv[2:]) == 0
settings = plan_runs(load())[0].settings
corpus = run.prepare_corpus(settings)
for count in (1, 4):
    train = dataclasses.replace(settings.train, devices=count)
    trainer = Trainer(dataclasses.replace(settings, train=train), corpus)
    trainer.run_epoch(lambda metrics: None)
    effect = trainer.snapshot().effect()
    kernel = trainer.state.params["detector"]["kernel"]
    print("SHARED", json.dumps(
        [len(kernel.sharding.device_set), *sum(effect.kernel, ()), effect.bias,
         effect.scale]))
"""


def call(devices, arguments):
    """Run Python with so many emulated devices; return its output."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    variables = {
        "PYTHONPATH": path,
        "XLA_FLAGS": flags(devices),
        "http_proxy": DEAD_PROXY,
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """The folder of the same runs made by eight devices, and what was said."""
    folder = tmp_path_factory.mktemp("devices") / "eight"
    return folder, call(8, ["-c", SHARE, str(folder), *BARE])


def test_the_same_runs(eight, finished_sweep):
    expected, others = learned(finished_sweep), learned(eight[0])
    assert expected.keys() == others.keys() and len(others) == 6
    for name, values in expected.items():
        np.testing.assert_allclose(others[name], values, atol=1e-5, err_msg=name)
    tables = [rows(folder) for folder in (finished_sweep, eight[0])]
    for name, row in tables[0].items():
        other_run = tables[1][name]
        for field in ("steps", "values"):
            assert row[field] == other_run[field]
        measure = "audit.relative.calibrated.slope"
        assert other_run["measures"][measure] == pytest.approx(
            row["measures"][measure], abs=1e-4
        )


def test_the_devices_are_said(eight):
    assert "on cpu, 8 devices" in eight[1]


def test_devices_share_a_batch(eight):
    lines = [line for line in eight[1].splitlines() if "SHARED" in line]
    alone, shared = (json.loads(line.removeprefix("SHARED ")) for line in lines)
    assert (alone[0], shared[0]) == (1, 4)
    np.testing.assert_allclose(shared[1:], alone[1:], rtol=0, atol=1e-5)
