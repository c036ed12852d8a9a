"""Time processes in alternation, each measured by itself.

A side is a function of `render_sides.py` in a process of its own, or a whole command.
"""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


class Turns:
    """The seconds of a side's turns, and its peak memory in MB."""

    def __init__(self):
        self.seconds, self.megabytes = [], 0.0

    def add(self, seconds: float, megabytes: float) -> None:
        """Take another turn."""
        self.seconds.append(seconds)
        self.megabytes = max(self.megabytes, megabytes)

    @property
    def median(self) -> float:
        """Return the median of the seconds."""
        return statistics.median(self.seconds)

    def over(self, other: "Turns") -> float:
        """Return the median ratio to another side's turns."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return statistics.median(a / b for a, b in pairs)


class Side:
    """A process that works when it is asked to."""

    def __init__(self, side: str, **options):
        self.name = side
        script = str(HERE / "render_sides.py")
        self._process = subprocess.Popen(
            [sys.executable, script, side, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def turn(self) -> tuple[float, float]:
        """Let it work once; return seconds and peak MB."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found = self._answer()
        return found["seconds"], found["megabytes"]

    def close(self) -> None:
        """Let the process end."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"error: {self.name} stopped before it was done; see above")
        return json.loads(line)


def take_turns(sides: dict, rounds: int) -> dict[str, Turns]:
    """Time functions that return `(seconds, MB)` in alternation, after a warm-up."""
    found = {name: Turns() for name in sides}
    for number in range(rounds + 1):
        for name, turn in sides.items():
            measured = turn()
            if number:
                found[name].add(*measured)
    return found


def compare(rounds: int, **wanted) -> dict[str, Turns]:
    """Time sides given as name -> `(side, options)`."""
    with contextlib.ExitStack() as stack:
        sides = {}
        for name, (side, options) in wanted.items():
            sides[name] = Side(side, **options)
            stack.callback(sides[name].close)
        return take_turns({name: side.turn for name, side in sides.items()}, rounds)


def whole_process(command: list[str]) -> tuple[float, float]:
    """Run a command from start to end; return seconds and its own peak MB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = process.stderr.read()
    process.stderr.close()
    # Of this child alone, which `getrusage` would not tell.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = (said.strip().splitlines() or ["no word"])[-1]
        sys.exit(f"error: {' '.join(command[1:4])} ... failed: {last}")
    return seconds, usage.ru_maxrss / 1e3
