"""Resolution and spacing, chosen by what unseen files follow best.

With `spectrogram.n_fft=0` a run first makes a short training at each place of a small
grid, plays the effects on held-out clips, and takes the place whose effect moves them
most nearly as asked. `config.json` holds the choice, so a run that goes on keeps it.
"""

import dataclasses
import pathlib
from typing import Any

from ml_collections import config_dict

from cak_jax.data.clips import spread_clips
from cak_jax.data.scan import Progress, no_progress
from cak_jax.evaluation import convergence, heard
from cak_jax.runtime import json_file
from cak_jax.runtime.console import say
from cak_jax.runtime.signals import Stops
from cak_jax.training.config import build
from cak_jax.training.config_checks import flatten
from cak_jax.training.even_knob import with_knob
from cak_jax.training.run_corpus import clips_at, draw, load_whole
from cak_jax.training.run_folder import check_folder
from cak_jax.training.trainer import Trainer

# Of the trials: clips to train on, epochs, and clips to listen to. With the default's
# `train.least_steps` they have 120 steps.
CLIPS, EPOCHS, LISTENED = 40, 2, 12
# What a choice sets.
FIELDS = (
    "spectrogram.n_fft",
    "spectrogram.hop_length",
    "game.spacing",
    "train.crop_frames",
)


@dataclasses.dataclass(frozen=True)
class Place:
    """A resolution and a spacing.

    Attributes:
      n_fft: samples of a frame; frames overlap by three quarters.
      spacing: bins and frames between the kernel's cells.
    """

    n_fft: int
    spacing: tuple[int, int]

    def __str__(self) -> str:
        """Return it in words."""
        bins, frames = self.spacing
        return f"frames of {self.n_fft}, cells {bins} bins and {frames} frames apart"


GRID = (
    Place(1024, (4, 4)),
    Place(2048, (1, 4)),
    Place(2048, (4, 4)),
    Place(4096, (4, 2)),
)


def choose(
    config: config_dict.ConfigDict,
    folder: pathlib.Path,
    stops: Stops,
    bars: Progress = no_progress,
) -> config_dict.ConfigDict:
    """Return a configuration whose resolution and spacing are chosen.

    Args:
      config: returned as it is, unless its `spectrogram.n_fft` is 0 and its audit
        hears.
      folder: the run folder; a run that it holds keeps its choice.
      stops: a signal ends the trials at once, because nothing is written yet.
      bars: shows how many trials are done.

    Raises:
      ConfigError: another field is wrong, or the corpus cannot be trained on.
      RunError: the folder is no run's, before the trials.
    """
    if config.spectrogram.n_fft or config.game.audit != "heard":
        return config
    held = _choice_of(folder)
    if held is not None:
        chosen = config.copy_and_resolve_references()
        chosen.update_from_flattened_dict(held)
        return chosen
    check_folder(folder, flatten(config))  # before minutes of trials
    scores = {}
    with stops.at_once():
        for done, place in enumerate(GRID):
            bars(done, len(GRID), "trials")
            scores[place] = score(_trial(config, place))
            say(f"trial: {place}: R2 {scores[place]:.2f}")
    best = max(scores, key=lambda place: scores[place])
    say(f"chosen: {best}")
    return at(config, best)


def at(config: config_dict.ConfigDict, place: Place) -> config_dict.ConfigDict:
    """Return a configuration at a place, with crops that last as long."""
    moved = config.copy_and_resolve_references()
    hop_length = place.n_fft // 4
    moved.spectrogram.n_fft = place.n_fft
    moved.spectrogram.hop_length = hop_length
    moved.game.spacing = place.spacing
    moved.train.crop_frames = crop_frames(config, hop_length)
    return moved


def crop_frames(config: config_dict.ConfigDict, hop_length: int) -> int:
    """Return the frames of crops that last as long as a configuration's."""
    samples: int = config.train.crop_frames * config.spectrogram.hop_length
    return -(-samples // hop_length)


def _trial(config: config_dict.ConfigDict, place: Place) -> config_dict.ConfigDict:
    """Return the configuration of a short training at a place."""
    trial = at(config, place)
    share = EPOCHS / max(1, trial.train.epochs)
    trial.gate.anneal_epochs = trial.gate.anneal_epochs * share
    trial.train.epochs = EPOCHS
    return trial


def score(config: config_dict.ConfigDict) -> float:
    """Train on a few clips; return `convergence.evenness` of unseen clips."""
    settings = build(config)
    corpus = load_whole(settings)
    most = min(settings.train.clips or CLIPS, CLIPS, len(corpus.training))
    train = dataclasses.replace(settings.train, clips=most)
    settings = dataclasses.replace(settings, train=train)
    trainer = Trainer(settings, draw(corpus, settings))
    while not trainer.done:
        trainer.run_epoch(lambda metrics: None)
    snapshot = with_knob(trainer.snapshot())
    effect = snapshot.effect()
    assert effect is not None  # the heard audit plays with effects only
    picked = spread_clips(corpus.evaluation, LISTENED)
    measured = heard.measure_heard(effect, clips_at(corpus, picked))
    return convergence.evenness(measured["quality"])


def _choice_of(folder: pathlib.Path) -> dict[str, Any] | None:
    """Return the fields that a run folder's choice set; None without a run."""
    try:
        flat = json_file.read(folder / "config.json")["config"]
        held = {field: flat[field] for field in FIELDS}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # `check_folder` says what is wrong with it
    return held | {"game.spacing": tuple(held["game.spacing"])}
