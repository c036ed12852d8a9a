"""The epochs of a run: trained, logged, evaluated, kept; and stopped when asked."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable

import jax
import tqdm

from cak_jax.effect.effect import Effect, save_effect
from cak_jax.effect.schema import EffectError
from cak_jax.evaluation import audit as measure, evaluate
from cak_jax.runtime.console import say
from cak_jax.runtime.signals import Stopped, Stops
from cak_jax.training import devices, generator_report, metrics_log, provenance
from cak_jax.training.checkpoint import Checkpoints, Restored, describe_machine
from cak_jax.training.run_folder import write_status
from cak_jax.training.trainer import Trainer, TrainingError

OnEpoch = Callable[[Trainer, metrics_log.MetricsWriter], None]


def ignore(trainer: Trainer, log: metrics_log.MetricsWriter) -> None:
    """Be the `OnEpoch` of who does not look."""


def train(
    trainer: Trainer,
    folder: pathlib.Path,
    profile: str,
    stops: Stops,
    on_epoch: OnEpoch = ignore,
) -> metrics_log.MetricsWriter:
    """Train up to the configured epoch, from where the folder's run stands.

    Args:
      trainer: the run, fresh.
      folder: of the run, locked.
      profile: a folder for a trace of the first epoch's steps; "" traces nothing.
      stops: looked at between dispatches.
      on_epoch: called after each epoch, when all it leaves is on disk: metrics,
        effect, and the checkpoint if one was due.

    Raises:
      TrainingError: the run cannot go on; its last good state is kept.
      Stopped: a signal came; state and effect are kept as they are at that step.
    """
    checkpoints = Checkpoints(
        folder / "checkpoints", trainer.settings.train.checkpoints_kept
    )
    with contextlib.closing(checkpoints):
        found = trainer.resume(checkpoints)
        if found is not None:
            tell_resumed(trainer, found)
        log = metrics_log.MetricsWriter(folder, trainer.epoch)
        with contextlib.closing(log):
            saved = -1 if found is None else found.step
            loop = Loop(trainer, folder, log, checkpoints, stops, saved, on_epoch)
            if not loop.done:
                trainer.check()  # at once, before minutes of compilation
                write_status(folder, "compiling")
                compile_program(trainer, stops)
                write_status(folder, "training")
                loop.run(profile)
    return log


def tell_resumed(trainer: Trainer, found: Restored) -> None:
    """Say where the run goes on, and what may keep it from the same last bits."""
    place = f", at step {trainer.step}" if len(trainer.series) else ""
    say(f"resumed after epoch {trainer.epoch}{place}")
    now = describe_machine(1 if trainer.mesh is None else trainer.mesh.size)
    changed = [
        f"{name} {found.machine.get(name)}, now {value}"
        for name, value in now.items()
        if found.machine.get(name) != value
    ]
    if changed:
        say(f"the last bits may differ from a run in one go: {'; '.join(changed)}")


def compile_program(trainer: Trainer, stops: Stops) -> None:
    """Compile the run's one program, and say so."""
    with stops.at_once():
        seconds = trainer.compile()
    say(f"compiled in {seconds:.1f} s; corpus {trainer.placement.description}")
    if jax.default_backend() == "cpu" and not trainer.compiler_options:
        say(f"slower than it could be: jaxlib lacks {devices.CPU_OPTIONS}")


