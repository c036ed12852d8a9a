"""Runs that share a program: their corpus, their waves, and how many at once."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np
import tqdm

from cak_jax.data import pairs
from cak_jax.data.corpus import Corpus, draw_clips
from cak_jax.model.networks import PUBLISHED_GAIN
from cak_jax.runtime.console import say
from cak_jax.sweep import hosts, run_axis, runs_at_once as run_width, train_together
from cak_jax.sweep.planned_runs import PlannedRun, SweepSettings
from cak_jax.sweep.run_axis import Program, Static
from cak_jax.sweep.runs_at_once import Width
from cak_jax.training import batch_plan, compilation, mesh as mesh_lib, run_corpus
from cak_jax.training.config import ConfigError
from cak_jax.training.trainer import Trainer

CPU_RUNS, ACCELERATOR_RUNS = 8, 64
# Called with a run, its trainer, its outcome and its share of the seconds.
Finish = Callable[[PlannedRun, Trainer, train_together.Outcome, float], None]


@dataclasses.dataclass
class Group:
    """Runs that are yet to be made and share a program.

    Attributes:
      runs: longest first once they are planned.
      corpora: whole, by the source of the labels; they share their samples.
      drawn: what runs train on, by the same and by the draw; many share one.
    """

    runs: list[PlannedRun]
    corpora: dict[tuple, Corpus] = dataclasses.field(default_factory=dict)
    drawn: dict[tuple, Corpus] = dataclasses.field(default_factory=dict)

    def load(self) -> None:
        """Prepare the corpora and refuse what no run can be trained on.

        Raises:
          ConfigError, CorpusError, LabelError: naming the run.
        """
        for run in self.runs:
            own = labels_of(run)
            if own not in self.corpora:
                whole = run_corpus.load_whole(run.settings)
                hosts.check_same(whole.sha256, "corpus.path")
                if self.corpora:
                    shared = next(iter(self.corpora.values())).audio
                    whole = dataclasses.replace(whole, audio=shared)
                self.corpora[own] = whole
            try:
                self.steps(run)
            except ValueError as error:
                raise ConfigError(f"sweep: {run.point.name}: {error}") from None
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
        return train.epochs * pairs.steps_per_epoch(len(clips), train.batch_size)

    def trainer(self, run: PlannedRun, placement: batch_plan.Placement) -> Trainer:
        """Return a run as a single one, on the samples that all share."""
        train = run.settings.train
        key = labels_of(run), train.clips, train.seed if train.clips else 0
        if key not in self.drawn:
            self.drawn[key] = run_corpus.draw(self.whole(run), run.settings)
        return Trainer(run.settings, self.drawn[key], placement=placement)


def labels_of(run: PlannedRun) -> tuple[str, str]:
    """Return where a run's labels come from."""
    return run.settings.corpus.labels, run.settings.corpus.label_column


