"""A wave: runs that are trained together, their plans, their metrics, who diverged."""

import dataclasses
import operator
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from cak_jax.sweep.grid import PlannedRun
from cak_jax.sweep.run_axis import Runs, pack, place, stack
from cak_jax.training import batch_plan
from cak_jax.training.metrics_log import epoch_means, not_finite, record_head
from cak_jax.training.steps import read_behind
from cak_jax.training.trainer import Trainer

Dispatch = tuple[batch_plan.Plan, np.ndarray]


def dispatches(trainer: Trainer, size: int) -> Iterator[Dispatch]:
    """Yield a run's plans over all of its epochs, `size` steps at a time, endlessly.

    With each comes `[step]` bool, which steps are active; after the last, none are.
    """
    first = trainer.plan(0)
    left = first.take(slice(0))
    for epoch in range(trainer.settings.train.epochs):
        left = _join(left, trainer.plan(epoch))
        while len(left) >= size:
            yield trainer.fill(left.take(slice(size))), np.ones(size, bool)
            left = left.take(slice(size, None))
    # Padded with steps of the run itself, so that every index lies in the corpus.
    padded = _repeat(left if len(left) else first, size)
    yield trainer.fill(padded), np.arange(size) < len(left)
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


def gather(trainers: list[Trainer]) -> Runs:
    """Stack the states and constants that the runs of a wave begin with."""
    return Runs(
        stack([pack(trainer.state) for trainer in trainers]),
        stack([trainer.hparams for trainer in trainers]),
        stack([trainer.constants for trainer in trainers]),
    )


@dataclasses.dataclass
class Outcome:
    """What a run's training has come to.

    Attributes:
      state: packed, on the host; set at the end, not usable if there is a fault.
      history: every metric of each step, up to the fault.
      fault: the first value that was not finite, with its step; "" for none.
    """

    state: Any = None
    history: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    fault: str = ""

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """Append steps, every metric `[step]`, up to a value that is not finite."""
        bad = ~np.isfinite(np.stack(list(columns.values()))).all(axis=0)
        good = int(np.argmax(bad)) if bad.any() else bad.size
        if bad.any():
            value = not_finite({name: values[good] for name, values in columns.items()})
            self.fault = f"step {self.steps + good}: {value}"
        for name, values in columns.items():
            self.history.setdefault(name, []).extend(values[:good].tolist())

    @property
    def steps(self) -> int:
        """Iterations made, up to the fault."""
        return len(next(iter(self.history.values()), ()))

    def epoch_records(self, size: int) -> list[dict[str, Any]]:
        """Return a record for `metrics.jsonl` of each whole epoch of `size` steps."""
        records = []
        for last in range(size, self.steps + 1, size):
            columns = {
                name: np.array(column[last - size : last])
                for name, column in self.history.items()
            }
            head = record_head("train", last // size, size)
            records.append(head | epoch_means(columns))
        return records


class Trained(NamedTuple):
    """A run that was trained, its share of its wave's seconds, and runs at once."""

    planned: PlannedRun
    trainer: Trainer
    outcome: Outcome
    seconds: float
    width: int


def train_wave(
    program: Any,
    mesh: Mesh,
    audio: jax.Array | None,
    runs: Runs,
    plans: list[Iterator[Dispatch]],
    count: int,
    on_steps: Callable[[int], object],
) -> tuple[list[Outcome], float]:
    """Train a wave to the end of its longest run.

    A run with a value that is not finite stops one dispatch later, when its metrics
    have been read. The other runs are not affected.

    Args:
      program, mesh: of `compile_runs`, for this number of runs.
      audio: the corpus on every device; None where the plans carry samples.
      runs, plans: the first states, and the plans of each run.
      count: number of dispatches.
      on_steps: called with the number of active iterations in each dispatch read.

    Returns:
      An outcome for each run, and the seconds it took.
    """
    began = time.perf_counter()
    outcomes = [Outcome() for _ in plans]
    state, hparams, constants = place(runs, mesh)

    def dispatch() -> Iterator[tuple[dict[str, jax.Array], np.ndarray]]:
        nonlocal state
        for _ in range(count):
            parts, planned = zip(*map(next, plans), strict=True)
            alive = np.array([not outcome.fault for outcome in outcomes])
            active = np.stack(planned) & alive[:, None]
            placed = place((stack(list(parts)), active), mesh)
            state, metrics = program(state, *placed, audio, hparams, constants)
            yield metrics, active

    for metrics, active in read_behind(dispatch()):
        columns = jax.device_get(metrics)
        for run, outcome in enumerate(outcomes):
            if not outcome.fault:
                outcome.add({n: rows[run][active[run]] for n, rows in columns.items()})
        on_steps(int(active.sum()))
    states = jax.device_get(state)
    for run, outcome in enumerate(outcomes):
        outcome.state = jax.tree.map(operator.itemgetter(run), states)
    return outcomes, time.perf_counter() - began
