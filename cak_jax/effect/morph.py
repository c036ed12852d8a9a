"""Morph: one effect between several.

The pattern of an effect is linear in `scale * kernel` and `scale * bias`. If all else
is equal, the weighted sum of these gives the weighted sum of the effects' patterns.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from cak_jax import __version__
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.model.spectrogram_settings import Normalization

FEWEST, MOST = 2, 16
NAME_CHARACTERS = 200


def morph(
    effects: Sequence[Effect], weights: Sequence[float], name: str = ""
) -> Effect:
    """Return the effect between several.

        scale * kernel = sum_i w_i scale_i kernel_i     (and so scale * bias)

    Threshold, temperature and the four normalisation constants are weighted sums too.
    The spectrogram's settings are the first effect's, because they are whole numbers
    that belong together.

    Args:
      effects: 2 to 16.
      weights: one each, at least 0, not all 0; they are divided by their sum.
      name: of the result; the effects' names and percentages if empty.

    Returns:
      The effect. If only one weight is above 0, it has that effect's numbers, with the
      sign of a negative scale moved into kernel and bias.

    Raises:
      EffectError: too few or too many effects, or a wrong weight.
    """
    if not FEWEST <= len(effects) <= MOST:
        raise EffectError(
            f"a morph takes {FEWEST} to {MOST} effects, got {len(effects)}"
        )
    shares = normalise_weights(weights, len(effects))
    numbers = np.array([_numbers(effect) for effect in effects])
    # Equal numbers are kept, because a sum would make 0.30000000000000004 of 0.3.
    equal = np.all(numbers == numbers[0], axis=0)
    mixed = np.where(equal, numbers[0], shares @ numbers)
    threshold, temperature, *constants = map(float, mixed)
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


def _numbers(effect: Effect) -> tuple[float, ...]:
    constants = dataclasses.astuple(effect.normalization)
    return effect.threshold, effect.temperature, *constants


def _name(effects: Sequence[Effect], shares: np.ndarray) -> str:
    parts = zip(effects, shares, strict=True)
    named = (f"{effect.name}-{round(100 * share)}" for effect, share in parts)
    return "-".join(named)[:NAME_CHARACTERS]
