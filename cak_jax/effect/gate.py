"""An effect's gate on plain numbers: `model/cak.py` with the effect's constants."""

import math

import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.model import cak


def gated(effect: Effect, controls: np.ndarray | float) -> np.ndarray:
    """Return `c * gate(c)` of raw controls, any shape, in float64; 0 at 0."""
    controls = np.asarray(controls, np.float64)
    return np.asarray(cak.strength(controls, effect.threshold, effect.temperature))


def amount(effect: Effect, control: float) -> float:
    """Return `c * gate(c) * scale`, the factor on the pattern; exactly 0 at 0."""
    return float(gated(effect, control)) * effect.scale


def calibrate(effect: Effect, share: float) -> float:
    """Return the control whose `c * gate(c)` equals `share`: the gate inverted.

    Equal turns of a calibrated knob give equal change of the spectrogram.

    Args:
      share: of the full effect, at least 0.
    """
    if not math.isfinite(share) or share < 0:
        raise EffectError(f"amount must be a finite number, at least 0, got {share}")
    # For control >= 0, c * gate(c) rises without bound, so that doubling ends.
    low, high = 0.0, 1.0
    while gated(effect, high) < share:
        high *= 2.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gated(effect, middle) < share else (low, middle)
    return 0.5 * (low + high) if share > 0 else 0.0
