"""Configurations of users that import from the addresses of the release before."""

import os
import pathlib
import subprocess
import sys
import warnings

import pytest
from support.small_sweep import CONFIG

import cak_jax.config
import cak_jax.sweep_points
from cak_jax.sweep.grid import plan_runs
from cak_jax.training.config import build, find, flatten, load_file, load_sibling

ROOT = pathlib.Path(__file__).parent.parent
SINGLE = """
from cak_jax.config import load_sibling

def get_config():
    config = load_sibling(__file__, "default")
    config.name = "of a user"
    return config
"""
SWEEP = """
from ml_collections import config_dict
from cak_jax.config import load_file
from cak_jax.sweep_points import part

def get_config():
    config = load_file("SMALL")
    grid = {"gate.threshold": (0.0, 0.1, 0.2)}
    config.sweep.parts = config_dict.ConfigDict({"gate": part(grid=grid)})
    return config
"""


def write(folder, text):
    """Write a user's configuration beside a copy of the default."""
    folder.mkdir()
    (folder / "default.py").write_text(find("default").read_text("utf-8"), "utf-8")
    path = folder / "own.py"
    path.write_text(text.replace("SMALL", str(CONFIG)), "utf-8")
    return path


def load(path):
    """Load a configuration and return it with the warnings that name its file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config = load_file(path)
    return config, [str(w.message) for w in caught if w.filename == str(path)]


def test_a_configuration_with_old_imports_is_read(folder):
    config, said = load(write(folder, SINGLE))
    assert said == [
        "cak_jax.config.load_sibling is now cak_jax.training.config.load_sibling"
    ]
    expected = load_sibling(find("default"), "default")
    expected.name = "of a user"
    assert flatten(config) == flatten(expected)
    assert build(config) == build(expected)


def test_a_sweep_with_old_imports_is_planned(folder):
    config, said = load(write(folder, SWEEP))
    assert said == [
        "cak_jax.config.load_file is now cak_jax.training.config.load_file",
        "cak_jax.sweep_points.part is now cak_jax.sweep.grid.part",
    ]
    thresholds = [run.settings.hparams["threshold"] for run in plan_runs(config)]
    assert thresholds == [0.0, 0.1, 0.2]


@pytest.mark.parametrize("module", [cak_jax.config, cak_jax.sweep_points])
def test_other_names_are_not_there(module):
    with pytest.raises(AttributeError, match="has no attribute 'build'"):
        _ = module.build


def test_the_command_line_shows_no_traceback(folder, tmp_path):
    """A fault in a flag ends the command before it trains."""
    done = subprocess.run(
        [sys.executable, "-m", "cak_jax.main", f"--config={write(folder, SINGLE)}",
         f"--workdir={tmp_path / 'run'}", "--config.train.epochs=-1"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: train.epochs: must be from 0 to 1e+06, got -1"
    ]
