"""Whether an effect can be trusted and when it stopped changing, in plain words."""

from typing import Any

import numpy as np

# R2 of the audit from which on the knob does what it says, and from which on it at
# least goes the right way.
GOOD, FAIR = 0.97, 0.5
# An effect has stopped changing when it stays this near to the last epoch's.
STILL = 0.02


def settling(patterns: np.ndarray) -> dict[str, float | int | None]:
    """Say after which epoch an effect stopped changing.

    The change is that of `kernel * scale`, as a share of its norm at the end. Under a
    learning rate that falls to 0 every run stops; what then counts is how early.

    Args:
      patterns: `kernel * scale` after every epoch, `[epoch, 3, 3]`, at least one.

    Returns:
      "epoch" (from 1) from which on it stayed within 2% of its end, None if it still
      moved by more in the last one or there is only one; "last_change", the share by
      which the last epoch moved it, None if there is only one.
    """
    patterns = np.asarray(patterns, np.float64)
    if len(patterns) < 2:
        return {"epoch": None, "last_change": None}
    norm = max(float(np.linalg.norm(patterns[-1])), 1e-12)
    distance = np.linalg.norm(patterns - patterns[-1], axis=(1, 2))
    moving = np.flatnonzero(distance > STILL * norm)
    first_still = int(moving[-1]) + 1 if len(moving) else 0
    # The last epoch is always near itself, so a second one is needed.
    settled = first_still < len(patterns) - 1
    return {
        "epoch": first_still + 1 if settled else None,
        "last_change": float(distance[-2] / norm),
    }


def trustworthy(measured: dict[str, Any], audit: str) -> bool:
    """Say whether the effect's audit is met, and control 0 leaves the sound as it is.

    `measured` is of `evaluate.evaluate`.
    """
    good = measured["audit"][audit]["calibrated"]["r2"] >= GOOD
    return bool(good and measured["bit_exact_at_0"])


def sentence(measured: dict[str, Any], audit: str, held_out: bool) -> str:
    """Say whether the effect makes the requested change, and how that was measured."""
    fitted = measured["audit"][audit]["calibrated"]
    quiet_share = measured["audit"][audit].get("quiet_share", 0.0)
    silent = round(quiet_share * measured["clips"])
    if trustworthy(measured, audit):
        verdict = "Trustworthy"
    elif fitted["r2"] >= GOOD:
        verdict = "Use with care, control 0 still changes the sound"
    elif fitted["r2"] >= FAIR:
        verdict = "Use with care, the knob goes the right way but its scale is inexact"
    else:
        verdict = "Not trustworthy, treat the knob as a plain amount"
    kind = "held-out" if held_out else "training"
    clips = f"{measured['clips'] - silent} {kind} clips"
    if silent:
        clips += f" ({silent} more are too quiet to tell)"
    text = (
        f"{verdict}: the effect makes {fitted['slope']:.2f} of the requested change "
        f"(--amount of apply, measured by the {audit} audit), R2 {fitted['r2']:.3f}, "
        f"mean error {fitted['mae']:.3f}, on {clips}; the worst clip has R2 "
        f"{fitted['per_clip']['r2']['min']:.3f}."
    )
    if not held_out:
        text += " Nothing was held out, so the effect may differ on other sounds."
    return text


def settled_sentence(settled: dict[str, Any], epochs: int) -> str:
    """Say when the effect stopped changing by `settling`; "" after a single epoch."""
    if settled["last_change"] is None:
        return ""
    if settled["epoch"] is None:
        return (
            f"The effect was still changing, by {settled['last_change']:.0%} in the "
            f"last of {epochs} epochs: more epochs would change it further."
        )
    return (
        f"The effect stopped changing after epoch {settled['epoch']} of {epochs}: "
        f"later patterns differ from the last one by {STILL:.0%} at most."
    )
