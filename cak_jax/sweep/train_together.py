"""Runs that are trained together: their plans in step, their metrics, who diverged."""

import dataclasses
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np

from cak_jax.sweep.run_axis import Program, Runs, fetch, stack
from cak_jax.training import batch_plan
from cak_jax.training.epoch_metrics import LEARNED
from cak_jax.training.trainer import Trainer

Dispatch = tuple[batch_plan.Plan, np.ndarray]


def total_steps(trainer: Trainer) -> int:
    """Return the iterations of a whole run."""
    return trainer.settings.train.epochs * trainer.steps_per_epoch


def dispatches(trainer: Trainer, size: int) -> Iterator[Dispatch]:
    """Yield a run's plans over all of its epochs, `size` steps at a time, for ever.

    Yields:
      The plan and `[step]` bool, which of its steps belong to the run: after its last
      one none do.
    """
    left = None
    for epoch in range(trainer.settings.train.epochs):
        own = trainer.plan(epoch)
        left = own if left is None else _join(left, own)
        while len(left) >= size:
            yield trainer.fill(left.take(slice(size))), np.ones(size, bool)
            left = left.take(slice(size, None))
    rest = 0 if left is None else len(left)
    # Padded with steps that have been made, so that every index is one of the corpus.
    padded = _repeat(trainer.plan(0) if not rest else left, size)
    yield trainer.fill(padded), np.arange(size) < rest
    yield from idle(trainer, size)


def idle(trainer: Trainer, size: int) -> Iterator[Dispatch]:
    """Yield plans of a run that is not to be made: one that fills a wave up."""
    padded = trainer.fill(_repeat(trainer.plan(0), size))
    while True:
        yield padded, np.zeros(size, bool)


def _join(first: batch_plan.Plan, second: batch_plan.Plan) -> batch_plan.Plan:
    return jax.tree.map(lambda a, b: np.concatenate([a, b]), first, second)


def _repeat(plan: batch_plan.Plan, size: int) -> batch_plan.Plan:
    return plan.take(np.arange(size) % len(plan))


def gather(trainers: list[Trainer], states: list) -> Runs:
    """Stack what the runs of a wave begin with.

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
    """What came of a run.

    Attributes:
      state: packed, on the host; of no use where there is a fault.
      history: every metric `[step]`, up to the fault.
      fault: what was not finite, and when; "" if all was.
    """

    state: object
    history: dict[str, np.ndarray]
    fault: str = ""


def train_wave(
    program: Program,
    audio: jax.Array | None,
    runs: Runs,
    plans: list[Iterator[Dispatch]],
    count: int,
    on_steps: Callable[[int], None],
) -> tuple[list[Outcome], float]:
    """Train this process's share of a wave to the end of its longest run.

    A run with a value that is not finite makes no more iterations once that is seen,
    one dispatch later; the others do not notice.

    Args:
      program: compiled for as many runs.
      audio: the corpus on every device; None where the plans carry samples.
      runs: their beginning.
      plans: of each.
      count: number of dispatches, the same in all processes.
      on_steps: called with the number of iterations that were read.

    Returns:
      An outcome for each run, and the seconds it took.
    """
    began = time.perf_counter()
    log = Log(len(plans))
    state, hparams, constants = map(
        program.place, (runs.state, runs.hparams, runs.constants)
    )
    pending = None
    for _ in range(count):
        plan, wanted = zip(*map(next, plans), strict=True)
        wanted = np.stack(wanted) & log.alive[:, None]
        given = program.place((stack(list(plan)), wanted))
        state, metrics = program(state, *given, audio, hparams, constants)
        # Read a dispatch late, so that the devices are busy meanwhile.
        if pending is not None:
            on_steps(log.read(*pending))
        pending = metrics, wanted
    if pending is not None:
        on_steps(log.read(*pending))
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

    def read(self, metrics: dict[str, jax.Array], wanted: np.ndarray) -> int:
        """Take in a dispatch's metrics `[R, step]`; return how many were of use."""
        columns = fetch(metrics)
        for run in np.flatnonzero(self.alive):
            own = {name: rows[run][wanted[run]] for name, rows in columns.items()}
            done = sum(len(part["scale"]) for part in self._parts[run])
            self._parts[run].append(self._check(run, own, done))
        return int(wanted.sum())

    def _check(self, run, own, done):
        bad = ~np.isfinite(np.stack(list(own.values())))
        if not bad.any():
            return own
        step = int(np.argmax(bad.any(axis=0)))
        name = list(own)[int(np.argmax(bad[:, step]))]
        self.alive[run] = False
        self.faults[run] = f"step {done + step}: {name} is {own[name][step]}"
        return {name: values[:step] for name, values in own.items()}

    def history(self, run: int) -> dict[str, np.ndarray]:
        """Return every metric of a run, `[step]`."""
        parts = self._parts[run]
        names = parts[0] if parts else {}
        return {name: np.concatenate([p[name] for p in parts]) for name in names}


def epoch_records(history: dict[str, np.ndarray], size: int) -> list[dict]:
    """Return what a single run's `metrics.jsonl` says of each whole epoch.

    Args:
      history: every metric `[step]`.
      size: iterations of an epoch.
    """
    steps = len(next(iter(history.values()), ()))
    records = []
    for epoch in range(1, steps // size + 1):
        own = {k: v[(epoch - 1) * size : epoch * size] for k, v in history.items()}
        means = {k: float(v.mean(dtype=np.float64)) for k, v in own.items()}
        last = {k: float(v[-1]) for k, v in own.items() if k in LEARNED}
        head = {"kind": "train", "epoch": epoch, "step": epoch * size}
        records.append(head | means | last)
    return records
