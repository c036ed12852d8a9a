"""What a heard game asks for, measured on the training clips.

A request names a quality, and with `game.weight_direction` how others go with it.

The range of a quality is that of the training clips, from the 10th to the 90th
percentile of crops like those of the game. Full turn asks for the range on average. For
more of a quality there is a target, one range beyond the clips' mean: a sound that has
little goes further than one that has much. For less of it every sound is asked for the
same change, because there the change hardly depends on what the sound has
(experiments/heard_audit.md).
"""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from cak_jax.data import batch as batch_lib
from cak_jax.data.corpus import Corpus
from cak_jax.data.scan import Progress, no_progress
from cak_jax.effect.effect import Quality
from cak_jax.effect.quality import reader, target
from cak_jax.evaluation.over_clips import over_clips
from cak_jax.model import qualities
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.quality_names import WORDS, split
from cak_jax.model.resynthesis import middle
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.training import taught
from cak_jax.training.config import ConfigError, Settings
from cak_jax.training.run_corpus import files_of

# Percentiles of the crops that a quality's range lies between.
PERCENTS = (10, 90)
# Crops of each training clip that the range is measured on.
CROPS = 3
# Crops of each rated clip, because a person rates the whole of it.
RATED = 6
# A crop whose mean square is below this is a pause: -60 dBFS.
PAUSE = 1e-6
# A quality that explains less than this of another's spread does not go with it.
LEAST_TRUST = 0.1


@dataclasses.dataclass(frozen=True)
class Request:
    """What a heard game asks for.

    Attributes:
      quality: that the knob moves.
      trust: weight of a deviation of each quality from what goes with it, `[quality]`,
        per unit; 0 for those that do not, and for all without a direction.
    """

    quality: Quality
    trust: np.ndarray

    def hparams(self) -> dict[str, Any]:
        """Return it as values of `train_state.make_hparams`."""
        along = self.quality.companions or {}
        return {
            "reader": reader(self.quality),
            "target": target(self.quality),
            "along": [along.get(name, 0.0) for name in WORDS],
            "trust": self.trust,
        }


def request_of(
    settings: Settings, corpus: Corpus, progress: Progress = no_progress
) -> Request | None:
    """Return what a heard game asks for, with ranges; None for other games.

    `progress` is of the stage "hearing".

    Raises:
      ConfigError: the labels name no quality, or all training clips have as much of it,
        or ratings cannot be read from the sound.
    """
    source, ratings = settings.corpus.labels, corpus.ratings
    if not AUDITS[settings.game.audit].HEARS:
        if ratings is not None and np.isnan(ratings.values).any():
            raise ConfigError(
                "corpus.labels: some files have no label, and only game.audit=heard "
                "can do without; rate all of them"
            )
        return None
    name, sign = split(source)
    if name not in WORDS and ratings is None:
        raise ConfigError(
            f"corpus.labels: the heard audit asks for a quality, one of "
            f"{', '.join(WORDS)}, with a minus in front for less, or for "
            f"the ratings of a .csv or .json file; got {source[:80]!r}"
        )
    crops, clips = crops_of_clips(settings, corpus, CROPS if ratings is None else RATED)
    values = measure_crops(settings, crops, progress)
    if ratings is not None:
        files = files_of(corpus, np.arange(len(corpus.names)))
        unread = settings.unread_labels
        quality = taught.quality_of(ratings, values, clips, files, PERCENTS, unread)
        return _with_companions(settings, quality, values)
    column = values[:, list(WORDS).index(name)]
    low, high = np.percentile(column, PERCENTS)
    if not high - low > 1e-3:
        raise ConfigError(
            f"corpus.labels: all training clips have the same {name} "
            f"({low:.3g} {WORDS[name].unit}); add sounds that differ in it, or ask for "
            "another quality"
        )
    span = float(high - low)
    leads_to = float(column.mean()) + span if sign > 0 else None
    quality = Quality(source, WORDS[name].unit, span, target=leads_to)
    return _with_companions(settings, quality, values)


