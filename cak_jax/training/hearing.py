"""What a heard game asks for, and its even knob: both measured on the training clips.

The range of a quality is that of the training clips, from the 10th to the 90th
percentile of crops like those of the game. The knob is the curve from amount to share
of the pattern at which the quality has moved by that amount of the range.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch as batch_lib
from cak_jax.data.clips import spread_clips
from cak_jax.data.corpus import Corpus
from cak_jax.effect.effect import Effect, Quality
from cak_jax.effect.quality import reader
from cak_jax.effect.schema import STRAIGHT
from cak_jax.evaluation.knob_response import loudest
from cak_jax.model import cak, qualities, spectral
from cak_jax.model.audits import heard
from cak_jax.model.audits.protocol import Hearing
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.quality_names import WORDS, split
from cak_jax.model.resynthesis import Sound, middle
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.training import taught
from cak_jax.training.config import ConfigError, Settings
from cak_jax.training.run_corpus import files_of
from cak_jax.training.snapshot import Snapshot

# Percentiles of the crops that a quality's range lies between.
PERCENTS = (10, 90)
# Crops of each training clip that the range is measured on.
CROPS = 3
# Crops of each rated clip, because a person rates the whole of it.
RATED = 6
# A crop whose mean square is below this is a pause: -60 dBFS.
PAUSE = 1e-6
# Training clips that the knob is measured on, each at its loudest; the curve is their
# mean.
KNOB_CLIPS, KNOB_SECONDS = 32, 6.0
# Shares of the pattern that the knob is measured at, and its points.
SHARES = np.linspace(0.0, 2.0, 11)
AMOUNTS = np.array(STRAIGHT)


def quality_of(settings: Settings, corpus: Corpus) -> Quality | None:
    """Return the quality that a heard game asks for, with its range; None for others.

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
    name, _ = split(source)
    if name not in WORDS and ratings is None:
        raise ConfigError(
            f"corpus.labels: the heard audit asks for a quality, one of "
            f"{', '.join(WORDS)}, with a minus in front for less, or for "
            f"the ratings of a .csv or .json file; got {source[:80]!r}"
        )
    crops, clips = crops_of_clips(settings, corpus, CROPS if ratings is None else RATED)
    values = measure_crops(settings, crops)
    if ratings is not None:
        files = files_of(corpus, np.arange(len(corpus.names)))
        unread = settings.unread_labels
        return taught.quality_of(ratings, values, clips, files, PERCENTS, unread)
    low, high = np.percentile(values[:, list(WORDS).index(name)], PERCENTS)
    if not high - low > 1e-3:
        raise ConfigError(
            f"corpus.labels: all training clips have the same {name} "
            f"({low:.3g} {WORDS[name].unit}); add sounds that differ in it, or ask for "
            "another quality"
        )
    return Quality(source, WORDS[name].unit, float(high - low))


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
        rows.append(
            batch_lib.gather(corpus.audio, owners[-1], starts, frames, spectrogram)
        )
    crops, clips = np.concatenate(rows), np.concatenate(owners)
    sounds = np.mean(np.square(crops), axis=1) > PAUSE
    if not sounds.any():
        raise ConfigError(
            "corpus: the training clips hold pauses only; use louder ones"
        )
    return crops[sounds], clips[sounds]


def measure_crops(settings: Settings, crops: np.ndarray) -> np.ndarray:
    """Return the qualities of crops `[crop, sample]`, `[crop, quality]` float64.

    They are measured on the middle of each crop, as the heard audit does.
    """
    spectrogram, aside = settings.spectrogram, settings.game.spacing[1]
    rows = [_measure_middle(crop, spectrogram, aside) for crop in crops]
    return np.array(rows, np.float64)


def with_knob(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot whose effect has an even knob, if its game has a quality."""
    effect = snapshot.effect()
    if effect is None or effect.quality is None:
        return snapshot
    knob = fit_knob(effect, snapshot.corpus)
    return dataclasses.replace(snapshot, knob=knob)


def fit_knob(effect: Effect, corpus: Corpus) -> tuple[float, ...]:
    """Return the shares of the pattern at amounts 0, 1/8, ... 1 of an effect's quality.

    The amounts that no share up to 2 reaches are spread evenly from the last share that
    is needed to 2.09, so that the knob still rises.
    """
    assert effect.quality is not None  # a heard game has one
    weights = reader(effect.quality)
    span = round(KNOB_SECONDS * effect.spectrogram.sample_rate)
    stretches = [
        batch_lib.gather_clip(loudest(corpus.audio[clip], span), effect.spectrogram)
        for clip in spread_clips(corpus.training, KNOB_CLIPS)
    ]
    curves = [
        np.asarray(
            _change_at(
                stretch[None],
                jnp.asarray(effect.kernel, jnp.float32),
                jnp.float32(effect.bias),
                jnp.asarray(SHARES * effect.scale, jnp.float32),
                spectral.constant_arrays(effect.normalization),
                jnp.asarray(weights, jnp.float32),
                settings=effect.spectrogram,
                spacing=effect.spacing,
            )
        )
        for stretch in stretches
    ]
    return invert(np.mean(curves, axis=0))


def invert(curve: np.ndarray) -> tuple[float, ...]:
    """Return the shares at which a curve over `SHARES` passes each of `AMOUNTS`.

    >>> [round(share, 3) for share in invert(2 * SHARES)][:3]
    [0.0, 0.062, 0.125]
    """
    # Strictly rising, so that each amount has one share.
    rising = np.maximum.accumulate(curve - curve[0]) + 1e-6 * SHARES
    reached = rising[-1] >= AMOUNTS
    shares = np.interp(AMOUNTS, rising, SHARES)
    count = int(reached.sum())
    if count < len(AMOUNTS):
        top = SHARES[-1] + 0.01 * len(AMOUNTS)
        shares[count - 1 :] = np.linspace(
            shares[count - 1], top, len(AMOUNTS) - count + 1
        )
    shares[0] = 0.0
    return tuple(float(share) for share in shares)


@functools.partial(jax.jit, static_argnames=("settings", "spacing"))
def _change_at(
    samples: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    factors: jax.Array,
    constants: Normalization,
    weights: jax.Array,
    *,
    settings: SpectrogramSettings,
    spacing: tuple[int, int],
) -> jax.Array:
    """Return a crop's change in units of the range at each factor on the pattern."""
    x = batch_lib.spectrograms(samples, settings, constants)
    pattern = cak.detect(x, kernel, bias, spacing)
    hearing = Hearing(Sound(samples, constants, settings), weights, spacing[1])

    def change(factor: jax.Array) -> jax.Array:
        y = cak.apply_pattern(x, pattern, factor)
        return heard.measure({}, y, x, hearing)[0]

    return jax.lax.map(change, factors)


@functools.partial(jax.jit, static_argnames=("settings", "frames_aside"))
def _measure_middle(
    samples: jax.Array, settings: SpectrogramSettings, frames_aside: int
) -> jax.Array:
    part = middle(samples, settings, frames_aside)
    return qualities.measure(part, settings.sample_rate)
