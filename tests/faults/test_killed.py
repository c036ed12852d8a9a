"""Kill -9 at any moment: what a run ends with is what it would have been."""

import os
import random
import shutil
import signal
import subprocess
import sys

import driver
import harness
import jax
import pytest
from sounds import grain, put

from cak_jax.checkpoint import Checkpoints, digest

KILLS = int(os.environ.get("CAK_FAULTS_KILLS", "20"))


def kill_and_finish(folder, kills, draw, env) -> int:
    """Kill a run so often, or until it is done; then let it end. Return how often."""
    count = harness.epochs()
    for killed in range(kills + 1):
        process = harness.start(folder, count, env=env)
        if killed == kills or not harness.kill_at_random(process, draw):
            code, lines = harness.end(process)
            assert code == 0, lines
            return killed
    raise AssertionError("is returned from above")


def test_three_kills_leave_no_trace(tmp_path, whole, env):
    folder = tmp_path / "run"
    assert kill_and_finish(folder, 3, random.Random(7), env) == 3
    assert harness.outcome(folder) == whole.outcome


@pytest.mark.slow
def test_many_kills_leave_no_trace(tmp_path, whole, env):
    """`CAK_FAULTS_KILLS` of them, over as many runs as it takes."""
    draw, killed, runs = random.Random(8), 0, 0
    while killed < KILLS:
        folder = tmp_path / str(runs)
        killed += kill_and_finish(folder, KILLS - killed, draw, env)
        runs += 1
        assert harness.outcome(folder) == whole.outcome
    print(f"{killed} kills of {killed} over {runs} runs: the same bits")


def drive(work, last, folder):
    """Run the driver; return its exit code and the last line it printed."""
    done = subprocess.run(
        [sys.executable, harness.DRIVER, work, str(last), folder],
        env=harness.environment(),
        cwd=harness.ROOT,
        text=True,
        capture_output=True,
        timeout=harness.PATIENCE,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, (done.stdout.splitlines() or [""])[-1]


def leaves(state) -> str:
    return digest(state.replace(key=jax.random.key_data(state.key)))


def steps_left(folder):
    """The step that is restored after a kill, 0 for none; its leaves are checked."""
    checkpoints = Checkpoints(folder / "checkpoints", keep=2)
    found = checkpoints.restore(driver.make_state(0))
    if found is None:
        step = 0
    else:
        step = found.step
        assert found.progress == {"step": step}
        assert leaves(found.state) == leaves(driver.make_state(step))
    # And the folder still takes what comes.
    checkpoints.save(9, driver.make_state(9), {})
    checkpoints.close()
    assert harness.checkpoints(folder)[-1] == 9
    return step


def kill_in_saves(tmp_path, numbers):
    """Kill in front of each of these operations; return the steps that were left."""
    left = []
    for number in numbers:
        folder = tmp_path / f"save{number}"
        folder.mkdir()
        code, _ = drive("save", number, folder)
        assert code == -signal.SIGKILL
        left.append(steps_left(folder))
    return left


def count_operations(work, folder) -> int:
    folder.mkdir(exist_ok=True)
    code, said = drive(work, 0, folder)
    assert code == 0
    return int(said)


def test_killed_inside_a_save(tmp_path):
    count = count_operations("save", tmp_path / "count")
    # Early in the first save, and in the middle of the third.
    assert count > 30, count
    left = kill_in_saves(tmp_path, [5, count - count // 6])
    assert left == [0, 2]


@pytest.mark.slow
def test_killed_at_every_operation_of_a_save(tmp_path):
    count = count_operations("save", tmp_path / "count")
    left = kill_in_saves(tmp_path, range(1, count + 1))
    # Of three saves none is lost that was over, and none is there in halves.
    assert left == sorted(left) and set(left) == {0, 1, 2, 3}
    print(f"killed at each of {count} operations: {[left.count(n) for n in range(4)]}")


def kill_in_preparation(tmp_path, numbers):
    """Kill while a corpus is prepared; afterwards it is the same as without."""
    hashes = set()
    # Copies: libsndfile writes the time of writing into a file of floats.
    for index in range(6):
        put(tmp_path / "sounds", f"{index}.wav", grain(index, 1.0))
    for number in (0, *numbers):
        folder = tmp_path / f"prepare{number}"
        shutil.copytree(tmp_path / "sounds", folder / "sounds")
        code, _ = drive("prepare", number, folder)
        assert code == (-signal.SIGKILL if number else 0)
        done = subprocess.run(
            [sys.executable, "-c", AGAIN, folder],
            env=harness.environment(),
            text=True,
            capture_output=True,
            timeout=harness.PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        hashes.add(done.stdout)
    assert len(hashes) == 1


AGAIN = "import sys, driver; driver.prepare(sys.argv[1])"


def test_killed_while_the_corpus_is_prepared(tmp_path):
    kill_in_preparation(tmp_path, [9])


@pytest.mark.slow
def test_killed_at_every_operation_of_the_preparation(tmp_path):
    for index in range(6):
        put(tmp_path / "count" / "sounds", f"{index}.wav", grain(index, 1.0))
    count = count_operations("prepare", tmp_path / "count")
    kill_in_preparation(tmp_path, range(1, count + 1))
    print(f"killed at each of {count} operations: the same corpus")