@dataclasses.dataclass
class Loop:
    """Epoch after epoch, with what each of them leaves.

    Attributes:
      trainer, folder, log, checkpoints, stops: of the run.
      saved: step of the newest checkpoint, -1 for none.
      on_epoch: called after each epoch.
    """

    trainer: Trainer
    folder: pathlib.Path
    log: metrics_log.MetricsWriter
    checkpoints: Checkpoints
    stops: Stops
    saved: int
    on_epoch: OnEpoch = ignore

    @property
    def done(self) -> bool:
        """Say whether the run has its epochs."""
        return self.trainer.epoch >= self.trainer.settings.train.epochs

    def run(self, profile: str) -> None:
        """Train what is left; `train` says what is raised."""
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
        """Train to the end of the epoch and keep what came of it, or stop there."""
        began = time.perf_counter()
        try:
            means = self.trainer.run_epoch(
                lambda metrics: bar.update(), lambda: bool(self.stops.requested)
            )
        except TrainingError:
            self.keep_state()
            raise
        if means is not None:
            self.keep_epoch(means, time.perf_counter() - began)
            self.on_epoch(self.trainer, self.log)
        if self.stops.requested and not self.done:
            self.keep_state()
            effect = effect_now(self.trainer)
            if effect is not None:
                save_effect(effect, self.folder / "effect.json")
            raise Stopped(self.stops.requested, f"at step {self.trainer.step}")

    def keep_epoch(self, means: dict[str, float], seconds: float) -> None:
        """Log an epoch, evaluate it where one is due, and keep state and effect."""
        trainer, settings = self.trainer, self.trainer.settings.train
        self.log.write({**record(trainer, "train"), "seconds": seconds, **means})
        keep_effect(trainer, self.folder)
        line = describe_epoch(trainer, means, seconds)
        if self.done or trainer.epoch % settings.evaluate_every == 0:
            held_out = evaluate_run(trainer)
            self.log.write({**record(trainer, "held_out"), **held_out})
            on = "held-out" if trainer.corpus.held_out.any() else "training"
            line += f"  {on} audit R2 {held_out['audit_r2']:.3f} (raw knob)"
        if self.done or trainer.epoch % settings.checkpoint_every == 0:
            self.keep_state()
        say(line)

    def keep_state(self) -> None:
        """Write a checkpoint, unless there is one of this step."""
        if self.trainer.step > self.saved:
            self.saved = self.trainer.step
            self.checkpoints.save(
                self.saved, self.trainer.state, self.trainer.series.to_json()
            )


def effect_now(trainer: Trainer) -> Effect | None:
    """Return the effect as it stands; None if no effect file can hold the generator.

    Raises:
      TrainingError: if its numbers have grown beyond what an effect may have.
    """
    try:
        return provenance.effect_of(trainer, {})
    except EffectError as error:
        raise TrainingError(
            f"step {trainer.step}: no effect any more ({error}); stopped, the effect "
            "and the checkpoint before are kept. Start in another --workdir with a "
            "lower train.learning_rate_critic or train.learning_rate_generator"
        ) from None


def keep_effect(trainer: Trainer, folder: pathlib.Path) -> None:
    """Write the effect as it stands after an epoch, if there is one."""
    effect = effect_now(trainer)
    if effect is None:
        return
    (folder / "effects").mkdir(exist_ok=True)
    save_effect(effect, folder / "effects" / f"epoch_{trainer.epoch:03d}.json")
    save_effect(effect, folder / "effect.json")


def record(trainer: Trainer, kind: str) -> dict:
    """Return the head of a metrics record."""
    step = trainer.epoch * trainer.steps_per_epoch
    return {"kind": kind, "epoch": trainer.epoch, "step": step}


def describe_epoch(trainer: Trainer, means: dict, seconds: float) -> str:
    """Return one line on an epoch for the terminal."""
    total = trainer.settings.train.epochs
    name = "scale" if "scale" in means else "reconstruction"
    count = int(means["skipped"])
    skipped = f"  {count} steps not finite, taken back" if count else ""
    return (
        f"epoch {trainer.epoch:3d}/{total}  {seconds:5.1f} s  "
        f"critic {means['critic_loss']:8.3f}  "
        f"generator {means['generator_loss']:8.3f}  "
        f"violation {means['violation']:.3f}  {name} {means[name]:.3f}{skipped}"
    )


def rows_of(trainer: Trainer):
    """Return the evaluation clips as `(row function, indices)`."""
    clips = trainer.corpus.evaluation
    return (lambda index: trainer.corpus.audio[clips[index]]), clips


def evaluate_run(trainer: Trainer) -> dict[str, float]:
    """Measure losses and audit on the held-out clips during training."""
    rows, clips = rows_of(trainer)
    effect = trainer.effect()
    if effect is None:
        return generator_report.evaluate_epoch(trainer, rows)
    audit = trainer.settings.game.audit
    values = generator_report.held_out_losses(trainer, rows)
    measured = measure.measure_clips(effect, rows, len(clips))
    curve = measure.audit_curve(effect, measured, evaluate.CONTROLS, audit)
    fitted = evaluate.fit(evaluate.CONTROLS, curve)
    return values | {f"audit_{name}": fitted[name] for name in ("slope", "r2", "mae")}
