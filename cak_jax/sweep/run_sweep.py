"""A sweep from its configuration to a folder with a table of all its runs.

Runs that share a program form a group; a group is trained in waves of as many runs as
its devices take. A wave is written to disk as soon as it is trained, so a sweep that
was stopped goes on with the next wave.
"""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import tqdm
from jax.sharding import Mesh
from ml_collections import config_dict

from cak_jax import __version__
from cak_jax.data import pairs
from cak_jax.data.corpus import Corpus, draw_clips
from cak_jax.report import style
from cak_jax.runtime import json_file
from cak_jax.runtime.console import say
from cak_jax.sweep import grid, hosts, report, results, run_axis, train_together
from cak_jax.sweep.grid import PlannedRun, SweepSettings
from cak_jax.sweep.run_axis import Runs, Width
from cak_jax.sweep.train_together import Trained
from cak_jax.training import batch_plan, devices, machine, run_corpus
from cak_jax.training.config import ConfigError, digest
from cak_jax.training.config_checks import flatten
from cak_jax.training.run import versions
from cak_jax.training.run_folder import RunError, check_folder, locked
from cak_jax.training.trainer import Trainer

WIDTHS = "runs_at_once.json"
# Runs of a device in one wave by default. Few on CPU, because a kill costs a wave; more
# on an accelerator, because it trains them at once.
CPU_RUNS, ACCELERATOR_RUNS = 8, 64


def run_sweep(config: config_dict.ConfigDict, workdir: str) -> pathlib.Path:
    """Make the unfinished runs of a sweep, write table and report; return the folder.

    Args:
      config: with a `sweep`, as `configs/sweep.py` makes it.
      workdir: the sweep's folder; a sweep that it holds is continued.

    Raises:
      ConfigError, CorpusError, LabelError, RunError: before anything is trained.
      HostError: several processes that do not fit together.
    """
    settings = grid.sweep_settings(config)
    planned = grid.plan_runs(config)
    folder = pathlib.Path(workdir).expanduser()
    flat = flatten(config)
    check_folder(folder, flat)
    _greet(config, planned)
    with locked(folder) if hosts.is_first() else contextlib.nullcontext():
        rows = results.read_rows(folder)
        hosts.wait("finished runs are known")
        if hosts.is_first():
            document = {"config": flat, "config_sha256": digest(config)}
            json_file.write(folder / "config.json", document | versions())
        finished = [run for run in planned if run.key in rows]
        if finished:
            say(f"{len(finished)} of {len(planned)} runs are finished already")
        make(planned, rows, settings, folder)
        hosts.wait("all runs are written")
        if hosts.is_first():
            rows = results.read_rows(folder)
            report.write_outcome(planned, rows, settings, folder, flat)
    return folder


def _greet(config: config_dict.ConfigDict, planned: list[PlannedRun]) -> None:
    if not hosts.is_first():
        return
    count, kinds = jax.device_count(), len(grid.groups(planned))
    processes = jax.process_count()
    say(
        f"cak_jax {__version__} on {jax.default_backend()}, {count} "
        f"device{'s' if count > 1 else ''}"
        + (f" of {processes} processes" if processes > 1 else "")
    )
    say(
        f"sweep: {len(planned)} runs, {kinds} program{'s' if kinds > 1 else ''} "
        "(runs of equal shapes share one)"
    )
    if config.output.figures and not style.available():
        say('no figures: matplotlib is missing; install the extra "plot"')


def make(
    planned: list[PlannedRun],
    rows: dict[str, dict[str, Any]],
    settings: SweepSettings,
    folder: pathlib.Path,
) -> None:
    """Train, measure and write those planned runs whose key has no row yet."""
    # All corpora are loaded before the first training, so that a mistake in the last
    # group shows at once.
    unfinished = []
    for runs in grid.groups(planned):
        group = Group([run for run in runs if run.key not in rows])
        if group.runs:
            group.load()
            _check_corpora(group, runs, rows)
            unfinished.append(group)
    done = sum(run.key in rows for run in planned)
    known = _read_widths(folder)
    made_with = versions()
    for group in unfinished:
        for trained in train_group(group, settings, known):
            run = trained.planned
            whole = group.whole(run).sha256
            row = results.write_run(trained, settings, folder, whole, made_with)
            done += 1
            audit = run.settings.game.audit
            say(results.describe_row(row, audit, done, len(planned)))
        if hosts.is_first():
            json_file.write(folder / WIDTHS, known)


