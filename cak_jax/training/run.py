"""One run from settings to a run folder that explains itself."""

import importlib.metadata
import pathlib
import sys

import jax
import numpy as np

from cak_jax import __version__
from cak_jax.effect.effect import load_effect, save_effect
from cak_jax.evaluation import audit as measure, convergence, evaluate
from cak_jax.report import style
from cak_jax.runtime import json_file
from cak_jax.runtime.console import say
from cak_jax.runtime.signals import Stops
from cak_jax.training import (
    config as config_lib,
    generator_report,
    metrics_log,
    provenance,
    run_report,
)
from cak_jax.training.epochs import OnEpoch, ignore, rows_of, train
from cak_jax.training.run_corpus import prepare_corpus
from cak_jax.training.run_folder import check_corpus, check_folder, locked, write_status
from cak_jax.training.trainer import Trainer

VERSIONED = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def run(
    config,
    workdir: str,
    profile: str = "",
    stops: Stops | None = None,
    on_epoch: OnEpoch = ignore,
) -> pathlib.Path:
    """Prepare the corpus, train or resume, evaluate, and write the run folder.

    Args:
      config: as `configs/default.py` makes it.
      workdir: the run folder; a run that stands there is continued.
      profile: a folder for a trace of the first epoch's steps; "" traces nothing.
      stops: of `interruption.watch`; None where no signal is looked for.
      on_epoch: called with the trainer and the log after each epoch, when all that the
        epoch leaves is on disk.

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
    if settings.output["figures"] and not style.available():
        say('no figures: matplotlib is missing; install the extra "plot"')
    with locked(folder):
        corpus = prepare_corpus(settings)
        trainer = Trainer(settings, corpus)  # refuses what cannot be trained on
        check_corpus(folder, corpus.manifest)
        # The configuration first: it is what makes the folder a run's.
        json_file.write(
            folder / "config.json",
            {"config": flat, "config_sha256": settings.config_sha256, **versions()},
        )
        json_file.write(folder / "corpus.json", corpus.manifest)
        records = train(trainer, folder, profile, stops or Stops(), on_epoch)
        write_status(folder, "evaluating")
        summary = finish(trainer, records, folder)
        write_status(folder, "finished", summary)
    for sentence in ("", *summary):
        say(sentence)
    return folder


def versions() -> dict[str, object]:
    """Return what the run was made with."""
    found = {name: importlib.metadata.version(name) for name in VERSIONED}
    return {
        "versions": {"cak_jax": __version__, "python": sys.version.split()[0], **found},
        "backend": jax.default_backend(),
        "devices": jax.device_count(),
    }


def patterns(folder: pathlib.Path) -> np.ndarray:
    """Return `kernel * scale` after every epoch of a run, `[epoch, 3, 3]`."""
    files = (folder / "effects").glob("epoch_*.json")
    in_order = sorted(files, key=lambda path: int(path.stem.removeprefix("epoch_")))
    effects = map(load_effect, in_order)
    return np.array([np.array(effect.kernel) * effect.scale for effect in effects])


def finish(
    trainer: Trainer, log: metrics_log.MetricsWriter, folder: pathlib.Path
) -> list[str]:
    """Evaluate what was learned; write evaluation, effect, figures and report.

    Returns:
      The run's summary, one sentence or two each.
    """
    rows, clips = rows_of(trainer)
    plain = trainer.effect()
    if plain is None:
        return generator_report.finish(trainer, rows, log, folder)
    clip_measures = measure.measure_clips(plain, rows, len(clips))
    measured = evaluate.evaluate(plain, rows, len(clips), clip_measures)
    measured["settled"] = convergence.settling(patterns(folder))
    game = trainer.settings.game
    measured["trustworthy"] = convergence.trustworthy(measured, game.audit)
    json_file.write(folder / "evaluation.json", measured)
    audit = measured["audit"][game.audit]["calibrated"]
    metrics = {name: audit[name] for name in ("slope", "r2", "mae")}
    effect = provenance.effect_of(trainer, metrics)
    save_effect(effect, folder / "effect.json")
    run_report.write_outcome(trainer, effect, measured, clip_measures, log, folder)
    return run_report.sentences(trainer, effect, measured, folder)
