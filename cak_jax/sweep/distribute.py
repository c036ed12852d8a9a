"""Who of a cluster makes which runs, and what becomes of them if a worker goes.

The driver gives every worker one task at a time: as many runs of one group as its
devices hold. A worker that goes costs the runs that it had not sent yet; they are given
to others. Whoever joins late is asked what it is and gets work. A worker that cannot
serve is left out, with one line that says why.
"""

import math
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

import tqdm

from cak_jax.runtime.console import say
from cak_jax.runtime.errors import FailedError, UserError
from cak_jax.runtime.text import printable
from cak_jax.sweep import worker as worker_lib
from cak_jax.sweep.cluster import ClusterError, Event
from cak_jax.sweep.crew import Link, Member, too_small, unfit, without_samples
from cak_jax.sweep.grid import PlannedRun, SweepSettings
from cak_jax.sweep.group import Group
from cak_jax.sweep.worker import Samples, Task

# A run that was part of so many failed tasks is made alone, and then given up.
ALONE_AFTER, GIVEN_UP_AFTER = 2, 5
# A worker whose tasks fail so often one after the other gets no more.
MOST_FAILURES = 3
POLL_SECONDS, WAIT_SECONDS, DRAIN_SECONDS = 1.0, 0.5, 30.0


class Driver:
    """Give the runs of loaded groups to workers until all are written.

    Args:
      link: to the workers.
      groups: with their corpora and unfinished runs.
      settings: of the sweep.
      known: widths that were decided before; new ones are added.
      write: called with a finished run's name and files; returns a line for people.
      device: that every worker must have, "" for any.
      fixed: whether no worker can join that is not there at the start.
    """

    def __init__(
        self,
        link: Link,
        groups: list[Group],
        settings: SweepSettings,
        known: dict[str, dict[str, Any]],
        write: Callable[[PlannedRun, dict[str, bytes]], str],
        device: str = "",
        fixed: bool = False,
    ):
        self._link, self._groups, self._settings = link, groups, settings
        self._known, self._write, self._device = known, write, device
        self._fixed, self._version = fixed, worker_lib.program_version()
        self._pending = [deque(group.runs) for group in groups]
        self._group_of = {
            run.name: number
            for number, group in enumerate(groups)
            for run in group.runs
        }
        self._steps = {run.name: g.steps(run) for g in groups for run in g.runs}
        self._runs = {run.name: run for group in groups for run in group.runs}
        self._left = set(self._runs)
        self._failed: dict[str, int] = {}
        self.given_up: dict[str, str] = {}
        self._members: dict[str, Member] = {}
        self._samples: dict[int, Samples] = {}
        self._written = 0  # iterations of written runs
        self._began = 0.0  # when the first iteration was made
        self._said: set[str] = set()

    def run(self) -> None:
        """Make all runs; those that cannot be made are in `given_up`.

        Raises:
          FailedError: no worker can serve, or the scheduler has gone.
          UserError: that ends a sweep of one process, too.
        """
        total, polled = sum(self._steps.values()), -math.inf
        with tqdm.tqdm(total=total, desc="training", unit="step", disable=None) as bar:
            while self._left:
                if time.monotonic() - polled > POLL_SECONDS:
                    self._look_around()
                    polled = time.monotonic()
                for member in self._members.values():
                    if not member.doing:
                        self._employ(member)
                for event in self._link.events(WAIT_SECONDS):
                    self._take_in(event)
                bar.n = self._done()
                bar.set_postfix_str(self._crew(), refresh=False)
                bar.update(0)

    def _crew(self) -> str:
        count = sum(member.serves for member in self._members.values())
        return f"{count} worker{'s' if count != 1 else ''}"

    def _done(self) -> int:
        """Return the iterations of written runs and of those that are being made."""
        return self._written + sum(
            max(0, member.steps - member.sent) for member in self._members.values()
        )

    def left(self) -> str:
        """Return how long the rest takes all workers, in words; "" if not known."""
        done, seconds = self._done(), time.monotonic() - self._began
        if not self._began or not done or seconds < 1:
            return ""
        minutes = (sum(self._steps.values()) - done) * seconds / done / 60
        number = f"{60 * minutes:.0f} s" if minutes < 2 else f"{minutes:.0f} min"
        return f"{number} left on {self._crew()}"

    def _look_around(self) -> None:
        """Greet who has come, and take back the work of who has gone."""
        there = self._link.workers()
        if there is None:
            return
        for address in sorted(self._members.keys() - there):
            member = self._members.pop(address)
            self._link.drop(member.call)
            if member.serves:
                say(
                    f"worker {address}: has gone"
                    + (f"; {len(member.runs)} runs go to others" if member.runs else "")
                )
            self._take_back(member, f"worker {address} went away")
        for address in sorted(there - self._members.keys()):
            member = self._members[address] = Member(address)
            self._call(member, "describe", worker_lib.describe)
        for member in self._members.values():
            drained = time.monotonic() - member.ended > DRAIN_SECONDS
            if member.doing == "make_runs" and member.ended and drained:
                self._take_back(member, f"worker {member.address} sent no result")
        useful = any(m.serves for m in self._members.values())
        if self._fixed and self._members and not useful:
            raise ClusterError(
                "--cluster: none of the workers can serve, as said above; finished "
                "runs are kept"
            )
        if not self._members and "waiting" not in self._said:
            self._said.add("waiting")
            say("cluster: waiting for workers (cak_jax/sweep/MACHINES.md starts them)")

    def _call(
        self, member: Member, doing: str, function: Callable[..., Any], *given: Any
    ) -> None:
        member.doing = doing
        member.call = self._link.call(member.address, function, *given)

    def _leave_out(self, member: Member, reason: str) -> None:
        """Give a worker no more work, and say why in one line."""
        self._take_back(member, reason)
        member.doing = "left out"
        say(
            f"worker {member.address}: {printable(reason)}; it gets no work",
            sys.stderr,
        )

    def _take_back(self, member: Member, reason: str, count: bool = True) -> None:
        """Put the runs that a worker has not sent back to the others."""
        runs, member.runs = member.runs, []
        member.steps = member.sent = 0
        member.doing, member.call, member.ended = "", -1, 0.0
        for run in reversed(runs):
            self._failed[run.name] = self._failed.get(run.name, 0) + count
            if self._failed[run.name] >= GIVEN_UP_AFTER:
                self._left.discard(run.name)
                self.given_up[run.name] = reason
                say(f"run {run.name}: given up; {printable(reason)}", sys.stderr)
            elif run.name in self._left:
                self._pending[self._group_of[run.name]].appendleft(run)

    def _employ(self, member: Member) -> None:
        """Bring a worker that does nothing one step nearer to making runs."""
        number = self._choose(member)
        if number < 0:
            return
        member.target, group = number, self._groups[number]
        if member.group == number:
            runs = self._draw(member, number)
            size = member.sizes[number]
            if self._failed.get(runs[0].name, 0) >= ALONE_AFTER:
                size = member.devices
            task = Task(
                member.token, number, runs, size, self._settings, dict(self._known)
            )
            member.runs, member.steps, member.sent = list(runs), 0, 0
            self._call(member, "make_runs", worker_lib.make_runs, task)
            return
        audio = next(iter(group.corpora.values())).audio
        if number not in self._samples:
            self._samples[number] = worker_lib.samples_of(audio)
        samples = self._samples[number]
        if member.samples == samples.sha256:
            # Without samples, which the worker has.
            bare = {key: without_samples(c) for key, c in group.corpora.items()}
            self._call(
                member, "keep_group", worker_lib.keep_group, samples, number, bare
            )
        else:
            self._call(member, "has_samples", worker_lib.has_samples, samples)

    def _choose(self, member: Member) -> int:
        """Return the group to work on: the worker's own, or that with most to do."""
        if member.group >= 0 and self._pending[member.group]:
            return member.group
        busy = [m.target for m in self._members.values() if m is not member and m.doing]
        loads = {
            number: sum(self._steps[run.name] for run in runs)
            / (1 + busy.count(number))
            for number, runs in enumerate(self._pending)
            if runs
        }
        return max(loads, key=loads.__getitem__, default=-1)

    def _draw(self, member: Member, number: int) -> list[PlannedRun]:
        """Return the next runs of a group for a worker, at least one."""
        pending = self._pending[number]
        serving = sum(m.serves for m in self._members.values())
        most = member.size(number, len(self._left), serving)
        runs = [pending.popleft()]
        if self._failed.get(runs[0].name, 0) >= ALONE_AFTER:
            return runs
        while pending and len(runs) < most:
            if self._failed.get(pending[0].name, 0) >= ALONE_AFTER:
                break
            runs.append(pending.popleft())
        return runs

    def _take_in(self, event: Event) -> None:
        """Act on what a call has told, or on its end."""
        member = next((m for m in self._members.values() if m.call == event.call), None)
        if event.kind == "told":
            self._hear(member, event.value)
        elif member is not None and event.kind == "failed":
            self._fail(member, event.value)
        elif member is not None:
            handlers: dict[str, Callable[[Member, Any], None]] = {
                "describe": self._described,
                "has_samples": self._has_samples,
                "keep_samples": self._kept_samples,
                "keep_group": self._kept_group,
                "make_runs": self._made,
            }
            handlers[member.doing](member, event.value)

    def _hear(self, member: Member | None, told: dict[str, Any]) -> None:
        if "said" in told and member and told["said"] not in self._said:
            self._said.add(told["said"])
            say(f"worker {member.address}: {told['said']}")
        if "steps" in told and member:
            self._began = self._began or time.monotonic()
            member.steps += told["steps"]
        if "run" not in told:
            return
        name, steps = told["run"], self._steps[told["run"]]
        if member:
            member.sent += steps
            member.runs = [run for run in member.runs if run.name != name]
        if name in self._left:
            self._left.discard(name)
            self._written += steps
            if member is None:  # what was believed gone, and is with others, counts
                group = self._group_of[name]
                waiting = (run for run in self._pending[group] if run.name != name)
                self._pending[group] = deque(waiting)
            line, left = self._write(self._runs[name], told["files"]), self.left()
            say(f"{line}; {left}" if left and self._left else line)
        if member and member.ended and not member.runs:
            self._take_back(member, "")

    def _fail(self, member: Member, error: BaseException) -> None:
        doing, reason = member.doing, f"{type(error).__name__}: {error}".split("\n")[0]
        if doing == "make_runs" and isinstance(error, UserError):
            raise error
        if doing == "describe":
            self._leave_out(
                member,
                f"cannot say what it is ({reason[:200]}): install {self._version} "
                "there",
            )
            return
        member.failures += 1
        member.group, member.samples = -1, ""
        if member.failures >= MOST_FAILURES:
            self._leave_out(member, f"failed {MOST_FAILURES} times ({reason[:200]})")
            return
        self._take_back(member, reason[:200])

    def _described(self, member: Member, info: dict[str, Any]) -> None:
        line = member.learn(info, self._settings)
        reason = unfit(info, self._device, self._version)
        if reason:
            self._leave_out(member, reason)
            return
        say(line)
        member.doing = ""

    def _has_samples(self, member: Member, has: bool) -> None:
        samples, group = self._samples[member.target], self._groups[member.target]
        if has:
            member.samples, member.group, member.doing = samples.sha256, -1, ""
            return
        if reason := too_small(member.free, samples):
            self._leave_out(member, reason)
            return
        audio = next(iter(group.corpora.values())).audio
        blob = self._link.send(samples.sha256, audio)
        self._call(member, "keep_samples", worker_lib.keep_samples, samples, blob)

    def _kept_samples(self, member: Member, kept: bool) -> None:
        if not kept:
            self._fail(member, FailedError("the corpus changed on the way"))
            return
        member.samples = self._samples[member.target].sha256
        member.group, member.doing = -1, ""

    def _kept_group(self, member: Member, kept: bool) -> None:
        member.group, member.doing = (member.target if kept else -1), ""
        if not kept:
            member.samples = ""

    def _made(self, member: Member, result: dict[str, Any]) -> None:
        if result["fault"] == "stranger":
            self._take_back(member, f"worker {member.address} was started anew")
            del self._members[member.address]  # it is greeted again
        elif result["fault"] == "memory":
            self._lower(member, result["reason"])
        else:
            self._known.update(result["known"])
            member.failures, member.ended = 0, time.monotonic()
            if not member.runs:
                self._take_back(member, "")

    def _lower(self, member: Member, reason: str) -> None:
        """Give a worker that is short of memory half as many runs, or none."""
        size = member.sizes[member.group]
        half = member.halve()
        if not half:
            self._leave_out(member, f"has no memory for a run ({reason})")
            return
        say(
            f"worker {member.address}: short of memory for {size} runs, gets {half} "
            f"({printable(reason)})"
        )
        self._take_back(member, reason, count=False)


def refuse_given_up(given_up: dict[str, str]) -> NoReturn:
    """Raise the error of a sweep whose runs could not all be made."""
    name, reason = next(iter(given_up.items()))
    more = f" and {len(given_up) - 1} more" if len(given_up) > 1 else ""
    raise ClusterError(
        f"{name}{more}: not made ({printable(reason)}); run the same command again to "
        "try once more"
    )
