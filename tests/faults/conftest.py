"""Processes that start at once, and a run that nobody disturbs, to compare with."""

import contextlib
import os
import pathlib
import types

import filelock
import forks
import harness
import jax
import pytest


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> pathlib.Path:
    """A folder that all processes of this test session see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def env(shared) -> dict[str, str]:
    """The environment of processes that share their compiled programs."""
    return harness.environment(shared / "programs")


@pytest.fixture(scope="session")
def processes(env):
    """Starts real processes in that environment."""
    with contextlib.closing(forks.Forks(env, harness.ROOT)) as parent:
        yield parent


@pytest.fixture(scope="session")
def whole(shared, processes) -> types.SimpleNamespace:
    """A run in one go: its folder and `harness.outcome`."""
    folder = shared / "whole" / "run"
    with filelock.FileLock(shared / "whole.lock"):
        if not folder.exists():
            done = processes.run("main", *harness.command(folder, harness.epochs()))
            assert done.returncode == 0, done.stderr
    return types.SimpleNamespace(folder=folder, outcome=harness.outcome(folder))


@pytest.fixture(scope="module")
def quick():
    """Let programs of this process be compiled quickly, as they run but for seconds."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
