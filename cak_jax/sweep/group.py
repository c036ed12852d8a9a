"""A group: runs of equal shapes, their corpora, and the one program that trains them.

A group is trained in waves of as many runs as the devices of this process take. The
same code serves a sweep of one process and a worker of a cluster.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from cak_jax.data import pairs
from cak_jax.data.corpus import Corpus, draw_clips
from cak_jax.sweep import run_axis, train_together
from cak_jax.sweep.grid import PlannedRun, SweepSettings
from cak_jax.sweep.run_axis import Runs, Width
from cak_jax.sweep.train_together import Trained
from cak_jax.training import batch_plan, devices, machine, run_corpus
from cak_jax.training.config import ConfigError
from cak_jax.training.run_folder import RunError
from cak_jax.training.trainer import Trainer

# Runs of a device in one wave by default. Few on CPU, because a kill costs a wave; more
# on an accelerator, because it trains them at once.
CPU_RUNS, ACCELERATOR_RUNS = 8, 64

Labels = tuple[str, str]


def labels_of(run: PlannedRun) -> Labels:
    """Return the source of a run's labels: a name or table, and its column."""
    return run.settings.corpus.labels, run.settings.corpus.label_column


@dataclasses.dataclass
class Group:
    """Unfinished runs that share a program; longest first after `load`.

    Attributes:
      corpora: whole corpora by the source of the labels; they share their samples.
      drawn: training corpora by labels, number of clips and seed of the draw.
    """

    runs: list[PlannedRun]
    corpora: dict[Labels, Corpus] = dataclasses.field(default_factory=dict)
    drawn: dict[tuple[Any, ...], Corpus] = dataclasses.field(default_factory=dict)

    def load(self) -> None:
        """Prepare the corpora and refuse runs that cannot be trained on them.

        Raises:
          ConfigError, CorpusError, LabelError: naming the run.
        """
        for run in self.runs:
            labels = labels_of(run)
            if labels not in self.corpora:
                whole = run_corpus.load_whole(run.settings)
                if self.corpora:
                    shared = next(iter(self.corpora.values())).audio
                    whole = dataclasses.replace(whole, audio=shared)
                self.corpora[labels] = whole
            try:
                self.steps(run)
            except ValueError as error:
                raise ConfigError(f"sweep: {run.name}: {error}") from None
        self.runs = sorted(self.runs, key=self.steps, reverse=True)

    def whole(self, run: PlannedRun) -> Corpus:
        """Return the whole corpus of a run."""
        return self.corpora[labels_of(run)]

    def steps(self, run: PlannedRun) -> int:
        """Return the iterations of a run."""
        train = run.settings.train
        clips = draw_clips(self.whole(run).training, train.clips, train.seed)
        if len(clips) < 2:
            raise ValueError(f"{len(clips)} training clip; at least 2 are needed")
        sizes = len(clips), train.batch_size, train.least_steps
        return train.epochs * pairs.steps_per_epoch(*sizes)

    def trainer(self, run: PlannedRun, placement: batch_plan.Placement) -> Trainer:
        """Return the trainer of a run, on the samples that all runs share."""
        train = run.settings.train
        key = labels_of(run), train.clips, train.seed if train.clips else 0
        if key not in self.drawn:
            self.drawn[key] = run_corpus.draw(self.whole(run), run.settings)
        return Trainer(run.settings, self.drawn[key], placement=placement)

    def check(self, runs: list[PlannedRun], rows: dict[str, dict[str, Any]]) -> None:
        """Refuse to continue on other sounds than finished runs were trained on.

        Raises:
          RunError: naming the run.
        """
        for run in runs:
            row, whole = rows.get(run.key), self.corpora.get(labels_of(run))
            if row and whole and row["whole_corpus_sha256"] != whole.sha256:
                raise RunError(
                    f"--workdir: run {row['run']} was trained on another corpus "
                    f"(sha256 {row['whole_corpus_sha256'][:12]}, now "
                    f"{whole.sha256[:12]}); name another --workdir to start anew"
                )


