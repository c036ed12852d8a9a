"""Kill -9 at any moment: what a run ends with is what it would have been."""

import collections
import os
import pathlib
import random
import shutil
import signal

import driver
import harness
import pytest
from support.sounds import grain, put

from cak_jax.training.checkpoint import Checkpoints

# Of a restore that fails orbax leaves coroutines behind; the garbage collector says so.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
KILLS = int(os.environ.get("CAK_FAULTS_KILLS", "20"))
# From one operation on files, before which a process is killed, to the next.
STRIDE = int(os.environ.get("CAK_FAULTS_STRIDE", "1"))


def kill_and_finish(folder, kills, lines, draw, processes) -> list[str]:
    """Kill a run so often, or until it is done; then let it end. Return when."""
    command, phases = harness.command(folder, harness.epochs()), []
    while True:
        process = processes.start("main", *command)
        if len(phases) < kills:
            phase = harness.kill_at_random(process, draw, lines)
            if phase:
                phases.append(phase)
                continue
            assert process.returncode == 0
        else:
            code, said = harness.end(process)
            assert code == 0, said
        return phases


def survive(folder, kills, lines, draw, whole, processes) -> tuple[list[str], int]:
    """Kill so often, over as many runs as it takes; return when, and their number."""
    phases, runs = [], 0
    while len(phases) < kills:
        one, left = folder / str(runs), kills - len(phases)
        phases += kill_and_finish(one, left, lines, draw, processes)
        runs += 1
        assert harness.outcome(one) == whole.outcome
    return phases, runs


def test_three_kills_leave_no_trace(tmp_path, whole, processes):
    phases, _ = survive(tmp_path, 3, 5, random.Random(7), whole, processes)
    assert len(phases) == 3


@pytest.mark.slow
def test_many_kills_leave_no_trace(tmp_path, whole, processes):
    """`CAK_FAULTS_KILLS` of them."""
    phases, runs = survive(tmp_path, KILLS, 9, random.Random(8), whole, processes)
    after = dict(collections.Counter(phases))
    print(f"{len(phases)} kills over {runs} runs, after the lines {after}: same bits")


def drive(processes, work, number, folder) -> str:
    """Kill a process in front of an operation, 0: do not; return what it said."""
    done = processes.run("driver", work, folder, number)
    assert done.returncode == (-signal.SIGKILL if number else 0), done.stderr
    return done.stdout


def count_operations(processes, work, folder) -> int:
    folder.mkdir(exist_ok=True)
    return int(drive(processes, work, 0, folder).split()[-1])


def steps_left(folder):
    """The step that is restored after a kill, 0 for none; its leaves are checked."""
    checkpoints = Checkpoints(folder / "checkpoints", keep=2)
    found = checkpoints.restore(driver.make_state(0))
    if found is None:
        step = 0
    else:
        step = found.step
        assert found.progress == {"step": step}
        assert driver.leaves(found.state) == driver.leaves(driver.make_state(step))
    # And the folder still takes what comes.
    checkpoints.save(9, driver.make_state(9), {})
    checkpoints.close()
    assert harness.checkpoints(folder)[-1] == 9
    return step


def kill_in_saves(processes, tmp_path, numbers):
    """Kill in front of each of these operations; return the steps that were left."""
    left = []
    for number in numbers:
        folder = tmp_path / f"save{number}"
        folder.mkdir()
        drive(processes, "save", number, folder)
        left.append(steps_left(folder))
    return left


def test_killed_inside_a_save(tmp_path, processes):
    count = count_operations(processes, "save", tmp_path / "count")
    # Early in the first save, and in the middle of the third.
    assert count > 30, count
    left = kill_in_saves(processes, tmp_path, [5, count - count // 6])
    assert left == [0, 2]


@pytest.mark.slow
def test_killed_at_every_operation_of_a_save(tmp_path, processes):
    count = count_operations(processes, "save", tmp_path / "count")
    numbers = sorted({*range(1, count + 1, STRIDE), count})
    left = kill_in_saves(processes, tmp_path, numbers)
    # Of three saves none is lost that was over, and none is there in halves.
    assert left == sorted(left) and set(left) == {0, 1, 2, 3}
    found = [left.count(step) for step in range(4)]
    print(f"killed at {len(numbers)} of {count} operations: {found}")


@pytest.fixture
def sounds(tmp_path) -> pathlib.Path:
    # To be copied: libsndfile writes the time of writing into a file of floats.
    for index in range(6):
        put(tmp_path / "sounds", f"{index}.wav", grain(index, 1.0))
    return tmp_path / "sounds"


def kill_in_preparation(processes, sounds, numbers):
    """Kill while a corpus is prepared, 0: do not; yield the hash of what is there."""
    for number in numbers:
        folder = sounds.parent / f"prepare{number}"
        shutil.copytree(sounds, folder / "sounds")
        said = drive(processes, "prepare", number, folder)
        if number:  # once more, to its end
            said = drive(processes, "prepare", 0, folder)
        yield said.split()[0]


def test_killed_while_the_corpus_is_prepared(sounds, processes):
    assert len(set(kill_in_preparation(processes, sounds, [0, 9]))) == 1


@pytest.mark.slow
def test_killed_at_every_operation_of_the_preparation(sounds, processes):
    folder = sounds.parent / "count"
    shutil.copytree(sounds, folder / "sounds")
    count = count_operations(processes, "prepare", folder)
    numbers = range(0, count + 1, STRIDE)
    assert len(set(kill_in_preparation(processes, sounds, numbers))) == 1
    print(f"killed at {len(numbers) - 1} of {count} operations: the same corpus")
