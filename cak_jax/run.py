"""One run from settings to a run folder that explains itself."""

import contextlib
import importlib.metadata
import pathlib
import sys
import time

import jax
import numpy as np
import tqdm

from cak_jax import (
    __version__,
    compilation,
    config as config_lib,
    evaluation,
    film_outcome,
    measure,
    outcome,
    plot_style,
    provenance,
    trust,
    writer,
)
from cak_jax.checkpoint import Checkpoints
from cak_jax.effect import load_effect, save_effect
from cak_jax.progress import say
from cak_jax.run_corpus import prepare_corpus
from cak_jax.run_folder import check_corpus, check_folder, locked
from cak_jax.train import Trainer

VERSIONED = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def run(config, workdir: str, profile: str = "") -> pathlib.Path:
    """Prepare the corpus, train or resume, evaluate, and write the run folder.

    Args:
      config: as `configs/default.py` makes it.
      workdir: the run folder; a run that stands there is continued.
      profile: a folder for a trace of the first epoch's steps; "" traces nothing.

    Returns:
      The run folder.

    Raises:
      ConfigError, CorpusError, LabelError, RunError: before anything is written.
      CheckpointError, TrainingError: the run cannot go on.
    """
    settings = config_lib.build(config)
    folder = pathlib.Path(workdir).expanduser()
    flat = config_lib.flatten(config)
    check_folder(folder, flat)
    say(
        f"cak_jax {__version__} on {jax.default_backend()}, {jax.device_count()} device"
    )
    if settings.output["figures"] and not plot_style.available():
        say('no figures: matplotlib is missing; install the extra "plot"')
    corpus = prepare_corpus(settings)
    trainer = Trainer(settings, corpus)  # refuses what cannot be trained on
    with locked(folder):
        check_corpus(folder, corpus.sha256)
        # The configuration first: it is what makes the folder a run's.
        writer.write_json(
            folder / "config.json",
            {"config": flat, "config_sha256": settings.config_sha256, **versions()},
        )
        writer.write_json(folder / "corpus.json", corpus.manifest)
        records = train(trainer, folder, profile)
        finish(trainer, records, folder)
    return folder


def versions() -> dict[str, object]:
    """Return what the run was made with."""
    found = {name: importlib.metadata.version(name) for name in VERSIONED}
    return {
        "versions": {"cak_jax": __version__, "python": sys.version.split()[0], **found},
        "backend": jax.default_backend(),
        "devices": jax.device_count(),
    }


def train(
    trainer: Trainer, folder: pathlib.Path, profile: str = ""
) -> writer.MetricsWriter:
    """Train up to the configured epoch, from where the folder's run stands."""
    settings = trainer.settings.train
    checkpoints = Checkpoints(folder / "checkpoints", settings.checkpoints_kept)
    if trainer.resume(checkpoints):
        say(f"resumed after epoch {trainer.epoch}")
    log = writer.MetricsWriter(folder, trainer.epoch)
    if trainer.epoch < settings.epochs:
        seconds = trainer.compile()
        say(f"compiled in {seconds:.1f} s; corpus {trainer.placement.description}")
        if jax.default_backend() == "cpu" and not trainer.compiler_options:
            say(f"slower than it could be: jaxlib lacks {compilation.CPU_OPTIONS}")
    total = trainer.steps_per_epoch * max(0, settings.epochs - trainer.epoch)
    with tqdm.tqdm(total=total, desc="training", unit="step", disable=None) as bar:
        while trainer.epoch < settings.epochs:
            epoch_began = time.perf_counter()
            with jax.profiler.trace(profile) if profile else contextlib.nullcontext():
                means = trainer.run_epoch(lambda metrics: bar.update())
            profile = ""
            last = trainer.epoch == settings.epochs
            seconds = time.perf_counter() - epoch_began
            log.write({**record(trainer, "train"), "seconds": seconds, **means})
            if not is_film(trainer):
                keep_effect(trainer, folder)
            line = describe_epoch(trainer, means, seconds)
            if last or trainer.epoch % settings.evaluate_every == 0:
                held_out = evaluate_run(trainer)
                log.write({**record(trainer, "held_out"), **held_out})
                on = "held-out" if trainer.corpus.held_out.any() else "training"
                line += f"  {on} audit R2 {held_out['audit_r2']:.3f} (raw knob)"
            if last or trainer.epoch % settings.checkpoint_every == 0:
                checkpoints.save(trainer.epoch, trainer.state)
            tqdm.tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()
    checkpoints.close()
    log.close()
    return log


