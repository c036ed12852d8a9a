"""Starts real training processes, ends them badly, and reads what they left."""

import json
import os
import pathlib
import random
import shlex
import signal
import subprocess
import sys
import time

import forks

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
EPOCHS = 12  # of a run that is disturbed

# Seconds of starting, hundredths of seconds of training.
SMALL = (
    "--config=smoke",
    "--config.spectrogram.sample_rate=8000",
    "--config.spectrogram.n_fft=256",
    "--config.spectrogram.hop_length=64",
    "--config.corpus.synthetic_clips=24",
    "--config.corpus.held_out=0.1",
    "--config.train.batch_size=2",
    "--config.train.steps_per_dispatch=1",
    "--config.train.evaluate_every=1000",
    "--config.train.checkpoint_every=2",
    "--config.output.previews=0",
    "--config.output.figures=False",
)


def epochs(count: int = EPOCHS) -> str:
    return f"--config.train.epochs={count}"


def environment(cache=None, **changes) -> dict[str, str]:
    """One thread, since bits are compared; quickly compiled programs that are kept."""
    path = os.pathsep.join([str(ROOT), str(HERE)])
    own = {**os.environ, "PYTHONPATH": path, "NPROC": "1", "JAX_PLATFORMS": "cpu"}
    own["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    if cache is not None:
        own["JAX_COMPILATION_CACHE_DIR"] = str(cache)
        own["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        own["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    own |= changes
    return {name: value for name, value in own.items() if value is not None}


def command(folder, *arguments) -> list[str]:
    """The command line of a run, without the program."""
    return [*SMALL, *arguments, f"--workdir={folder}"]


def shell_line(folder, *arguments) -> str:
    program = [sys.executable, "-m", "cak_jax.main"]
    return shlex.join([*program, *command(folder, *arguments)])


def shell(script: str, environment, *prefix) -> subprocess.CompletedProcess:
    """Run shell lines, in processes that share nothing with the tests' own."""
    return subprocess.run(
        [*prefix, "bash", "-c", script],
        env=environment,
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=forks.PATIENCE,
    )


def read_until(process: forks.Fork, beginning: str) -> list[str]:
    """Read lines up to the one that begins so; fail if the process ends before."""
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(beginning):
            return lines
    raise AssertionError(f"{beginning!r} never came:\n" + "\n".join(lines))


def end(process: forks.Fork) -> tuple[int, list[str]]:
    """Wait for the end; return exit code and the lines that were left."""
    output, _ = process.communicate()
    return process.returncode, output.splitlines()


def kill_at_random(process: forks.Fork, draw: random.Random, lines: int) -> str:
    """Kill -9 after up to so many lines and a random while.

    Returns:
      The first word of the last line, "start" for none; "" if it had ended by itself.
    """
    word = "start"
    for _ in range(draw.randint(0, lines)):
        line = process.stdout.readline()
        if not line:
            break
        word = (line.split() or [word])[0]
    time.sleep(draw.uniform(0, 0.5))
    process.kill()
    return word if end(process)[0] == -signal.SIGKILL else ""


def checkpoints(folder) -> list[int]:
    found = pathlib.Path(folder, "checkpoints").iterdir()
    return sorted(int(path.name) for path in found if path.name.isdigit())


def newest(folder) -> tuple[int, str]:
    """The newest checkpoint's step and the hash of its leaves."""
    step = checkpoints(folder)[-1]
    path = pathlib.Path(folder, "checkpoints", str(step), "note", "metadata")
    return step, json.loads(path.read_text("utf-8"))["sha256"]


def outcome(folder) -> dict:
    """All that must not depend on how often a run was interrupted."""
    folder = pathlib.Path(folder)
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {
        "leaves": newest(folder),
        "metrics": [{k: v for k, v in r.items() if k != "seconds"} for r in records],
        "effects": [p.read_text("utf-8") for p in sorted(folder.glob("effects/*"))],
        "effect": (folder / "effect.json").read_text("utf-8"),
        "evaluation": (folder / "evaluation.json").read_text("utf-8"),
    }


def mounts_allowed() -> bool:
    """Say whether a mount namespace of one's own can be had."""
    try:
        done = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0
