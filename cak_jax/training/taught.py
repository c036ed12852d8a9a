"""Taught labels: a person's ratings, read from the sound.

A reader is fitted on the training clips: ridge regression from the level-free qualities
of `model/qualities.py` to the ratings. The heard audit then asks for a change of what
it reads. It is judged on files that it was not fitted on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cak_jax.data.labels import Ratings
from cak_jax.effect.effect import Quality
from cak_jax.evaluation import agreement, independent_auditor
from cak_jax.model.quality_names import WORDS
from cak_jax.runtime.text import printable
from cak_jax.training.config import ConfigError

# Twice the number of qualities, because fewer files leave their weights to chance.
FEWEST_FILES = 8
# A reader with less correlates with the ratings by less than 0.45, so most of what it
# asks for would be something else. Random ratings of 8 files pass in 1 case of 20, of
# 40 files in 1 of 300 (simulated).
LEAST_R2 = 0.2
UNIT = "points"
# Of a quality's name for people; a column of a table may have any.
NAME_CHARACTERS = 60


class Reading(NamedTuple):
    """How ratings are read from the sound.

    Attributes:
      weights: `[quality]`, points per unit of each quality, in the order of `WORDS`.
      r2: of predicted ratings on unseen files; not finite for a single file.
      files: the number of rated files.
    """

    weights: np.ndarray
    r2: float
    files: int


def fit_reader(
    features: np.ndarray, ratings: np.ndarray, files: Sequence[str]
) -> Reading:
    """Fit a reader of ratings by ridge regression.

    The strength of the ridge is the one that predicts best in a cross-validation. All
    clips of a file are in one fold.

    Args:
      features: `[clip, quality]`.
      ratings: `[clip]`, not all equal.
      files: of each clip.
    """
    rows, targets, r2 = features[:, None], ratings[:, None], float("nan")
    if len(set(files)) > 1:
        predicted = independent_auditor.predict(rows, targets, files)
        r2 = agreement.compare(targets, predicted)["r2"]
    strength = independent_auditor.choose_strength(rows, targets, files)
    model = independent_auditor.ridge(features, ratings, [strength])
    # The model is affine, so its weights are differences of its values.
    units = np.concatenate([np.eye(features.shape[1]), features[:1] * 0])
    values = model(units)[:, 0]
    return Reading(values[:-1] - values[-1], r2, len(set(files)))


def quality_of(
    ratings: Ratings,
    values: np.ndarray,
    clips: np.ndarray,
    files: Sequence[str],
    percents: tuple[int, int],
    unread: str,
) -> Quality:
    """Return the quality that ratings teach, with its reader and its range.

    Args:
      ratings: of all clips; those that are NaN are not read.
      values: the qualities of crops, `[crop, quality]`.
      clips: of each crop `[crop]`, indices into the ratings.
      files: of all clips.
      percents: percentiles of the predicted ratings of the clips that the range lies
        between.
      unread: "refuse" ratings that cannot be read from the sound, or "train".

    Raises:
      ConfigError: all ratings are equal, or they cannot be read and `unread` is
        "refuse".
    """
    name = printable(ratings.name)[:NAME_CHARACTERS] or "rating"
    heard = np.unique(clips)
    # A person rates a clip as a whole. Short crops of it differ further.
    features = np.stack([values[clips == clip].mean(axis=0) for clip in heard])
    known = np.isfinite(ratings.values[heard])
    rated = heard[known]
    if not len(rated):
        raise ConfigError(
            f'corpus.labels: no file to train on has a rating of "{name}", because all '
            "rated files are held out; rate more files"
        )
    targets = ratings.values[rated]
    low, high = targets.min(), targets.max()
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        raise ConfigError(
            f'corpus.labels: all ratings of "{name}" are {low:g}; rate sounds that '
            "differ in it"
        )
    reading = fit_reader(features[known], targets, [files[clip] for clip in rated])
    reason = _unread(reading, name)
    if reason and unread == "refuse":
        raise ConfigError(
            f"corpus.labels: {reason}, or train all the same with "
            "--config.corpus.unread_labels=train"
        )
    # Of predicted ratings, because a person's ratings spread further than a reader's.
    readings = features @ reading.weights
    span = float(np.subtract(*np.percentile(readings, percents[::-1])))
    if not span > 1e-6:
        raise ConfigError(
            f'corpus.labels: nothing of "{name}" is read from the sound; rate more '
            "files, or use a scale with larger numbers"
        )
    weights = dict(zip(WORDS, map(float, reading.weights), strict=True))
    r2 = float(reading.r2) if np.isfinite(reading.r2) else None
    return Quality(name, UNIT, span, weights, r2, float(readings.mean()) + span)


def _unread(reading: Reading, name: str) -> str:
    """Return why ratings cannot be read, with the remedy; "" if they can."""
    if reading.files < FEWEST_FILES:
        return (
            f'{reading.files} rated files to train on are too few to read "{name}" '
            f"from the sound; rate {FEWEST_FILES} or more"
        )
    if not reading.r2 >= LEAST_R2:
        return (
            f'"{name}" cannot be read from the sound (R2 {reading.r2:.2f} on unseen '
            f"files, {LEAST_R2} is needed); rate more files, or rate something that is "
            "heard in them"
        )
    return ""


def coverage(ratings: Ratings, training: np.ndarray, files: Sequence[str]) -> str:
    """Return one line on how many of the training files are rated; "" if all are.

    Args:
      ratings: of all clips.
      training: the training clips `[clip]`, indices into the ratings.
      files: of each training clip.
    """
    known = np.isfinite(ratings.values[training])
    rated = {file for file, is_known in zip(files, known, strict=True) if is_known}
    if len(rated) == len(set(files)):
        return ""
    return (
        f"{len(rated)} of {len(set(files))} files to train on are rated; the effect is "
        "trained on all of them"
    )


def sentence(quality: Quality) -> str:
    """Return one line on how a taught quality is read, for a terminal or a page."""
    if quality.reader is None:
        raise ValueError(f"{quality.name} is not taught")
    r2 = "unknown" if quality.r2 is None else f"{quality.r2:.2f}"
    doubt = ""
    if quality.r2 is None or quality.r2 < LEAST_R2:
        doubt = "; it cannot be read, so the effect may do something else"
    weights = ", ".join(
        f"{weight:+.2g} per {WORDS[name].unit} of {name}"
        for name, weight in quality.reader.items()
    )
    return (
        f'"{quality.name}" is read from the sound with R2 {r2} on unseen files{doubt}; '
        f"full turn asks for {quality.range:+.2g} {quality.unit} ({weights})"
    )