def _with_companions(
    settings: Settings, quality: Quality, values: np.ndarray
) -> Request:
    if not settings.hparams["weight_direction"]:
        return Request(quality, np.zeros(len(WORDS)))
    along, shared = companions(values, np.array(reader(quality)))
    own = quality.name if quality.reader is None else ""
    asked = {
        name: float(change)
        for name, change, trust in zip(WORDS, along, shared, strict=True)
        if trust >= LEAST_TRUST and name != split(own)[0]
    }
    spans = np.subtract(*np.percentile(values, PERCENTS[::-1], axis=0))
    goes = np.array([name in asked for name in WORDS])
    trust = np.where(goes, shared / np.maximum(spans, 1e-6), 0.0)
    return Request(dataclasses.replace(quality, companions=asked or None), trust)


def companions(
    values: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how qualities rise with a reading, over the crops of a corpus.

    Args:
      values: `[crop, quality]`.
      weights: `[quality]`, of the reading.

    Returns:
      The change of each quality as the reading rises by 1, by least squares, and the
      share of the quality's variance that it explains (R2), both `[quality]`.

    >>> values = np.array([[0.0, 3.0], [1.0, 1.0], [2.0, -1.0]])
    >>> along, trust = companions(values, np.array([0.5, 0.0]))
    >>> along.tolist(), trust.round(6).tolist()
    ([2.0, -4.0], [1.0, 1.0])
    """
    centred = values - values.mean(axis=0)
    reading = centred @ weights
    energy = reading @ reading
    along = reading @ centred / energy
    explained = np.square(along) * energy
    total = np.sum(np.square(centred), axis=0)
    return along, explained / np.maximum(total, 1e-30)


def training_crops(settings: Settings, corpus: Corpus, per_clip: int) -> np.ndarray:
    """Return the crops of `crops_of_clips` alone."""
    return crops_of_clips(settings, corpus, per_clip)[0]


def crops_of_clips(
    settings: Settings, corpus: Corpus, per_clip: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return crops of the training clips, evenly spaced within each.

    They are as long as the game's. Pauses are left out.

    Returns:
      `[crop, sample]`, and the clip of each crop, `[crop]`.

    Raises:
      ConfigError: nothing but pauses.
    """
    spectrogram, hop = settings.spectrogram, settings.spectrogram.hop_length
    frames = settings.train.crop_frames or spectrogram.frames(corpus.audio.shape[1])
    rows, owners = [], []
    for clip in corpus.training:
        first, last = corpus.content[clip] // hop
        latest = max(first, last + 1 - frames)
        places = (np.arange(per_clip) + 0.5) / per_clip
        starts = np.unique((first + places * (latest - first)).astype(np.int64))
        owners.append(np.full(len(starts), clip))
        crops = batch_lib.gather(corpus.audio, owners[-1], starts, frames, spectrogram)
        sounds = np.mean(np.square(crops), axis=1) > PAUSE
        rows.append(crops[sounds])
        owners[-1] = owners[-1][sounds]
    if not any(map(len, rows)):
        raise ConfigError(
            "corpus: the training clips hold pauses only; use louder ones"
        )
    return np.concatenate(rows), np.concatenate(owners)


def measure_crops(
    settings: Settings, crops: np.ndarray, progress: Progress = no_progress
) -> np.ndarray:
    """Return the qualities of crops `[crop, sample]`, `[crop, quality]` float64.

    They are measured on the middle of each crop, as the heard audit does. `progress` is
    of the stage "hearing".
    """
    spectrogram, aside = settings.spectrogram, settings.game.spacing[1]

    def measure(crop: np.ndarray) -> np.ndarray:
        return np.asarray(_measure_middle(crop, spectrogram, aside))

    return np.array(over_clips(measure, crops, "hearing", progress), np.float64)


@functools.partial(jax.jit, static_argnames=("settings", "frames_aside"))
def _measure_middle(
    samples: jax.Array, settings: SpectrogramSettings, frames_aside: int
) -> jax.Array:
    part = middle(samples, settings, frames_aside)
    return qualities.measure(part, settings.sample_rate)