def wave_size(most: int, count: int) -> int:
    """Return the size of a wave of `count` runs or fewer: the same on each device.

    `most` is the limit of runs a device; 0 stands for the default of its kind.
    """
    accelerator = jax.default_backend() != "cpu"
    most = most or (ACCELERATOR_RUNS if accelerator else CPU_RUNS)
    return min(most, -(-count // jax.device_count())) * jax.device_count()


class GroupProgram:
    """The program of a loaded group on the devices of this process, and its corpus.

    Attributes:
      size: runs of a wave.
      group: what it trains runs of.

    Args:
      group: with its corpora.
      settings: of the sweep.
      size: of `wave_size`.
      known: widths that were decided before; a new one is added, by device, runs and
        program.
      tell: called with one phrase when the program is compiled: its memory, and how
        many runs it makes at once.
    """

    def __init__(
        self,
        group: Group,
        settings: SweepSettings,
        size: int,
        known: dict[str, dict[str, Any]],
        tell: Callable[[str], object],
    ):
        self.size, self.group, self._tell = size, group, tell
        self._settings, self._known = settings, known
        self._mesh = devices.make_mesh(devices.RUN, jax.devices())
        first = group.runs[0]
        storage = first.settings.train.storage
        self._placement = batch_plan.place(group.whole(first).audio, storage)
        self._audio = run_axis.replicate(self._placement.audio, self._mesh)
        self._steps = first.settings.train.steps_per_dispatch
        self._compiled: tuple[Any, Width] | None = None

    def train(
        self, members: list[PlannedRun], on_steps: Callable[[int], object]
    ) -> list[Trained]:
        """Train a wave of `size` runs or fewer; `on_steps` as in `train_wave`."""
        padded = [*members, *[None] * (self.size - len(members))]
        group, steps = self.group, self._steps
        trainers = [group.trainer(run or members[0], self._placement) for run in padded]
        runs = train_together.gather(trainers)
        if self._compiled is None:
            self._compiled = self._compile(trainers, runs)
        program, width = self._compiled
        plans = [
            (train_together.dispatches if run else train_together.idle)(trainer, steps)
            for run, trainer in zip(padded, trainers, strict=True)
        ]
        count = -(-max(map(group.steps, members)) // steps)
        outcomes, seconds = train_together.train_wave(
            program, self._mesh, self._audio, runs, plans, count, on_steps
        )
        # A wave's seconds are split by the iterations that each run made.
        each = seconds / max(1, sum(outcome.steps for outcome in outcomes))
        return [
            Trained(run, trainer, outcome, each * outcome.steps, width.runs)
            for run, trainer, outcome in zip(padded, trainers, outcomes, strict=True)
            if run is not None
        ]

    def _compile(self, trainers: list[Trainer], runs: Runs) -> tuple[Any, Width]:
        program, width = compile_wave(
            self._mesh, trainers, runs, self._audio, self._steps,
            self._settings.vectorise, self._known,
        )  # fmt: skip
        megabytes = program.memory_analysis().argument_size_in_bytes / 1e6
        self._tell(
            f"memory: corpus {self._placement.description}; {megabytes:.0f} MB a "
            f"device for it, the runs and their batches; {width.said}"
        )
        return program, width


def compile_wave(
    mesh: Mesh,
    trainers: list[Trainer],
    runs: Runs,
    audio: jax.Array | None,
    steps: int,
    vectorise: str,
    known: dict[str, dict[str, Any]],
) -> tuple[Any, Width]:
    """Decide how many runs a device takes at once and compile for it."""
    static, count = trainers[0].static, len(trainers)
    per_device = count // mesh.size
    plan, _ = next(train_together.idle(trainers[0], steps))

    def build(width: int, length: int) -> tuple[Any, Callable[[], tuple[Any, ...]]]:
        """Compile for dispatches of some length; also return arguments for a trial."""
        part = run_axis.stack([plan.take(slice(length))] * count)
        active = np.ones((count, length), bool)

        def arguments() -> tuple[Any, ...]:
            state, hparams, constants = run_axis.place(runs, mesh)
            placed = run_axis.place((part, active), mesh)
            return state, *placed, audio, hparams, constants

        return run_axis.compile_runs(mesh, static, width, arguments()), arguments

    def measure(width: int) -> float:
        program, arguments = build(width, 1)
        # A call uses its state up, so each gets arguments of its own.
        prepared = [arguments() for _ in range(run_axis.REPEATS + 1)]
        seconds = []
        while prepared:
            began = time.perf_counter()
            jax.block_until_ready(program(*prepared.pop()))
            seconds.append(time.perf_counter() - began)
        return min(seconds[1:]) / per_device  # the first call warms up

    serial, _ = build(1, steps)
    kind = mesh.devices.flat[0].device_kind
    key = f"{kind}, {mesh.size} devices, {per_device} runs each, {static}"
    if vectorise == "auto" and key in known:
        width = Width(**known[key])
    else:
        each = serial.memory_analysis().temp_size_in_bytes
        width = run_axis.choose_width(
            vectorise, per_device, each, machine.free_memory(), measure
        )
    if vectorise == "auto":
        known[key] = width._asdict()
    return (serial if width.runs == 1 else build(width.runs, steps)[0]), width