def is_film(trainer: Trainer) -> bool:
    """Say whether the run trains FiLM, which no effect file can hold."""
    return trainer.settings.game.generator == "film"


def keep_effect(trainer: Trainer, folder: pathlib.Path) -> None:
    """Write the effect as it stands after an epoch."""
    effect = provenance.effect_of(trainer, {})
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
    name = "reconstruction" if is_film(trainer) else "scale"
    return (
        f"epoch {trainer.epoch:3d}/{total}  {seconds:5.1f} s  "
        f"critic {means['critic_loss']:8.3f}  "
        f"generator {means['generator_loss']:8.3f}  "
        f"violation {means['violation']:.3f}  {name} {means[name]:.3f}"
    )


def rows_of(trainer: Trainer):
    """Return the evaluation clips as `(row function, indices)`."""
    clips = trainer.corpus.evaluation
    return (lambda index: trainer.corpus.audio[clips[index]]), clips


def evaluate_run(trainer: Trainer) -> dict[str, float]:
    """Measure losses and audit on the held-out clips during training."""
    rows, clips = rows_of(trainer)
    if is_film(trainer):
        return film_outcome.evaluate_epoch(trainer, rows)
    effect = trainer.effect()
    audit = trainer.settings.game.audit
    values = {}
    if len(clips) >= 2:
        labels = trainer.corpus.labels[clips]
        values = measure.held_out_losses(effect, rows, labels, trainer.settings.game)
    measured = measure.measure_clips(effect, rows, len(clips))
    curve = measure.audit_curve(effect, measured["ends"], evaluation.CONTROLS, audit)
    fitted = evaluation.fit(evaluation.CONTROLS, curve)
    return values | {f"audit_{name}": fitted[name] for name in ("slope", "r2", "mae")}


def patterns(folder: pathlib.Path) -> np.ndarray:
    """Return `kernel * scale` after every epoch of a run, `[epoch, 3, 3]`."""
    files = (folder / "effects").glob("epoch_*.json")
    in_order = sorted(files, key=lambda path: int(path.stem.removeprefix("epoch_")))
    effects = map(load_effect, in_order)
    return np.array([np.array(effect.kernel) * effect.scale for effect in effects])


def finish(trainer: Trainer, log: writer.MetricsWriter, folder: pathlib.Path) -> None:
    """Evaluate what was learned and write figures, previews, report and last words."""
    rows, clips = rows_of(trainer)
    if is_film(trainer):
        for sentence in ("", *film_outcome.finish(trainer, rows, log, folder)):
            say(sentence)
        return
    plain = trainer.effect()
    clip_measures = measure.measure_clips(plain, rows, len(clips))
    measured = evaluation.evaluate(plain, rows, len(clips), clip_measures)
    measured["settled"] = trust.settling(patterns(folder))
    game = trainer.settings.game
    measured["trustworthy"] = trust.trustworthy(measured, game.audit)
    writer.write_json(folder / "evaluation.json", measured)
    audit = measured["audit"][game.audit]["calibrated"]
    metrics = {name: audit[name] for name in ("slope", "r2", "mae")}
    effect = provenance.effect_of(trainer, metrics)
    save_effect(effect, folder / "effect.json")
    outcome.write_outcome(trainer, effect, measured, clip_measures["ends"], log, folder)
    say("")
    for sentence in outcome.sentences(trainer, effect, measured, folder):
        say(sentence)
