"""Memory, compiler options, the cache between processes, the profiler's flag."""

import os
import pathlib
import subprocess
import sys

import jax
import pytest

from cak_jax.model import compiler
from cak_jax.training import devices

ROOT = pathlib.Path(__file__).parent.parent.parent
COMMAND = (
    "-m",
    "cak_jax.main",
    "--config=smoke",
    "--config.spectrogram.sample_rate=8000",
    "--config.spectrogram.n_fft=256",
    "--config.spectrogram.hop_length=64",
    "--config.game.critic_steps=1",
    "--config.output.previews=0",
    "--config.output.figures=False",
)


def test_examples_per_pass(monkeypatch):
    assert devices.examples_per_pass(8, 256 * 64, 8) == 8
    assert devices.examples_per_pass(16, 1025 * 173, 32) == 1
    assert devices.examples_per_pass(12, 1025 * 64, 16) == 6
    assert devices.examples_per_pass(4, 1025 * 100_000, 32) == 1
    monkeypatch.setattr(devices, "memory", lambda: int(80e9))
    assert devices.examples_per_pass(16, 1025 * 1292, 32) == 16
    monkeypatch.setattr(devices, "memory", lambda: int(8e9))
    assert devices.examples_per_pass(16, 1025 * 1292, 32) == 2


def test_options_are_known_here():
    assert compiler.compiler_options("gpu") == compiler.compiler_options("tpu") == {}
    options = compiler.compiler_options("cpu")
    program = jax.jit(lambda x: x + 1).lower(1.0).compile(compiler_options=options)
    assert program(1.0) == 2.0
    if jax.default_backend() == "cpu":
        assert options == compiler.CPU_OPTIONS


def test_an_option_that_jaxlib_lost_is_left_out(monkeypatch):
    monkeypatch.setattr(compiler, "CPU_OPTIONS", {"xla_cpu_no_such_option": True})
    assert compiler.compiler_options("cpu") == {}


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cached")

    def train(name, *arguments):
        return subprocess.run(
            [
                sys.executable,
                *COMMAND,
                f"--workdir={folder / name}",
                f"--compilation_cache={folder / 'programs'}",
                *arguments,
            ],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout

    def programs():
        files = (folder / "programs").glob("*/*-cache")
        return {path.name: path.stat().st_size for path in files}

    first = train("first", f"--profile={folder / 'trace'}")
    after_first = programs()
    second = train("second")
    return folder, first, after_first, second, programs()


def test_programs_are_kept_by_version(cached):
    folder, _, first, _, second = cached
    # Only those: a program that compiles in about half a second is kept by the one run
    # and not by the other, as the machine is busy.
    runs = (first, second)
    trained = [{k: v for k, v in kept.items() if "train_steps" in k} for kept in runs]
    assert trained[0] and trained[0] == trained[1]  # it was found, not compiled again
    assert first.items() <= second.items()
    (place,) = (folder / "programs").iterdir()
    assert place.name.startswith(f"jaxlib-{jax.lib.__version__}-")


def test_the_time_of_compilation_is_shown(cached):
    for output in (cached[1], cached[3]):
        (line,) = [x for x in output.splitlines() if x.startswith("compiled in ")]
        assert "corpus resident, " in line


def test_the_profile_is_a_trace(cached):
    traces = list((cached[0] / "trace").rglob("*.xplane.pb"))
    assert len(traces) == 1 and traces[0].stat().st_size > 10_000


def test_a_cached_program_trains_the_same(cached):
    effects = [(cached[0] / name / "effect.json").read_text() for name in
               ("first", "second")]  # fmt: skip
    assert effects[0] == effects[1]