def runs_at_once(settings: SweepSettings, count: int, devices: int) -> int:
    """Return the runs of a wave: as many for each device, no more than there are."""
    accelerator = jax.default_backend() != "cpu"
    most = settings.runs_at_once or (ACCELERATOR_RUNS if accelerator else CPU_RUNS)
    return min(most, -(-count // devices)) * devices


def train_group(
    group: Group, settings: SweepSettings, known: dict[str, dict], finish: Finish
) -> Width:
    """Train all runs of a group, wave after wave.

    Args:
      group: loaded.
      settings: of the sweep.
      known: widths that were decided before, by `width_key`; a new one is added.
      finish: called for each run of this process when its wave is through.

    Returns:
      How many runs a device took at once.
    """
    mesh = mesh_lib.make_mesh(mesh_lib.RUN, jax.devices())
    size = runs_at_once(settings, len(group.runs), mesh.size)
    first = group.runs[0]
    placement = batch_plan.place(group.whole(first).audio, first.settings.train.storage)
    audio = run_axis.replicate(placement.audio, mesh)
    steps = first.settings.train.steps_per_dispatch
    program, width = None, None
    for start in range(0, len(group.runs), size):
        members = group.runs[start : start + size]
        own = _share(members, size)
        trainers = [group.trainer(run or members[0], placement) for run in own]
        runs = train_together.gather(
            trainers, [run_axis.pack(t.state) for t in trainers]
        )
        if program is None:
            program, width = _compile(
                mesh, trainers, runs, audio, steps, settings, known
            )
            say(
                f"memory: corpus {placement.description}; "
                f"{program.argument_bytes / 1e6:.0f} MB a device for it, the runs and "
                f"their batches; {width.said}"
            )
        plans = [
            train_together.dispatches(trainer, steps)
            if run
            else train_together.idle(trainer, steps)
            for run, trainer in zip(own, trainers, strict=True)
        ]
        count = -(-group.steps(members[0]) // steps)
        total = sum(group.steps(run) for run in own if run)
        with tqdm.tqdm(total=total, desc="training", unit="step", disable=None) as bar:
            outcomes, seconds = train_together.train_wave(
                program, audio, runs, plans, count, bar.update
            )
        shares = _shares(seconds, outcomes)
        for run, *what in zip(own, trainers, outcomes, shares, strict=True):
            if run is not None:
                finish(run, *what)
    return width


def _share(members: list, size: int) -> list:
    """Return this process's runs of a wave; None where there is no run left."""
    padded = members + [None] * (size - len(members))
    own = size // jax.process_count()
    return padded[own * jax.process_index() :][:own]


def _shares(seconds: float, outcomes: list[train_together.Outcome]) -> list[float]:
    """Split a wave's seconds over its runs by the iterations that each made."""
    steps = [len(next(iter(o.history.values()), ())) for o in outcomes]
    return [seconds * own / max(1, sum(steps)) for own in steps]


def static_of(trainer: Trainer) -> Static:
    """Return what fixes a run's program."""
    # The gain shapes the first draw, no iteration.
    spec = dataclasses.replace(trainer.spec, kernel_gain=PUBLISHED_GAIN)
    return Static(spec, trainer.crop, trainer.settings.spectrogram)


def width_key(static: Static, count: int, mesh) -> str:
    """Return what a decision about the width holds for."""
    kind = mesh.devices.flat[0].device_kind
    return f"{kind}, {mesh.size} devices, {count} runs each, {static}"


def _compile(
    mesh, trainers, runs, audio, steps, settings, known
) -> tuple[Program, Width]:
    """Decide how many runs a device takes at once and compile for it."""
    static, count = static_of(trainers[0]), len(trainers)
    per_device = count * jax.process_count() // mesh.size
    plan, _ = next(train_together.idle(trainers[0], steps))
    options = compilation.options(jax.default_backend())

    def build(width, length):
        """Compile for dispatches of some length; also return arguments for a trial."""
        program = Program(mesh, static, width, options)
        part = run_axis.stack([plan.take(slice(length))] * count)
        wanted = np.ones((count, length), bool)

        def arguments():
            return (
                program.place(runs.state),
                *program.place((part, wanted)),
                audio,
                *program.place((runs.hparams, runs.constants)),
            )

        program.compile(*arguments())
        return program, arguments

    def measure(width):
        program, arguments = build(width, 1)
        # A call uses its state up.
        given = [arguments() for _ in range(run_width.REPEATS + 1)]
        seconds = run_width.clock(lambda: jax.block_until_ready(program(*given.pop())))
        return seconds / per_device

    serial, _ = build(1, steps)
    key = width_key(static, per_device, mesh)
    if settings.vectorise == "auto" and key in known:
        width = Width(**known[key])
    else:
        each, free = serial.temporary_bytes, run_width.free_memory()
        width = run_width.choose(settings.vectorise, per_device, each, free, measure)
    # Processes may find otherwise; they have to make the same program.
    width = dataclasses.replace(width, runs=hosts.agree(width.runs))
    if settings.vectorise == "auto":
        known[key] = dataclasses.asdict(width)
    return (serial if width.runs == 1 else build(width.runs, steps)[0]), width
