"""One run from settings to a run folder that explains itself.

Every epoch is trained, logged, evaluated and saved. A run that was stopped or killed
goes on from its newest checkpoint.
"""

import contextlib
import dataclasses
import importlib.metadata
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import tqdm
from ml_collections import config_dict

from cak_jax import __version__
from cak_jax.effect.effect import load_effect, save_effect
from cak_jax.effect.schema import EffectError
from cak_jax.evaluation import agreement, audit as audit_lib, convergence, evaluate
from cak_jax.report import style
from cak_jax.runtime import json_file
from cak_jax.runtime.console import say
from cak_jax.runtime.signals import Stopped, Stops
from cak_jax.training import devices, generator_report, run_report
from cak_jax.training.checkpoint import Checkpoints, Restored, describe_machine
from cak_jax.training.config import build
from cak_jax.training.config_checks import flatten
from cak_jax.training.metrics_log import MetricsWriter, record_head
from cak_jax.training.run_corpus import evaluation_rows, prepare_corpus
from cak_jax.training.run_folder import check_corpus, check_folder, locked, write_status
from cak_jax.training.snapshot import Snapshot, effect_of
from cak_jax.training.trainer import Trainer, TrainingError

VERSIONED = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
OnEpoch = Callable[[Snapshot, MetricsWriter], None]


def ignore(snapshot: Snapshot, log: MetricsWriter) -> None:
    """Do nothing: the default `OnEpoch`."""


def run(
    config: config_dict.ConfigDict,
    workdir: str,
    profile: str = "",
    stops: Stops | None = None,
    on_epoch: OnEpoch = ignore,
) -> pathlib.Path:
    """Prepare the corpus, train or resume, evaluate, and write the run folder.

    Args:
      config: as `configs/default.py` makes it.
      workdir: the run folder; a run that it holds is continued.
      profile: a folder for a trace of the first epoch's steps; "" for no trace.
      stops: of `signals.watch`; None if no signal is watched.
      on_epoch: called with a snapshot and the log after each epoch, when metrics,
        effect and checkpoint of the epoch are on disk.

    Returns:
      The run folder.

    Raises:
      ConfigError, CorpusError, LabelError, RunError: before anything is written.
      CheckpointError, TrainingError: the run cannot go on.
      Stopped: a signal came; state and effect are kept as they are at that step.
    """
    settings = build(config)
    folder = pathlib.Path(workdir).expanduser()
    flat = flatten(config)
    check_folder(folder, flat)
    say(
        f"cak_jax {__version__} on {jax.default_backend()}, {jax.device_count()} device"
    )
    if settings.output["figures"] and not style.available():
        say('no figures: matplotlib is missing; install the extra "plot"')
    with locked(folder):
        corpus = prepare_corpus(settings)
        trainer = Trainer(settings, corpus)  # refuses what cannot be trained on
        check_corpus(folder, corpus.manifest)
        # The configuration comes first, because it marks the folder as a run's.
        json_file.write(
            folder / "config.json",
            {"config": flat, "config_sha256": settings.config_sha256, **versions()},
        )
        json_file.write(folder / "corpus.json", corpus.manifest)
        log = train(trainer, folder, profile, stops or Stops(), on_epoch)
        write_status(folder, "evaluating")
        summary = finish(trainer.snapshot(), log, folder)
        write_status(folder, "finished", summary)
    for sentence in ("", *summary):
        say(sentence)
    return folder


def versions() -> dict[str, Any]:
    """Return the versions, backend and number of devices, for `config.json`."""
    libraries = {name: importlib.metadata.version(name) for name in VERSIONED}
    program = {"cak_jax": __version__, "python": sys.version.split()[0]}
    return {
        "versions": program | libraries,
        "backend": jax.default_backend(),
        "devices": jax.device_count(),
    }


