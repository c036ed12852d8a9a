"""One run from settings to a run folder that explains itself."""

import importlib.metadata
import pathlib
import sys
import time

import jax
import numpy as np

from cak_jax import (
    __version__,
    config as config_lib,
    evaluation,
    film_outcome,
    measure,
    outcome,
    plot_style,
    provenance,
    synth,
    trust,
    writer,
)
from cak_jax.config import Settings
from cak_jax.corpus import Corpus, corpus_from_clips, load_corpus
from cak_jax.effect import load_effect, save_effect
from cak_jax.interruption import Stops
from cak_jax.progress import Bars, say
from cak_jax.run_epochs import is_film, rows_of, train
from cak_jax.run_folder import check_corpus, check_folder, locked
from cak_jax.train import Trainer

VERSIONED = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def run(
    config, workdir: str, profile: str = "", stops: Stops | None = None
) -> pathlib.Path:
    """Prepare the corpus, train or resume, evaluate, and write the run folder.

    Args:
      config: as `configs/default.py` makes it.
      workdir: the run folder; a run that stands there is continued.
      profile: a folder for a trace of the first epoch's steps; "" traces nothing.
      stops: of `interruption.watch`; None where no signal is looked for.

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
    with locked(folder):
        corpus = prepare_corpus(settings)
        trainer = Trainer(settings, corpus)  # refuses what cannot be trained on
        check_corpus(folder, corpus.manifest)
        # The configuration first: it is what makes the folder a run's.
        writer.write_json(
            folder / "config.json",
            {"config": flat, "config_sha256": settings.config_sha256, **versions()},
        )
        writer.write_json(folder / "corpus.json", corpus.manifest)
        records = train(trainer, folder, profile, stops or Stops())
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


def prepare_corpus(settings: Settings) -> Corpus:
    """Read the folder of sounds, or make the embedded corpus where none is named."""
    began = time.perf_counter()
    if settings.corpus.path:
        with Bars() as bars:
            corpus = load_corpus(
                settings.corpus, settings.spectrogram, settings.alpha, bars
            )
    else:
        rate = settings.spectrogram.sample_rate
        audio, names = synth.synthesise(
            settings.synthetic_clips, settings.corpus.seconds, rate, settings.train.seed
        )
        content = np.tile(np.int32([0, audio.shape[1]]), (len(names), 1))
        corpus = corpus_from_clips(
            audio,
            names,
            content,
            settings.corpus,
            settings.spectrogram,
            settings.alpha,
        )
        corpus.manifest |= {"path_name": "embedded", "left_out": [], "ignored": {}}
    reasons = [entry["reason"] for entry in corpus.manifest["left_out"]]
    spare = sum(reason.startswith("not needed") for reason in reasons)
    say(
        f"corpus: {len(corpus.training)} clips to train on, "
        f"{int(corpus.held_out.sum())} held out, "
        f"{len(reasons) - spare} files unusable, {spare} not needed "
        f"(see corpus.json), {time.perf_counter() - began:.1f} s"
    )
    return corpus


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
