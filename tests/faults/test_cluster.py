"""Workers and driver that are killed, strangers and other versions: nothing is lost."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import dask
import numpy as np
import pytest
from support.ports import free_port
from support.small_sweep import ROOT, command, learned, rows

from cak_jax.sweep import worker
from cak_jax.sweep.cluster import Cluster, parse

pytestmark = pytest.mark.slow  # they start a dozen processes with JAX

SMALL = ("--config.sweep.runs_at_once=2",)
OPENSSL = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=cak -keyout - -out -"
)


def environment(**variables):
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | variables


@contextlib.contextmanager
def process(*line, **variables):
    """A process of Python with its output in one pipe; killed at the end."""
    started = subprocess.Popen(
        [sys.executable, *map(str, line)], env=environment(**variables), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def read_until(started, pattern, count=1):
    """The matches of a pattern in the output, as soon as there are so many."""
    found, seen = [], []
    for line in started.stdout:
        seen.append(line)
        found += re.findall(pattern, line)
        if len(found) >= count:
            return found
    raise AssertionError("".join(seen))


def rest(started):
    """The output that was not read yet, up to the end of the process."""
    said = started.stdout.read()  # `communicate` would miss what is buffered here
    assert started.wait() == 0, said
    return said


def drive(folder, *flags):
    return ("-m", "cak_jax.main", *command(folder, *SMALL, *flags))


def assert_same(folder, finished):
    ours, expected = learned(folder), learned(finished)
    assert ours.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(ours[name], values, atol=1e-5, err_msg=name)
    assert len((folder / "table.jsonl").read_text("utf-8").splitlines()) == 6


def gone(number):
    """Say whether a process has ended, even if nobody has waited for it yet."""
    try:
        state = pathlib.Path(f"/proc/{number}/stat").read_text("ascii").rsplit(")")[1]
    except FileNotFoundError:
        return True
    return state.split()[0] == "Z"


def test_a_killed_worker_costs_no_run(tmp_path, finished_sweep):
    folder = tmp_path / "sweep"
    with process(*drive(folder, "--cluster=local:2")) as driver:
        numbers = read_until(driver, r"process (\d+) on", 2)
        read_until(driver, r"^run +1/6")
        os.kill(int(numbers[0]), signal.SIGKILL)
        said = rest(driver)
    assert re.search("worker .*: has gone", said)
    assert len(re.findall("^run +", said, re.MULTILINE)) == 5  # each made once
    assert_same(folder, finished_sweep)


def value(link, call):
    """What a call leads to: an event that is no news on the way."""
    began = time.monotonic()
    while time.monotonic() - began < 120:
        for event in link.events(1.0):
            if event.call == call and event.kind != "told":
                return event
    raise AssertionError("the call never ends")


def test_a_killed_worker_comes_back():
    """However long its start takes; a call whose samples went with it ends."""
    audio = np.zeros((2, 10), np.float32)
    samples = worker.samples_of(audio)
    impatient = dask.config.set({"distributed.deploy.lost-worker-timeout": "0s"})
    with impatient, Cluster(parse("local:1")) as link:
        (first,) = link.workers()
        number = value(link, link.call(first, worker.describe)).value["process"]
        blob = link.send(samples.sha256, audio)
        call = link.call("tls://127.0.0.1:1", worker.keep_samples, samples, blob)
        os.kill(number, signal.SIGKILL)
        assert value(link, call).kind == "failed"
        began = time.monotonic()
        while link.workers() in (set(), {first}):
            assert time.monotonic() - began < 120, "no new worker"
            time.sleep(0.2)


def test_a_killed_driver_is_started_again(tmp_path, finished_sweep):
    folder = tmp_path / "sweep"
    with process(*drive(folder, "--cluster=local:2")) as driver:
        numbers = read_until(driver, r"process (\d+) on", 2)
        read_until(driver, r"^run +2/6")
        os.kill(driver.pid, signal.SIGKILL)
    began = time.monotonic()
    while not all(map(gone, numbers)):
        assert time.monotonic() - began < 60, "local workers outlive the driver"
        time.sleep(0.2)
    stamps = {
        n: (folder / f"runs/{n}/run.json").stat().st_mtime_ns for n in rows(folder)
    }
    assert 2 <= len(stamps) < 6
    with process(*drive(folder, "--cluster=local:2")) as driver:
        said = rest(driver)
    assert f"{len(stamps)} of 6 runs are finished already" in said
    for name, stamp in stamps.items():
        assert (folder / f"runs/{name}/run.json").stat().st_mtime_ns == stamp
    assert_same(folder, finished_sweep)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes the cluster's key")
def test_workers_of_different_environments(tmp_path, finished_sweep):
    """One has another version of the package; the other one makes every run."""
    key, port = tmp_path / "cluster.pem", free_port()
    with key.open("wb") as file:
        subprocess.run(
            OPENSSL.split(), stdout=file, stderr=subprocess.DEVNULL, check=True
        )
    other = tmp_path / "other"
    shutil.copytree(ROOT / "cak_jax", other / "cak_jax")
    shutil.copytree(ROOT / "configs", other / "cak_jax" / "configs")
    with (other / "cak_jax" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write('\n__version__ = "9.9"\n')
    tls = [f"--tls-{part}={key}" for part in ("ca-file", "cert", "key")]
    address = f"tls://127.0.0.1:{port}"
    serve = ("-m", "distributed.cli.dask_scheduler", "--host=127.0.0.1",
             f"--port={port}", "--protocol=tls", "--no-dashboard", *tls)  # fmt: skip
    work = ("-m", "distributed.cli.dask_worker", address, "--nthreads=1",
            "--no-dashboard", "--memory-limit=0", *tls)  # fmt: skip
    folder = tmp_path / "sweep"
    with contextlib.ExitStack() as stack:
        scheduler = stack.enter_context(process(*serve))
        read_until(scheduler, "Scheduler at")
        # In folders of their own, where they find no checkout and no file of ours.
        elsewhere = {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
        stack.enter_context(process(*work, "--local-directory", tmp_path / "a"))
        stack.enter_context(process(*work, PYTHONPATH=str(other), **elsewhere))
        flags = (f"--cluster={address}", f"--cluster_key={key}")
        driver = stack.enter_context(process(*drive(folder, *flags)))
        said = rest(driver)
        refused = r"^worker .*: has cak_jax 9\.9 .*; it gets no work$"
        assert len(re.findall(refused, said, re.MULTILINE)) <= 1
        wrong = stack.enter_context(
            process(*drive(tmp_path / "b", f"--cluster={address}"))
        )
        said, _ = wrong.communicate()
        assert wrong.returncode == 2
        said = said.splitlines()[-1]
        assert said.startswith(f"error: --cluster={address}: is encrypted; name the")
    assert_same(folder, finished_sweep)