def train(
    trainer: Trainer,
    folder: pathlib.Path,
    profile: str,
    stops: Stops,
    on_epoch: OnEpoch,
) -> MetricsWriter:
    """Train up to the configured epoch, from the newest checkpoint of the folder.

    Args:
      trainer: of the run, with its first state.
      folder: of the run, locked.
      profile, on_epoch: as for `run`.
      stops: checked between dispatches.

    Raises:
      TrainingError: the run cannot go on; its last good state is kept.
      Stopped: a signal came; state and effect are kept as they are at that step.
    """
    checkpoints = Checkpoints(
        folder / "checkpoints", trainer.settings.train.checkpoints_kept
    )
    with contextlib.closing(checkpoints):
        restored = trainer.resume(checkpoints)
        if restored is not None:
            tell_resumed(trainer, restored)
        log = MetricsWriter(folder, trainer.epoch)
        with contextlib.closing(log):
            saved = -1 if restored is None else restored.step
            loop = Loop(trainer, folder, log, checkpoints, stops, saved, on_epoch)
            if not loop.done:
                trainer.check()  # before minutes of compilation
                write_status(folder, "compiling")
                compile_program(trainer, stops)
                write_status(folder, "training")
                loop.run(profile)
    return log


def tell_resumed(trainer: Trainer, restored: Restored) -> None:
    """Print where the run goes on, and which facts may change its last bits."""
    place = f", at step {trainer.step}" if len(trainer.series) else ""
    say(f"resumed after epoch {trainer.epoch}{place}")
    now = describe_machine(1 if trainer.mesh is None else trainer.mesh.size)
    before = restored.machine
    changed = [
        f"{name} {before.get(name)}, now {value}"
        for name, value in now.items()
        if before.get(name) != value
    ]
    if changed:
        say(f"the last bits may differ from a run in one go: {'; '.join(changed)}")


def compile_program(trainer: Trainer, stops: Stops) -> None:
    """Compile the run's one program, and print the time it took."""
    with stops.at_once():
        seconds = trainer.compile()
    say(f"compiled in {seconds:.1f} s; corpus {trainer.placement.description}")
    if jax.default_backend() == "cpu" and not trainer.compiler_options:
        say(f"slower than it could be: jaxlib lacks {devices.CPU_OPTIONS}")


@dataclasses.dataclass
class Loop:
    """Train epoch after epoch and keep the results of each.

    Attributes:
      trainer, folder, log, checkpoints, stops: of the run.
      saved: step of the newest checkpoint, -1 for none.
      on_epoch: called after each epoch.
    """

    trainer: Trainer
    folder: pathlib.Path
    log: MetricsWriter
    checkpoints: Checkpoints
    stops: Stops
    saved: int
    on_epoch: OnEpoch

    @property
    def done(self) -> bool:
        """Whether the run has all of its epochs."""
        return self.trainer.epoch >= self.trainer.settings.train.epochs

    def run(self, profile: str) -> None:
        """Train the remaining epochs; raises as `train` does."""
        total = self.trainer.settings.train.epochs * self.trainer.steps_per_epoch
        left = total - self.trainer.step
        with (
            self.stops.deferred(),
            tqdm.tqdm(total=left, desc="training", unit="step", disable=None) as bar,
        ):
            while not self.done:
                tracing = jax.profiler.trace(profile) if profile else None
                with tracing or contextlib.nullcontext():
                    self.run_epoch(bar)
                profile = ""

    def run_epoch(self, bar: tqdm.tqdm) -> None:
        """Train to the end of the epoch and keep its results, or stop within it."""
        began = time.perf_counter()
        try:
            means = self.trainer.run_epoch(
                lambda metrics: bar.update(), lambda: bool(self.stops.requested)
            )
        except TrainingError:
            self.keep_state()
            raise
        if means is not None:
            snapshot = self.trainer.snapshot()
            self.keep_epoch(snapshot, means, time.perf_counter() - began)
            self.on_epoch(snapshot, self.log)
        if self.stops.requested and not self.done:
            self.keep_state()
            keep_effect(self.trainer.snapshot(), self.folder / "effect.json")
            raise Stopped(self.stops.requested, f"at step {self.trainer.step}")

    def keep_epoch(
        self, snapshot: Snapshot, means: dict[str, float], seconds: float
    ) -> None:
        """Log an epoch, evaluate it if that is due, and keep effect and state."""
        settings = snapshot.settings.train
        position = snapshot.epoch, snapshot.steps_per_epoch
        head = record_head("train", *position)
        self.log.write({**head, "seconds": seconds, **means})
        name = f"effects/epoch_{snapshot.epoch:03d}.json"
        keep_effect(snapshot, self.folder / name, self.folder / "effect.json")
        line = describe_epoch(snapshot, means, seconds)
        if self.done or snapshot.epoch % settings.evaluate_every == 0:
            held_out = evaluate_epoch(snapshot)
            self.log.write({**record_head("held_out", *position), **held_out})
            on = "held-out" if snapshot.has_held_out else "training"
            line += f"  {on} audit R2 {held_out['audit_r2']:.3f} (raw knob)"
        if self.done or snapshot.epoch % settings.checkpoint_every == 0:
            self.keep_state()
        say(line)

    def keep_state(self) -> None:
        """Write a checkpoint, unless this step has one."""
        if self.trainer.step > self.saved:
            self.saved = self.trainer.step
            self.checkpoints.save(
                self.saved, self.trainer.state, self.trainer.series.to_json()
            )


