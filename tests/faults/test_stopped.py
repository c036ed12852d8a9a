"""SIGTERM and Ctrl-C, once and twice, in every phase; two runs in one folder."""

import signal
import subprocess
import sys

import harness
import pytest
from support import small_sweep

from cak_jax.commands import train
from cak_jax.runtime import signals
from cak_jax.training import run

HINT = "run the same command again to resume"


def stop(process, number):
    """Send a signal to a process that has halted, and let it go on.

    Checks the one line and the code; returns the step it names.
    """
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    code, lines = harness.end(process)
    assert code == 128 + number
    said = [line for line in lines if line.startswith("stopped")]
    assert len(said) == 1 and not [x for x in lines if "Traceback" in x]
    name = signal.Signals(number).name
    assert said[0].startswith(f"stopped by {name} at step ") and said[0].endswith(HINT)
    return int(said[0].split("step ")[1].split(";")[0])


def refuse_second_run(process, command, processes):
    """Start another run in the folder, where the first one has halted."""
    second = processes.run("main", *command)
    assert second.returncode == 2 and second.stderr.count("\n") == 1
    assert f"is in use by process {process.pid};" in second.stderr


def test_stopped_twice_and_resumed(tmp_path, whole, processes):
    folder = tmp_path / "run"
    command = harness.command(folder, harness.epochs())
    steps_per_epoch = whole.outcome["metrics"][0]["step"]
    for number in (signal.SIGTERM, signal.SIGINT):
        process = processes.start("main", *command, halt="epoch ")
        harness.read_until(process, "epoch ")
        process.wait_until_halted()
        if number == signal.SIGTERM:
            refuse_second_run(process, command, processes)
        step = stop(process, number)
        assert harness.newest(folder)[0] == step >= steps_per_epoch
        assert f'"epochs": {step // steps_per_epoch}' in (
            folder / "effect.json"
        ).read_text("utf-8")
    done = processes.run("main", *command)
    assert done.returncode == 0 and done.stderr == ""
    assert harness.outcome(folder) == whole.outcome


# Nobody has compiled for these widths, so that compilation takes its time.
NEW = "--config.game.critic_widths=(2,4,6)"


def test_stopped_during_compilation_and_before(tmp_path, processes):
    """Nothing is lost there, and nobody waits for it: at once, and no folder stays."""
    for beginning, number in (("sounds", signal.SIGTERM), ("cak_jax", signal.SIGINT)):
        folder = tmp_path / beginning
        process = processes.start("main", *harness.command(folder, NEW))
        harness.read_until(process, beginning)
        process.send_signal(number)
        code, lines = harness.end(process)
        assert code == 128 + number, "\n".join(lines)
        assert lines[-1].startswith("stopped by") and lines[-1].endswith(HINT)
        assert not [line for line in lines if "Traceback" in line or "epoch" in line]
        assert not list(folder.glob("effect*"))
    assert not (tmp_path / "cak_jax").exists()


def test_a_sweep_is_stopped_at_once(tmp_path, processes):
    folder = tmp_path / "sweep"
    process = processes.start("main", *small_sweep.command(folder))
    harness.read_until(process, "sweep: 6 runs")
    process.send_signal(signal.SIGTERM)
    code, lines = harness.end(process)
    assert code == 143 and lines[-1] == f"stopped by SIGTERM; {HINT}"
    assert not [line for line in lines if "Traceback" in line]
    assert small_sweep.rows(folder) == {}


# The main thread is in C, as it is while XLA compiles: no Python handler runs there.
BUSY = """
import hashlib, os, sys, threading
from cak_jax.runtime import signals as interruption
with interruption.watch() as stops, getattr(stops, sys.argv[1])():
    for moment in range(int(sys.argv[2])):
        threading.Timer(0.2 + moment, os.kill, (os.getpid(), 15)).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""


@pytest.mark.parametrize("mode, signals", [("at_once", 1), ("deferred", 2)])
def test_signals_that_no_python_code_hears(mode, signals):
    done = subprocess.run(
        [sys.executable, "-c", BUSY, mode, str(signals)],
        env=harness.environment(),
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 143
    assert done.stderr == f"stopped by SIGTERM; {HINT}\n"


IGNORED = """
import os, signal
from cak_jax.runtime import signals as interruption
signal.signal(signal.SIGINT, signal.SIG_IGN)
before = signal.getsignal(signal.SIGTERM)
with interruption.watch() as stops:
    os.kill(os.getpid(), signal.SIGINT)
    with stops.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
assert stops.requested == signal.SIGTERM
assert signal.getsignal(signal.SIGTERM) == before
assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
"""


def test_what_is_ignored_stays_ignored():
    environment = harness.environment()
    subprocess.run([sys.executable, "-c", IGNORED], env=environment, check=True)


def test_a_stop_that_a_library_turned_into_another_error(monkeypatch, capsys):
    """It is a stop all the same; without one the error is shown as it is."""
    stops = signals.Stops()

    def fail(config, workdir, profile, stops):
        raise RuntimeError("an initialiser raised")

    monkeypatch.setattr(run, "run", fail)
    command = train.parse(["--config=smoke", "--workdir=nowhere"])
    with pytest.raises(RuntimeError, match="an initialiser raised"):
        train.execute(command, stops)
    stops.requested = signal.SIGTERM
    assert train.execute(command, stops) == 128 + signal.SIGTERM
    assert "stopped by SIGTERM; run the same command" in capsys.readouterr().err
