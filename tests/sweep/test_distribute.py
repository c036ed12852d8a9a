"""Which worker makes which runs: with workers that a test moves by hand."""

import types

import numpy as np
import pytest

from cak_jax.runtime.errors import FailedError
from cak_jax.sweep import distribute, worker
from cak_jax.sweep.cluster import ClusterError, Event
from cak_jax.sweep.crew import BESIDE
from cak_jax.sweep.distribute import GIVEN_UP_AFTER, MOST_FAILURES, Driver
from cak_jax.sweep.grid import PlannedRun

SETTINGS = types.SimpleNamespace(runs_at_once=0)


class Corpus:
    """What the driver looks at in a corpus."""

    def __init__(self, seed):
        self.audio = np.full((2, 10), seed, np.float32)


class Workers:
    """Workers that answer at once; how they make runs is up to the test.

    Attributes:
      there: addresses; `info`: what each says of itself beside the default.
      make: called with address and task; yields names of runs, or a dictionary that
        the task ends with, or raises, or "gone": the worker goes.
      made: every run that was made, with its address; `sent`: samples by address.
    """

    def __init__(self, *addresses, make=None):
        self.there, self.info, self.turn = set(addresses), {}, 0
        self.make = make or (lambda address, task: [run.name for run in task.runs])
        self.made, self.tasks, self.sent, self.queue = [], [], [], []
        self.holds, self.late = {}, {}

    def workers(self):
        self.turn += 1
        assert self.turn < 200, "the driver makes no headway"
        self.there |= self.late.pop(self.turn, set())
        return set(self.there)

    def send(self, sha256, audio):
        return audio

    def call(self, address, function, *arguments):
        number = len(self.tasks) + len(self.queue) + 1000 * self.turn + id(arguments)
        try:
            self.answer(address, number, function.__name__, arguments)
        except Exception as error:
            self.queue.append(Event("failed", number, error))
        return number

    def answer(self, address, number, name, arguments):
        done = {"describe": self.described(address), "keep_samples": True}
        done |= {"keep_group": True, "has_samples": False}
        result = done.get(name)
        if name == "keep_samples":
            self.sent.append((address, arguments[0].sha256))
        if name == "make_runs":
            task, result = arguments[0], {"fault": "", "known": {"width": {}}}
            self.tasks.append((address, [run.name for run in task.runs], task.size))
            for step in self.make(address, task):
                if step == "gone":
                    self.there.discard(address)
                    return
                if isinstance(step, dict):
                    result = step
                    break
                self.made.append((address, step))
                self.queue.append(Event("told", number, {"steps": 5}))
                self.queue.append(Event("told", number, {"run": step, "files": {}}))
        self.queue.append(Event("done", number, result))

    def described(self, address):
        info = {"token": address, "version": worker.program_version(), "host": "h"}
        info |= {"process": 1, "backend": "cpu", "devices": 1, "kind": "cpu"}
        return info | {"free": 10**10} | self.info.get(address, {})

    def drop(self, call):
        pass

    def events(self, seconds):
        events, self.queue = self.queue, []
        return events


class Group:
    """Runs with a corpus; every run has five iterations."""

    def __init__(self, names, seed=0):
        self.runs = [PlannedRun(n, {}, {}, None, n) for n in names]
        self.corpora = {("labels", ""): Corpus(seed)}

    def steps(self, run):
        return 5


@pytest.fixture
def drive(monkeypatch):
    monkeypatch.setattr(distribute, "POLL_SECONDS", -1.0)
    monkeypatch.setattr(distribute, "DRAIN_SECONDS", -1.0)
    monkeypatch.setattr(distribute, "without_samples", lambda corpus: corpus)

    def drive(workers, *groups, **options):
        written, known = [], {}

        def write(run, files):
            assert run.name not in written, "written twice"
            written.append(run.name)
            return f"run {run.name}"

        driver = Driver(workers, list(groups), SETTINGS, known, write, **options)
        driver.run()
        assert known == ({"width": {}} if written else {})
        return written, driver

    return drive


NAMES = [f"r{number:02d}" for number in range(16)]


def test_all_workers_work_and_get_the_corpus_once(drive):
    workers = Workers("a", "b")
    written, _ = drive(workers, Group(NAMES))
    assert sorted(written) == NAMES
    # A quarter of a worker's share at a time, so that a late one finds work.
    assert {size for _, _, size in workers.tasks} == {2}
    assert {address for address, _ in workers.made} == {"a", "b"}
    assert sorted(address for address, _ in workers.sent) == ["a", "b"]


def test_two_groups_of_one_corpus_send_it_once(drive):
    workers = Workers("a")
    drive(workers, Group(NAMES[:4]), Group(NAMES[4:8]))
    assert len(workers.sent) == 1
    workers = Workers("a")
    drive(workers, Group(NAMES[:4]), Group(NAMES[4:8], seed=1))
    assert len(workers.sent) == 2


def test_an_accelerator_gets_as_many_as_it_holds(drive):
    workers = Workers("a")
    workers.info = {"a": {"backend": "gpu", "devices": 8, "kind": "H"}}
    drive(workers, Group([f"r{n}" for n in range(100)]))
    assert workers.tasks[0][2] == 104 and len(workers.tasks) == 1


