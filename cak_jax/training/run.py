"""One run from settings to a run folder that explains itself.

Every epoch is trained, logged, evaluated and saved. A run that was stopped or killed
goes on from its newest checkpoint.
"""

import contextlib
import importlib.metadata
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
from ml_collections import config_dict

from cak_jax import __version__
from cak_jax.data.scan import Progress
from cak_jax.effect.effect import save_effect
from cak_jax.effect.schema import EffectError
from cak_jax.model import compiler
from cak_jax.report import style
from cak_jax.runtime import json_file
from cak_jax.runtime.console import say
from cak_jax.runtime.files import remove_unfinished
from cak_jax.runtime.progress import Bars
from cak_jax.runtime.signals import Stopped, Stops
from cak_jax.runtime.text import counted
from cak_jax.training import resolution, run_report, taught
from cak_jax.training.checkpoint import Checkpoints, Restored, describe_machine
from cak_jax.training.config import build
from cak_jax.training.config_checks import flatten
from cak_jax.training.metrics_log import MetricsWriter, record_head
from cak_jax.training.run_corpus import files_of, prepare_corpus
from cak_jax.training.run_evaluation import evaluate_epoch
from cak_jax.training.run_folder import (
    Status,
    StatusBars,
    check_corpus,
    check_folder,
    check_sounds,
    locked,
    write_status,
)
from cak_jax.training.snapshot import Snapshot, effect_of
from cak_jax.training.trainer import Trainer, TrainingError

VERSIONED = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
OnEpoch = Callable[[Snapshot, MetricsWriter], None]


def run(
    config: config_dict.ConfigDict,
    workdir: str,
    profile: str = "",
    stops: Stops | None = None,
    on_epoch: OnEpoch = lambda snapshot, log: None,
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
    folder = pathlib.Path(workdir).expanduser()
    stops = stops or Stops()
    with Bars() as bars:
        config = resolution.choose(config, folder, stops, bars)
        settings = build(config)
        flat = flatten(config)
        check_folder(folder, flat)
        check_sounds(folder, settings.corpus.path)
        devices_here = counted(jax.device_count(), "device")
        machine = f"{jax.default_backend()}, {devices_here}"
        say(f"cak_jax {__version__} on {machine}; run folder {folder}")
        if settings.output["figures"] and not style.available():
            say(f"no figures: matplotlib is missing; {style.INSTALL} adds it")
        with locked(folder):
            status_bars = StatusBars(bars, folder)
            # The status of a run that goes on stays until its corpus is checked.
            begun = (folder / "config.json").exists()
            early = bars if begun else status_bars
            corpus = prepare_corpus(settings, early)
            # It refuses what cannot be trained on.
            trainer = Trainer(settings, corpus, progress=early, beside=not begun)
            check_corpus(folder, corpus.manifest)
            for place in (folder, folder / "effects"):
                remove_unfinished(place)
            say_ratings(trainer)
            # The configuration comes first, because it marks the folder as a run's.
            json_file.write(
                folder / "config.json",
                {"config": flat, "config_sha256": settings.config_sha256, **versions()},
            )
            json_file.write(folder / "corpus.json", corpus.manifest)
            with contextlib.ExitStack() as stack:
                log = train(
                    trainer, folder, profile, stops, on_epoch, status_bars, stack
                )
                status_bars.begin("evaluating")
                last_words = run_report.finish(
                    trainer.snapshot(), log, folder, status_bars
                )
            write_status(folder, Status("finished", summary=last_words.sentences))
    for line in ("", *last_words.sentences, "", *last_words.commands):
        say(line)
    return folder


def say_ratings(trainer: Trainer) -> None:
    """Print how well the ratings of a table are read, and how many clips they cover."""
    corpus = trainer.corpus
    if trainer.quality is not None and trainer.quality.reader is not None:
        say(f"ratings: {taught.sentence(trainer.quality)}")
    if corpus.ratings is not None:
        training = corpus.training
        files = files_of(corpus, training)
        if line := taught.coverage(corpus.ratings, training, files):
            say(f"ratings: {line}")


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
    bars: StatusBars,
    caller: contextlib.ExitStack,
) -> MetricsWriter:
    """Train up to the configured epoch, from the newest checkpoint of the folder.

    Between dispatches it looks at `stops`. `caller` closes the log that is returned.
    Raises as `run` does.
    """
    settings = trainer.settings.train
    checkpoints = Checkpoints(folder / "checkpoints", settings.checkpoints_kept)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(checkpoints))
        restored = trainer.resume(checkpoints)
        if restored is not None:
            tell_resumed(trainer, restored)
        log = MetricsWriter(folder, trainer.epoch)
        caller.enter_context(contextlib.closing(log))
        if trainer.done:
            return log
        trainer.check()  # before minutes of compilation
        compile_program(trainer, stops, bars)
        total = settings.epochs * trainer.steps_per_epoch
        stack.enter_context(stops.deferred())
        while not trainer.done:
            bars(trainer.step, total, "training")
            tracing = jax.profiler.trace(profile) if profile else None
            profile = ""  # only the first epoch is traced
            with tracing or contextlib.nullcontext():
                began = time.perf_counter()
                try:
                    means = trainer.run_epoch(
                        lambda metrics: bars(trainer.step, total, "training"),
                        lambda: bool(stops.requested),
                    )
                except TrainingError:
                    trainer.save(checkpoints)
                    raise
                if means is not None:
                    snapshot = trainer.snapshot()
                    seconds = time.perf_counter() - began
                    line = keep_epoch(snapshot, means, seconds, log, folder, bars)
                    if trainer.done or trainer.epoch % settings.checkpoint_every == 0:
                        trainer.save(checkpoints)
                    say(line)
                    on_epoch(snapshot, log)
                if stops.requested and not trainer.done:
                    trainer.save(checkpoints)
                    keep_effect(trainer.snapshot(), folder / "effect.json")
                    raise Stopped(stops.requested, f"at step {trainer.step}")
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


