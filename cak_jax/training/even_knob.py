"""The even knob of a heard game, fitted on the training clips.

After the training, range and target of the quality are those that the effect reaches
at full turn. The knob is the curve from amount to share of the pattern at which the
quality has moved by that amount of the range.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch as batch_lib
from cak_jax.data.clips import spread_clips
from cak_jax.data.corpus import Corpus
from cak_jax.effect.effect import Effect, Quality
from cak_jax.effect.quality import reader
from cak_jax.effect.schema import STRAIGHT
from cak_jax.evaluation.knob_response import HEARD_SECONDS, loudest
from cak_jax.evaluation.over_clips import over_clips
from cak_jax.model import cak, spectral
from cak_jax.model.audits import heard
from cak_jax.model.quality_names import WORDS, split
from cak_jax.model.resynthesis import Sound
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.training.snapshot import Snapshot

# Training clips that the knob is measured on, each at its loudest; the curve is their
# mean.
KNOB_CLIPS = 32
# The knob's points, and shares of the pattern that it is measured at. The last is the
# full pattern, which is what was trained.
AMOUNTS = np.array(STRAIGHT)
SHARES = AMOUNTS
# An effect that makes less of the range than this has not learned it; its range stays.
LEARNED = 0.05


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

    A target lies that far beyond the mean of the clips that the knob is fitted on.

    Args:
      quality: that was asked for.
      reached: share of its range.
      reading: mean of the dry clips, in units of its range, as `reader` reads.

    >>> quality = Quality("attack", "natural log", 0.5, target=-1.0)
    >>> nearer = within_reach(quality, 0.8, -3.0)
    >>> nearer.range, nearer.target
    (0.4, -1.1)
    """
    leads_to = None
    if quality.target is not None:
        sign = 1 if quality.reader is not None else split(quality.name)[1]
        leads_to = sign * quality.range * (reading + reached)
    nearer = {name: reached * v for name, v in (quality.companions or {}).items()}
    return dataclasses.replace(
        quality,
        range=quality.range * reached,
        target=leads_to,
        companions=nearer or None,
    )


def mean_response(effect: Effect, corpus: Corpus) -> tuple[np.ndarray, float]:
    """Return what the training clips do at `SHARES` of the pattern, in the mean.

    Returns:
      The change `[share]`, and the reading of the dry clips, in units of the range.
    """
    assert effect.quality is not None  # a heard game has one
    weights = reader(effect.quality)
    span = round(HEARD_SECONDS * effect.spectrogram.sample_rate)
    stretches = [
        batch_lib.gather_clip(loudest(corpus.audio[clip], span), effect.spectrogram)
        for clip in spread_clips(corpus.training, KNOB_CLIPS)
    ]
    change_at = _change_program(effect.spectrogram, effect.spacing, len(stretches[0]))

    def respond(stretch: np.ndarray) -> tuple[np.ndarray, float]:
        change, reading = change_at(
            stretch[None],
            jnp.asarray(effect.kernel, jnp.float32),
            jnp.float32(effect.bias),
            jnp.asarray(SHARES[1:] * effect.scale, jnp.float32),
            spectral.constant_arrays(effect.normalization),
            jnp.asarray(weights, jnp.float32),
        )
        # Where nothing is added, nothing changes.
        return np.append(0.0, change), float(reading)

    curves, readings = zip(*over_clips(respond, stretches, "knob"), strict=True)
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


def compile_knob(
    settings: SpectrogramSettings, spacing: tuple[int, int], span: int
) -> None:
    """Compile what the even knob of an effect is measured with, for later.

    Args:
      settings, spacing: of the training.
      span: samples of a clip.
    """
    span = min(span, round(HEARD_SECONDS * settings.sample_rate))
    samples = batch_lib.crop_samples(settings.frames(span), settings)
    _change_program(settings, spacing, samples)


@functools.lru_cache(maxsize=4)
def _change_program(
    settings: SpectrogramSettings, spacing: tuple[int, int], samples: int
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Return the compiled program of `_change_at`, of a stretch of so many samples."""

    def array(*shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    constants = jax.tree.map(
        lambda _: array(), spectral.constant_arrays(Normalization())
    )
    program = jax.jit(functools.partial(_change_at, settings=settings, spacing=spacing))
    return program.lower(
        array(1, samples),
        array(3, 3),
        array(),
        array(len(SHARES) - 1),
        constants,
        array(len(WORDS)),
    ).compile()


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
) -> tuple[jax.Array, jax.Array]:
    """Return a crop's change at each factor on the pattern, and its dry reading.

    Both are in units of the range.
    """
    x = batch_lib.spectrograms(samples, settings, constants)
    pattern = cak.detect(x, kernel, bias, spacing)
    sound = Sound(samples, constants, settings)

    def change(factor: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = cak.apply_pattern(x, pattern, factor)
        hearing = heard.listen(y, x, sound, spacing[1], weights)
        return hearing.moved[0] @ weights, hearing.dry[0] @ weights

    changes, readings = jax.lax.map(change, factors)
    return changes, readings[0]