def test_a_worker_that_goes_costs_only_what_it_had_not_sent(drive, capsys):
    def make(address, task):
        yield task.runs[0].name
        if address == "a":
            yield "gone"
        yield from [run.name for run in task.runs[1:]]

    workers = Workers("a", "b", make=make)
    written, _ = drive(workers, Group(NAMES))
    assert sorted(written) == NAMES and len(workers.made) == len(NAMES)
    assert "worker a: has gone; 1 runs go to others" in capsys.readouterr().out


def test_who_joins_late_works(drive):
    workers = Workers("a")
    workers.late = {4: {"late"}}
    written, _ = drive(workers, Group(NAMES))
    assert sorted(written) == NAMES
    assert "late" in {address for address, _ in workers.made}


def test_a_run_that_ends_workers_is_given_up(drive, capsys):
    """And costs no other run: from the third time on it is made alone."""

    def make(address, task):
        for run in task.runs:
            if run.name == "r00":
                workers.late = {workers.turn + 2: {address}}  # it is started again
                yield "gone"
            yield run.name

    workers = Workers("a", "b", make=make)
    written, driver = drive(workers, Group(NAMES))
    assert sorted(written) == NAMES[1:] and list(driver.given_up) == ["r00"]
    with_it = [names for _, names, _ in workers.tasks if "r00" in names]
    assert len(with_it) == GIVEN_UP_AFTER and with_it[2:] == [["r00"]] * 3
    assert "run r00: given up; worker" in capsys.readouterr().err
    with pytest.raises(ClusterError, match=r"r00: not made \(worker \w went away\)"):
        distribute.refuse_given_up(driver.given_up)


def test_short_of_memory_it_gets_fewer(drive, capsys):
    def make(address, task):
        if len(task.runs) > 2:
            yield {"fault": "memory", "reason": "RESOURCE_EXHAUSTED: 8 GB"}
        yield from [run.name for run in task.runs]

    workers = Workers("a", make=make)
    workers.info = {"a": {"backend": "gpu", "kind": "H"}}
    written, _ = drive(workers, Group(NAMES))
    assert sorted(written) == NAMES and not set(written) - set(NAMES)
    assert [size for _, _, size in workers.tasks[:4]] == [16, 8, 4, 2]
    assert "short of memory for 4 runs, gets 2" in capsys.readouterr().out


def test_one_that_holds_no_run_is_left_out(drive, capsys):
    def make(address, task):
        if address == "small":
            yield {"fault": "memory", "reason": "no room"}
        yield from [run.name for run in task.runs]

    written, _ = drive(Workers("small", "a", make=make), Group(NAMES))
    assert sorted(written) == NAMES
    said = capsys.readouterr().err
    assert said.count("worker small: has no memory for a run (no room)") == 1


@pytest.mark.parametrize(
    ("info", "options", "said"),
    [
        ({"version": "cak_jax 0"}, {}, "has cak_jax 0, here is cak_jax"),
        ({}, {"device": "gpu"}, "has no gpu (cpu only)"),
        ({"free": BESIDE}, {}, "has 400 MB free, the corpus and the program need"),
    ],
)
def test_who_cannot_serve_is_left_out_in_one_line(drive, capsys, info, options, said):
    workers = Workers("bad", "good")
    workers.info = {"bad": info, "good": {"backend": options.get("device", "cpu")}}
    written, _ = drive(workers, Group(NAMES), **options)
    assert sorted(written) == NAMES
    assert {address for address, _ in workers.made} == {"good"}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"worker bad: {said}")
    workers = Workers("bad")
    workers.info = {"bad": info}
    with pytest.raises(ClusterError, match="none of the workers can serve"):
        drive(workers, Group(NAMES), fixed=True, **options)


def test_a_worker_that_fails_and_fails_is_left_out(drive, capsys):
    def make(address, task):
        if address == "bad":
            raise KeyError("no such thing")
        return [run.name for run in task.runs]

    written, driver = drive(Workers("bad", "good", make=make), Group(NAMES))
    assert sorted(written) == NAMES and not driver.given_up
    said = f"worker bad: failed {MOST_FAILURES} times (KeyError: 'no such thing')"
    assert capsys.readouterr().err.count(said) <= 1


def test_a_mistake_of_the_user_ends_the_sweep(drive):
    def make(address, task):
        raise FailedError("step 3: no effect any more")

    with pytest.raises(FailedError, match="step 3"):
        drive(Workers("a", make=make), Group(NAMES))


def test_one_that_was_started_anew_is_greeted_again(drive):
    def make(address, task):
        if len(workers.tasks) == 1:
            yield {"fault": "stranger"}
        yield from [run.name for run in task.runs]

    workers = Workers("a", make=make)
    written, _ = drive(workers, Group(NAMES))
    assert sorted(written) == NAMES
    assert len(workers.sent) == 2  # it has lost its corpus


def test_a_result_that_was_lost_is_made_again(drive):
    def make(address, task):
        names = [run.name for run in task.runs]
        return names[1:] if len(workers.tasks) == 1 else names

    workers = Workers("a", make=make)
    written, _ = drive(workers, Group(NAMES))
    assert sorted(written) == NAMES
