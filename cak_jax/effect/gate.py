"""An effect's gate on plain numbers: `model/cak.py` with the effect's constants."""

import math

import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.model import cak
from cak_jax.model.arrays import Array, array_module


def gated(effect: Effect, controls: np.ndarray | float) -> np.ndarray:
    """Return `c * gate(c)` of raw controls, any shape, in float64; 0 at 0."""
    controls = np.asarray(controls, np.float64)
    return np.asarray(cak.strength(controls, effect.threshold, effect.temperature))


def amount(effect: Effect, control: float) -> float:
    """Return `c * gate(c) * scale`, the factor on the pattern; exactly 0 at 0."""
    return float(gated(effect, control)) * effect.scale


def share(effect: Effect, amounts: Array) -> Array:
    """Return the shares of the pattern at amounts of the even knob: `c * gate(c)`.

    Straight lines between the points of `effect.knob`; the last one goes on beyond 1.
    An effect without that table gives the amounts back.

    Args:
      amounts: a number, or an array of NumPy or JAX of any shape, at least 0.

    >>> import dataclasses
    >>> from cak_jax.effect.effect import Effect
    >>> plain = Effect("a", ((0.0, 0.0, 0.0),) * 3, 0.0, 1.0)
    >>> table = (0.0, 0.5, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 2.0)
    >>> curved = dataclasses.replace(plain, knob=table)
    >>> share(plain, 0.25), [float(share(curved, a)) for a in (0.0625, 0.25, 1.125)]
    (0.25, [0.25, 1.0, 2.5])
    """
    if effect.knob is None:
        return amounts
    xp = array_module(amounts)
    last = len(effect.knob) - 2
    knob, position = xp.asarray(effect.knob, float), xp.asarray(amounts) * (last + 1)
    floor = xp.clip(xp.floor(position), 0, last)
    index = floor.astype(int)
    return knob[index] + (position - floor) * (knob[index + 1] - knob[index])


def calibrate(effect: Effect, amount: float) -> float:
    """Return the control whose `c * gate(c)` is the share of an amount.

    Equal turns of a calibrated knob give equal change: of the effect's quality if the
    effect has a knob table, of the spectrogram otherwise.

    Args:
      amount: of the even knob, at least 0.
    """
    if not math.isfinite(amount) or amount < 0:
        raise EffectError(f"amount must be a finite number, at least 0, got {amount}")
    target = float(share(effect, amount))
    # For control >= 0, c * gate(c) rises without bound, so that doubling ends.
    low, high = 0.0, 1.0
    while gated(effect, high) < target:
        high *= 2.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gated(effect, middle) < target else (low, middle)
    return 0.5 * (low + high) if target > 0 else 0.0
