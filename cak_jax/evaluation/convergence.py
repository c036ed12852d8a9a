"""Whether an effect can be trusted and when it stopped changing, in plain words."""

from typing import Any

import numpy as np

# R2 of the audit that makes an effect one that does what its knob says, and one that
# at least goes the right way.
GOOD, FAIR = 0.97, 0.5
# An effect has stopped changing where it stays this near its end.
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
    distance = np.linalg.norm(
        (patterns - patterns[-1]).reshape(len(patterns), -1), axis=1
    )
    moving = np.flatnonzero(distance > STILL * norm)
    first_still = int(moving[-1]) + 1 if len(moving) else 0
    # The end is near itself: of that alone nothing follows.
    settled = first_still < len(patterns) - 1
    return {
        "epoch": first_still + 1 if settled else None,
        "last_change": float(distance[-2] / norm),
    }


def trustworthy(measured: dict[str, Any], audit: str) -> bool:
    """Say whether an evaluation holds for the knob: audit met, nothing left at 0.

    Args:
      measured: of `evaluation.evaluate`.
      audit: that the effect was trained by.
    """
    good = measured["audit"][audit]["calibrated"]["r2"] >= GOOD
    return bool(good and measured["bit_exact_at_0"])


def sentence(measured: dict[str, Any], audit: str, held_out: bool) -> str:
    """Say whether the effect does what is asked of it, and how that is known.

    Args:
      measured, audit: as for `trustworthy`.
      held_out: whether the clips were kept from training.
    """
    found = measured["audit"][audit]["calibrated"]
    worst = found["per_clip"]["r2"]["min"]
    heard = measured["clips"]
    silent = round(measured["audit"][audit].get("quiet_share", 0.0) * heard)
    heard -= silent
    if trustworthy(measured, audit):
        verdict = "Trustworthy"
    elif found["r2"] >= GOOD:
        verdict = "Use with care, at 0 it is not the identity"
    elif found["r2"] >= FAIR:
        verdict = "Use with care, it goes the right way but its scale is not exact"
    else:
        verdict = "Not trustworthy, treat the knob as a plain amount"
    clips = f"{heard} {'held-out' if held_out else 'training'} clips"
    if silent:
        clips += f" ({silent} more are too quiet to tell)"
    caution = (
        "" if held_out else " Nothing was held out: on other sounds it may differ."
    )
    return (
        f"{verdict}: asked for a change (the {audit} audit, --amount of apply) it "
        f"makes {found['slope']:.2f} of it, R2 {found['r2']:.3f}, mean error "
        f"{found['mae']:.3f}, on {clips}, the worst of them R2 {worst:.3f}.{caution}"
    )


def settled_sentence(settled: dict[str, Any], epochs: int) -> str:
    """Say when the effect stopped changing; "" after a single epoch.

    Args:
      settled: of `settling`.
      epochs: that were trained.
    """
    if settled["last_change"] is None:
        return ""
    if settled["epoch"] is None:
        return (
            f"It was still changing, by {settled['last_change']:.0%} in the last of "
            f"{epochs} epochs: more epochs would go further."
        )
    return (
        f"It stopped changing after epoch {settled['epoch']} of {epochs}: from there "
        f"on its pattern stayed within {STILL:.0%} of its end."
    )
