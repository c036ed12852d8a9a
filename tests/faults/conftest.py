"""A run that nobody disturbs, to compare with, and its compiled programs."""

import pathlib
import types

import harness
import pytest


@pytest.fixture(scope="session")
def env(tmp_path_factory) -> dict[str, str]:
    """The environment of processes that share their compiled programs."""
    return harness.environment(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory, env) -> types.SimpleNamespace:
    """A run in one go: its folder and `harness.outcome`."""
    folder = pathlib.Path(tmp_path_factory.mktemp("whole"), "run")
    done = harness.run(folder, harness.epochs(), env=env)
    assert done.returncode == 0, done.stderr
    return types.SimpleNamespace(folder=folder, outcome=harness.outcome(folder))