def compile_program(trainer: Trainer, stops: Stops, bars: StatusBars) -> None:
    """Compile the run's one program, and print the time it took."""
    with stops.at_once(), bars.waiting("compiling"):
        seconds = trainer.compile()
    say(f"compiled in {seconds:.1f} s; corpus {trainer.placement.description}")
    if jax.default_backend() == "cpu" and not trainer.compiler_options:
        say(f"slower than it could be: jaxlib lacks {compiler.CPU_OPTIONS}")


def keep_epoch(
    snapshot: Snapshot,
    means: dict[str, float],
    seconds: float,
    log: MetricsWriter,
    folder: pathlib.Path,
    progress: Progress,
) -> str:
    """Log an epoch, keep its effect, evaluate it if that is due; return its line.

    `progress` is of the stage "checking".
    """
    settings = snapshot.settings.train
    position = snapshot.epoch, snapshot.steps_per_epoch
    log.write({**record_head("train", *position), "seconds": seconds, **means})
    name = f"effects/epoch_{snapshot.epoch:03d}.json"
    keep_effect(snapshot, folder / name, folder / "effect.json")
    line = describe_epoch(snapshot, means, seconds)
    # The last epoch's evaluation is the run's, after its effect is written.
    last = snapshot.epoch >= settings.epochs
    if not last and snapshot.epoch % settings.evaluate_every == 0:
        held_out = evaluate_epoch(
            snapshot,
            progress=lambda done, total, stage: progress(done, total, "checking"),
        )
        log.write({**record_head("held_out", *position), **held_out})
        on = "held-out" if snapshot.has_held_out else "training"
        line += f"  {on} R2 {held_out['audit_r2']:.3f} of the raw knob"
    return line


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
    critic = ""
    if "critic_loss" in means:
        critic = f"critic {means['critic_loss']:8.3f}  "
    skipped = f"  {counted(count, 'step')} not finite, taken back" if count else ""
    return (
        f"epoch {snapshot.epoch:3d}/{total}  {seconds:5.1f} s  "
        f"{critic}generator {means['generator_loss']:8.3f}  "
        f"violation {means['violation']:.3f}  {name} {means[name]:.3f}{skipped}"
    )
