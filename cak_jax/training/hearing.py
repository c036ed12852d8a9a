"""What a heard game asks for, and its even knob: both measured on the training clips.

The range of a quality is that of the training clips, from the 10th to the 90th
percentile of crops like those of the game. The target is one range beyond their mean,
so full turn asks for the range on average, for more of a sound that has little of the
quality, and for less of one that has much. After the training, range and target are
those that the effect reaches at full turn. The knob is the curve from amount to share
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
# Shares of the pattern that the knob is measured at, up to the full pattern, which is
# what was trained; and the knob's points.
SHARES = np.linspace(0.0, 1.0, 11)
AMOUNTS = np.array(STRAIGHT)
# An effect that makes less of the range than this has not learned it; its range stays.
LEARNED = 0.05


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
    name, sign = split(source)
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
    column = values[:, list(WORDS).index(name)]
    low, high = np.percentile(column, PERCENTS)
    if not high - low > 1e-3:
        raise ConfigError(
            f"corpus.labels: all training clips have the same {name} "
            f"({low:.3g} {WORDS[name].unit}); add sounds that differ in it, or ask for "
            "another quality"
        )
    span = float(high - low)
    leads_to = float(column.mean()) + sign * span
    return Quality(source, WORDS[name].unit, span, target=leads_to)


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
    """Return a snapshot whose effect has an even knob, if its game has a quality.

    Range and target of the quality become those that the effect reaches.
    """
    effect = snapshot.effect()
    if effect is None or effect.quality is None:
        return snapshot
    curve, reading = mean_response(effect, snapshot.corpus)
    reached, knob = fit_knob(curve)
    quality = within_reach(effect.quality, reached, reading)
    return dataclasses.replace(snapshot, quality=quality, knob=knob)


def within_reach(quality: Quality, reached: float, reading: float) -> Quality:
    """Return a quality whose range is the part of it that an effect reaches.

    The target lies that far beyond the mean of the clips that the knob is fitted on.

    Args:
      quality: that was asked for.
      reached: share of its range.
      reading: mean of the dry clips, in units of its range, as `reader` reads.

    >>> nearer = within_reach(Quality("-attack", "natural log", 0.5), 0.8, 2.0)
    >>> nearer.range, nearer.target
    (0.4, -1.4)
    """
    sign = 1 if quality.reader is not None else split(quality.name)[1]
    target = sign * quality.range * (reading + reached)
    return dataclasses.replace(quality, range=quality.range * reached, target=target)


def mean_response(effect: Effect, corpus: Corpus) -> tuple[np.ndarray, float]:
    """Return what the training clips do at `SHARES` of the pattern, in the mean.

    Returns:
      The change `[share]`, and the reading of the dry clips, in units of the range.
    """
    assert effect.quality is not None  # a heard game has one
    weights = reader(effect.quality)
    span = round(KNOB_SECONDS * effect.spectrogram.sample_rate)
    stretches = [
        batch_lib.gather_clip(loudest(corpus.audio[clip], span), effect.spectrogram)
        for clip in spread_clips(corpus.training, KNOB_CLIPS)
    ]
    aside = effect.spacing[1]
    readings = [
        np.asarray(_measure_middle(stretch, effect.spectrogram, aside)) @ weights
        for stretch in stretches
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
    return np.mean(curves, axis=0), float(np.mean(readings))


def fit_knob(curve: np.ndarray) -> tuple[float, tuple[float, ...]]:
    """Return what an effect reaches of the range, at most 1, and its even knob.

    The knob has the shares of the pattern at amounts 0, 1/8, ... 1: there the change is
    that share of what is reached. Where hardly anything is reached, 1 and the straight
    knob.

    Args:
      curve: of `mean_response`, over `SHARES`.

    >>> reached, knob = fit_knob(2 * SHARES)
    >>> reached, [round(share, 3) for share in knob][:3]
    (1.0, [0.0, 0.062, 0.125])
    >>> reached, knob = fit_knob(0.8 * SHARES)
    >>> round(reached, 3), [round(share, 3) for share in knob][:3]
    (0.8, [0.0, 0.125, 0.25])
    """
    reached = min(1.0, float(curve.max() - curve[0]))
    if not reached > LEARNED:
        return 1.0, STRAIGHT
    # Strictly rising, so that each amount has one share.
    rising = np.maximum.accumulate(curve - curve[0]) + 1e-6 * SHARES
    shares = np.interp(reached * AMOUNTS, rising, SHARES)
    return reached, tuple(float(share) for share in shares)


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