def _read_widths(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Return the widths that were decided before, so that a resume measures none."""
    try:
        return dict(json_file.read(folder / WIDTHS))
    except (OSError, ValueError):
        return {}


@dataclasses.dataclass
class Group:
    """Unfinished runs that share a program; longest first after `load`.

    Attributes:
      corpora: whole corpora by the source of the labels; they share their samples.
      drawn: training corpora by labels, number of clips and seed of the draw.
    """

    runs: list[PlannedRun]
    corpora: dict[tuple[Any, ...], Corpus] = dataclasses.field(default_factory=dict)
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
                hosts.check_same(whole.sha256, "corpus.path")
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
        return train.epochs * pairs.steps_per_epoch(len(clips), train.batch_size)

    def trainer(self, run: PlannedRun, placement: batch_plan.Placement) -> Trainer:
        """Return the trainer of a run, on the samples that all runs share."""
        train = run.settings.train
        key = labels_of(run), train.clips, train.seed if train.clips else 0
        if key not in self.drawn:
            self.drawn[key] = run_corpus.draw(self.whole(run), run.settings)
        return Trainer(run.settings, self.drawn[key], placement=placement)


def labels_of(run: PlannedRun) -> tuple[str, str]:
    """Return the source of a run's labels: a name or table, and its column."""
    return run.settings.corpus.labels, run.settings.corpus.label_column


def _check_corpora(
    group: Group, runs: list[PlannedRun], rows: dict[str, dict[str, Any]]
) -> None:
    """Refuse to continue on other sounds than finished runs were trained on."""
    for run in runs:
        row, whole = rows.get(run.key), group.corpora.get(labels_of(run))
        if row and whole is not None and row["whole_corpus_sha256"] != whole.sha256:
            raise RunError(
                f"--workdir: run {row['run']} was trained on another corpus (sha256 "
                f"{row['whole_corpus_sha256'][:12]}, now {whole.sha256[:12]}); name "
                "another --workdir to start anew"
            )


def wave_size(settings: SweepSettings, count: int, device_count: int) -> int:
    """Return the size of a wave of `count` runs or fewer: the same on each device."""
    accelerator = jax.default_backend() != "cpu"
    most = settings.runs_at_once or (ACCELERATOR_RUNS if accelerator else CPU_RUNS)
    return min(most, -(-count // device_count)) * device_count


def train_group(
    group: Group, settings: SweepSettings, known: dict[str, dict[str, Any]]
) -> Iterator[Trained]:
    """Train a loaded group, wave after wave; yield each run of this process.

    A new width is added to `known`, by device, runs and program.
    """
    mesh = devices.make_mesh(devices.RUN, jax.devices())
    size = wave_size(settings, len(group.runs), mesh.size)
    share = size // jax.process_count()
    first = group.runs[0]
    placement = batch_plan.place(group.whole(first).audio, first.settings.train.storage)
    audio = run_axis.replicate(placement.audio, mesh)
    steps = first.settings.train.steps_per_dispatch
    compiled: tuple[Any, Width] | None = None
    for start in range(0, len(group.runs), size):
        members = group.runs[start : start + size]
        padded = [*members, *[None] * (size - len(members))]
        local = padded[share * jax.process_index() :][:share]
        trainers = [group.trainer(run or members[0], placement) for run in local]
        runs = train_together.gather(trainers)
        if compiled is None:
            compiled = program, width = _compile(
                mesh, trainers, runs, audio, steps, settings, known
            )
            megabytes = program.memory_analysis().argument_size_in_bytes / 1e6
            say(
                f"memory: corpus {placement.description}; {megabytes:.0f} MB a device "
                f"for it, the runs and their batches; {width.said}"
            )
        plans = [
            (train_together.dispatches if run else train_together.idle)(trainer, steps)
            for run, trainer in zip(local, trainers, strict=True)
        ]
        count = -(-group.steps(members[0]) // steps)
        total = sum(group.steps(run) for run in local if run)
        with tqdm.tqdm(total=total, desc="training", unit="step", disable=None) as bar:
            outcomes, seconds = train_together.train_wave(
                program, mesh, audio, runs, plans, count, bar.update
            )
        # A wave's seconds are split by the iterations that each run made.
        each = seconds / max(1, sum(outcome.steps for outcome in outcomes))
        for run, trainer, outcome in zip(local, trainers, outcomes, strict=True):
            if run is not None:
                yield Trained(run, trainer, outcome, each * outcome.steps, width.runs)


def _compile(
    mesh: Mesh,
    trainers: list[Trainer],
    runs: Runs,
    audio: jax.Array | None,
    steps: int,
    settings: SweepSettings,
    known: dict[str, dict[str, Any]],
) -> tuple[Any, Width]:
    """Decide how many runs a device takes at once and compile for it."""
    static, count = trainers[0].static, len(trainers)
    per_device = count * jax.process_count() // mesh.size
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
    if settings.vectorise == "auto" and key in known:
        width = Width(**known[key])
    else:
        each = serial.memory_analysis().temp_size_in_bytes
        width = run_axis.choose_width(
            settings.vectorise, per_device, each, machine.free_memory(), measure
        )
    # Processes may decide differently, but all must compile the same program.
    width = width._replace(runs=hosts.agree(width.runs))
    if settings.vectorise == "auto":
        known[key] = width._asdict()
    return (serial if width.runs == 1 else build(width.runs, steps)[0]), width
