"""The package as its users have it: a wheel."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
SHIPPED = ("cak_jax", "configs")
ABOUT = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> pathlib.Path:
    """The wheel; built from a copy, because a build leaves its files in the tree."""
    source = tmp_path_factory.mktemp("source")
    for name in SHIPPED:
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=skipped)
    for name in ABOUT:
        shutil.copy(ROOT / name, source)
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", f"--wheel-dir={folder}", source)
    (built,) = folder.glob("*.whl")
    return built


def pip(command, *arguments):
    """Run pip without looking for dependencies or at an index."""
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    line = [sys.executable, "-m", "pip", command, *options, *arguments]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def site(wheel, tmp_path_factory) -> pathlib.Path:
    """A folder for PYTHONPATH: the unpacked wheel, nothing else of the repository."""
    place = tmp_path_factory.mktemp("site")
    pip("install", f"--target={place}", wheel)
    return place
