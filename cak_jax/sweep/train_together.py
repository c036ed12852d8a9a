"""A wave: runs that are trained together, their plans, their metrics, who diverged."""

import dataclasses
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np

from cak_jax.model.train_state import TrainState
from cak_jax.sweep.run_axis import Program, Runs, fetch, stack
from cak_jax.training import batch_plan
from cak_jax.training.metrics_log import epoch_means, not_finite, record_head
from cak_jax.training.steps import read_behind
from cak_jax.training.trainer import Trainer

Dispatch = tuple[batch_plan.Plan, np.ndarray]


def total_steps(trainer: Trainer) -> int:
    """Return the iterations of a whole run."""
    return trainer.settings.train.epochs * trainer.steps_per_epoch


def dispatches(trainer: Trainer, size: int) -> Iterator[Dispatch]:
    """Yield a run's plans over all of its epochs, `size` steps at a time, endlessly.

    Yields:
      The plan and `[step]` bool, which of its steps are active; after the run's last
      step none are.
    """
    left = None
    for epoch in range(trainer.settings.train.epochs):
        plan = trainer.plan(epoch)
        left = plan if left is None else _join(left, plan)
        while len(left) >= size:
            yield trainer.fill(left.take(slice(size))), np.ones(size, bool)
            left = left.take(slice(size, None))
    rest = 0 if left is None else len(left)
    # Padded with steps of the run itself, so that every index lies in the corpus.
    padded = _repeat(left if left is not None and rest else trainer.plan(0), size)
    yield trainer.fill(padded), np.arange(size) < rest
    yield from idle(trainer, size)


def idle(trainer: Trainer, size: int) -> Iterator[Dispatch]:
    """Yield plans without active steps, for the places that a wave leaves empty."""
    padded = trainer.fill(_repeat(trainer.plan(0), size))
    while True:
        yield padded, np.zeros(size, bool)


def _join(first: batch_plan.Plan, second: batch_plan.Plan) -> batch_plan.Plan:
    return jax.tree.map(lambda a, b: np.concatenate([a, b]), first, second)


def _repeat(plan: batch_plan.Plan, size: int) -> batch_plan.Plan:
    return plan.take(np.arange(size) % len(plan))


def gather(trainers: list[Trainer], states: list[TrainState]) -> Runs:
    """Stack the states and constants that the runs of a wave begin with.

    Args:
      trainers: the runs.
      states: of each, packed.
    """
    return Runs(
        stack(states),
        stack([trainer.hparams for trainer in trainers]),
        stack([trainer.constants for trainer in trainers]),
    )


@dataclasses.dataclass
class Outcome:
    """The end of a run's training.

    Attributes:
      state: packed, on the host; not usable if there is a fault.
      history: every metric `[step]`, up to the fault.
      fault: the first value that was not finite, with its step; "" for none.
    """

    state: TrainState
    history: dict[str, np.ndarray]
    fault: str = ""

    @property
    def steps(self) -> int:
        """Iterations made, up to the fault."""
        return len(next(iter(self.history.values()), ()))


def train_wave(
    program: Program,
    audio: jax.Array | None,
    runs: Runs,
    plans: list[Iterator[Dispatch]],
    count: int,
    on_steps: Callable[[int], object],
) -> tuple[list[Outcome], float]:
    """Train this process's share of a wave to the end of its longest run.

    A run with a value that is not finite stops one dispatch later, when its metrics
    have been read. The other runs are not affected.

    Args:
      program: compiled for this number of runs.
      audio: the corpus on every device; None where the plans carry samples.
      runs: their first states.
      plans: of each run.
      count: number of dispatches, the same in all processes.
      on_steps: called with the number of active iterations in each dispatch read.

    Returns:
      An outcome for each run, and the seconds it took.
    """
    began = time.perf_counter()
    log = Log(len(plans))
    state, hparams, constants = map(
        program.place, (runs.state, runs.hparams, runs.constants)
    )

    def dispatch() -> Iterator[tuple[dict[str, jax.Array], np.ndarray]]:
        nonlocal state
        for _ in range(count):
            parts, planned = zip(*map(next, plans), strict=True)
            active = np.stack(planned) & log.alive[:, None]
            placed = program.place((stack(list(parts)), active))
            state, metrics = program(state, *placed, audio, hparams, constants)
            yield metrics, active

    for metrics, active in read_behind(dispatch()):
        on_steps(log.read(metrics, active))
    states = fetch(state)
    seconds = time.perf_counter() - began
    outcomes = [
        Outcome(
            jax.tree.map(lambda leaf: leaf[run], states),  # noqa: B023
            log.history(run),
            log.faults[run],
        )
        for run in range(len(plans))
    ]
    return outcomes, seconds


class Log:
    """The metrics of runs side by side.

    Args:
      count: number of runs.
    """

    def __init__(self, count: int):
        self.alive = np.ones(count, bool)
        self.faults = [""] * count
        self._parts: list[list[dict[str, np.ndarray]]] = [[] for _ in range(count)]

    def read(self, metrics: dict[str, jax.Array], active: np.ndarray) -> int:
        """Take in a dispatch's metrics `[R, step]`; return its active iterations."""
        columns = fetch(metrics)
        for run in np.flatnonzero(self.alive).tolist():
            part = {name: rows[run][active[run]] for name, rows in columns.items()}
            done = sum(len(earlier["scale"]) for earlier in self._parts[run])
            self._parts[run].append(self._check(run, part, done))
        return int(active.sum())

    def _check(
        self, run: int, part: dict[str, np.ndarray], done: int
    ) -> dict[str, np.ndarray]:
        """Return a part up to its first value that is not finite, and note that."""
        bad = ~np.isfinite(np.stack(list(part.values()))).all(axis=0)
        if not bad.any():
            return part
        step = int(np.argmax(bad))
        value = not_finite({name: values[step] for name, values in part.items()})
        self.alive[run] = False
        self.faults[run] = f"step {done + step}: {value}"
        return {name: values[:step] for name, values in part.items()}

    def history(self, run: int) -> dict[str, np.ndarray]:
        """Return every metric of a run, `[step]`."""
        parts = self._parts[run]
        names = parts[0] if parts else {}
        return {name: np.concatenate([p[name] for p in parts]) for name in names}


def epoch_records(history: dict[str, np.ndarray], size: int) -> list[dict]:
    """Return a record of each whole epoch, as a single run's `metrics.jsonl` has it.

    Args:
      history: every metric `[step]`.
      size: iterations of an epoch.
    """
    steps = len(next(iter(history.values()), ()))
    records = []
    for last in range(size, steps + 1, size):
        columns = {name: column[last - size : last] for name, column in history.items()}
        head = record_head("train", last // size, size)
        records.append(head | epoch_means(columns))
    return records