def keep_effect(snapshot: Snapshot, *paths: pathlib.Path) -> None:
    """Write the effect as it stands to each path, if an effect file can hold it.

    Raises:
      TrainingError: its numbers have grown beyond the bounds of an effect.
    """
    try:
        effect = effect_of(snapshot, {})
    except EffectError as error:
        raise TrainingError(
            f"step {snapshot.step}: no effect any more ({error}); stopped, the effect "
            "and the checkpoint before are kept. Start in another --workdir with a "
            "lower train.learning_rate_critic or train.learning_rate_generator"
        ) from None
    if effect is None:
        return
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        save_effect(effect, path)


def describe_epoch(snapshot: Snapshot, means: dict[str, float], seconds: float) -> str:
    """Return one line on an epoch for the terminal."""
    total = snapshot.settings.train.epochs
    name = "scale" if "scale" in means else "reconstruction"
    count = int(means["skipped"])
    skipped = f"  {count} steps not finite, taken back" if count else ""
    return (
        f"epoch {snapshot.epoch:3d}/{total}  {seconds:5.1f} s  "
        f"critic {means['critic_loss']:8.3f}  "
        f"generator {means['generator_loss']:8.3f}  "
        f"violation {means['violation']:.3f}  {name} {means[name]:.3f}{skipped}"
    )


def evaluate_epoch(snapshot: Snapshot) -> dict[str, float | None]:
    """Measure losses and audit on the held-out clips during training."""
    rows, clips = evaluation_rows(snapshot.corpus)
    effect = snapshot.effect()
    if effect is None:
        return generator_report.evaluate_epoch(snapshot)
    measured = audit_lib.measure_clips(effect, rows, len(clips))
    audit = snapshot.settings.game.audit
    curve = audit_lib.audit_curve(effect, measured, agreement.CONTROLS, audit)
    return generator_report.held_out_record(snapshot, curve)


def patterns(folder: pathlib.Path) -> np.ndarray:
    """Return `kernel * scale` after every epoch of a run, `[epoch, 3, 3]`."""
    files = (folder / "effects").glob("epoch_*.json")
    in_order = sorted(files, key=lambda path: int(path.stem.removeprefix("epoch_")))
    effects = map(load_effect, in_order)
    return np.array([np.array(effect.kernel) * effect.scale for effect in effects])


def finish(snapshot: Snapshot, log: MetricsWriter, folder: pathlib.Path) -> list[str]:
    """Evaluate the finished run; write evaluation, effect, figures and report.

    Returns:
      The run's summary, one sentence or two each.
    """
    plain = snapshot.effect()
    if plain is None:
        return generator_report.finish(snapshot, log, folder)
    rows, clips = evaluation_rows(snapshot.corpus)
    measured_clips = audit_lib.measure_clips(plain, rows, len(clips))
    measured = evaluate.evaluate(plain, rows, len(clips), measured_clips)
    measured["settled"] = convergence.settling(patterns(folder))
    effect = run_report.write_evaluation(snapshot, measured, folder)
    return run_report.write_outcome(
        snapshot, effect, measured, measured_clips, log, folder
    )
