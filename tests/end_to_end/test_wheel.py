"""The wheel works outside the repository, with the commands that it installs."""

import os
import pathlib
import subprocess
import sys
import sysconfig
import venv

import numpy as np
import pytest
import soundfile

import cak_jax

# Without the caller's path, where another cak_jax may stand.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A virtual environment of the wheel alone; libraries come from outside."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    options = ["--no-deps", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", f"--python={python}", "install", *options]
    subprocess.run([*command, wheel], env=ENVIRONMENT, check=True)
    (place,) = folder.glob("lib/python*/site-packages")
    # Added without its own .pth files, so that no editable cak_jax comes along.
    (place / "outside.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def run(environment, folder, command, *arguments):
    """Run an installed command in a folder; return what it printed."""
    done = subprocess.run(
        [environment / "bin" / command, *arguments],
        env=ENVIRONMENT,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_the_wheel(environment, tmp_path):
    place = "import cak_jax; print(cak_jax.__file__)"
    where = run(environment, tmp_path, "python", "-c", place)
    assert environment in pathlib.Path(where.strip()).parents
    check_apply(environment, tmp_path, "bright")
    run(environment, tmp_path, "cak", "export-web", "--effect=bright", "--output=page")
    page = (tmp_path / "page" / "index.html").read_text("utf-8")
    assert "bright" in page and "AudioWorklet" in page
    assert "--port" in run(environment, tmp_path, "cak", "app", "--help")
    assert "--pairs" in run(environment, tmp_path, "cak", "rate", "--help")
    assets = "from cak_jax.apps.rate.server import *; print(len([*ASSETS.iterdir()]))"
    assert run(environment, tmp_path, "python", "-c", assets) == "3\n"


@pytest.mark.slow
def test_the_wheel_trains(environment, tmp_path):
    run(environment, tmp_path, "cak", "train", "--config=smoke", "--workdir=run")
    assert cak_jax.load_effect(tmp_path / "run").name == "smoke"
    report = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "<style>" in report and "<audio" in report
    check_apply(environment, tmp_path, "run")


def check_apply(environment, folder, effect):
    """Render noise with an effect: as long as before, and audibly changed."""
    dry = np.random.default_rng(0).uniform(-0.1, 0.1, 8000)
    soundfile.write(folder / "dry.wav", dry, 8000, "PCM_16")
    knob = (f"--effect={effect}", "--amount=0.5")
    run(environment, folder, "cak", "apply", *knob, "dry.wav", "--output=wet.wav")
    wet, rate = soundfile.read(folder / "wet.wav")
    assert rate == 8000 and len(wet) == len(dry) and np.ptp(wet - dry) > 0.01
