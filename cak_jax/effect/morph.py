"""Morph: one effect between several.

The pattern of an effect is linear in `scale * kernel` and `scale * bias`. If all else
is equal, the weighted sum of these gives the weighted sum of the effects' patterns.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from cak_jax import __version__
from cak_jax.effect.effect import Effect, Quality
from cak_jax.effect.schema import STRAIGHT, EffectError
from cak_jax.model.spectrogram_settings import Normalization
from cak_jax.runtime.text import printable

FEWEST, MOST = 2, 16
NAME_CHARACTERS = 200


def morph(
    effects: Sequence[Effect], weights: Sequence[float], name: str = ""
) -> Effect:
    """Return the effect between several.

        scale * kernel = sum_i w_i scale_i kernel_i     (and so scale * bias)

    Threshold, temperature and the four normalisation constants are weighted sums too.
    The spectrogram's settings are the first effect's, because they are whole numbers
    that belong together. All effects must have the same spacing, because a sum of
    kernels whose cells lie elsewhere is no kernel.

    Quality and knob are kept only where all effects of a weight above 0 have the same
    quality, by name and unit: its range, its target if all have one, and the knob's
    table are weighted sums then.
    An effect without a table counts as the straight line. Elsewhere both are dropped.

    Args:
      effects: 2 to 16.
      weights: one each, at least 0, not all 0; they are divided by their sum.
      name: of the result; the effects' names and percentages if empty.

    Returns:
      The effect. If only one weight is above 0, it has that effect's numbers, with the
      sign of a negative scale moved into kernel and bias.

    Raises:
      EffectError: too few or too many effects, a wrong weight, different spacings.
    """
    if not FEWEST <= len(effects) <= MOST:
        raise EffectError(
            f"a morph takes {FEWEST} to {MOST} effects, got {len(effects)}"
        )
    shares = normalise_weights(weights, len(effects))
    for effect in effects:
        if effect.spacing != effects[0].spacing:
            raise EffectError(
                f"a morph takes effects of one spacing: {printable(effects[0].name)} "
                f"has {_spacing(effects[0])}, {printable(effect.name)} has "
                f"{_spacing(effect)}"
            )
    numbers = np.array([_numbers(effect) for effect in effects])
    threshold, temperature, *constants = _mixed(shares, numbers)
    quality, knob = _knob(effects, shares)
    # The scale is a sum of magnitudes, because signed scales that cancel out would make
    # the kernel grow without bound.
    scales = np.array([effect.scale for effect in effects])
    parts = shares * scales
    scale = float(np.abs(parts).sum())
    parts = parts / scale if scale else parts
    kernel = np.tensordot(parts, [effect.kernel for effect in effects], 1)
    bias = parts @ np.array([effect.bias for effect in effects])
    return Effect(
        name=name or _name(effects, shares),
        kernel=tuple((float(a), float(b), float(c)) for a, b, c in kernel),
        bias=float(bias),
        scale=scale,
        threshold=threshold,
        temperature=temperature,
        spectrogram=effects[0].spectrogram,
        normalization=Normalization(*constants),
        spacing=effects[0].spacing,
        quality=quality,
        knob=knob,
        provenance={
            "cak_jax": __version__,
            "morph": [
                {"name": effect.name, "weight": float(share)}
                for effect, share in zip(effects, shares, strict=True)
            ],
            "spectrogram_of": effects[0].name,
        },
    )


def normalise_weights(weights: Sequence[float], count: int) -> np.ndarray:
    """Return weights divided by their sum, `[count]` float64.

    Raises:
      EffectError: the weights are not one for each effect, finite, at least 0, and not
        all 0.
    """
    if len(weights) != count:
        raise EffectError(
            f"weights must be one for each of {count}, got {len(weights)}"
        )
    wrong = [weight for weight in weights if not 0.0 <= weight < float("inf")]
    if wrong:
        raise EffectError(f"weights must be finite and at least 0, got {wrong[0]}")
    most = max(weights)
    if most == 0:
        raise EffectError("weights must not all be 0")
    # Divided by the greatest first, because the sum of huge weights is not finite.
    shares = np.array(weights, np.float64) / most
    return np.asarray(shares / shares.sum())


def _mixed(shares: np.ndarray, rows: np.ndarray) -> list[float]:
    # Equal numbers are kept, because a sum would make 0.30000000000000004 of 0.3.
    equal = np.all(rows == rows[0], axis=0)
    return list(map(float, np.where(equal, rows[0], shares @ rows)))


def _knob(
    effects: Sequence[Effect], shares: np.ndarray
) -> tuple[Quality | None, tuple[float, ...] | None]:
    heard = [effect for effect, share in zip(effects, shares, strict=True) if share > 0]
    qualities = [effect.quality for effect in heard]
    kinds = [
        quality
        and dataclasses.replace(quality, range=1.0, target=None, companions=None)
        for quality in qualities
    ]
    if any(kind != kinds[0] for kind in kinds):
        return None, None
    weights, quality, knob = shares[shares > 0], qualities[0], None
    if quality is not None:
        ranges = np.array([[quality.range] for quality in qualities if quality])
        [mixed] = _mixed(weights, ranges)
        targets = np.array([[each.target] for each in qualities if each], float)
        [target] = [None] if np.isnan(targets).any() else _mixed(weights, targets)
        # What one training asked for beside the quality is not said of a mixture.
        quality = dataclasses.replace(
            quality, range=mixed, target=target, companions=None
        )
    if any(effect.knob is not None for effect in heard):
        tables = np.array([effect.knob or STRAIGHT for effect in heard])
        knob = tuple(_mixed(weights, tables))
    return quality, knob


def _spacing(effect: Effect) -> str:
    bins, frames = effect.spacing
    return f"{bins} by {frames} (bins by frames)"


def _numbers(effect: Effect) -> tuple[float, ...]:
    constants = tuple(effect.normalization)
    return effect.threshold, effect.temperature, *constants


def _name(effects: Sequence[Effect], shares: np.ndarray) -> str:
    parts = zip(effects, shares, strict=True)
    named = (f"{effect.name}-{round(100 * share)}" for effect, share in parts)
    return "-".join(named)[:NAME_CHARACTERS]
