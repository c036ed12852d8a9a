"""Whether an effect can be trusted and when it stopped changing, in plain words."""

from typing import Any

import numpy as np

from cak_jax.evaluation import heard

# R2 of the audit from which on the knob does what it says, and from which on it at
# least goes the right way.
GOOD, FAIR = 0.97, 0.5
# For effects that name a quality, measured on rendered sound. The slope of the change
# that is made on the change that is asked for may be this far from 1. At the first
# window, because 10 % of a change is hardly heard; at the other one, because it is the
# same sound looked at in another way, and the training never saw it.
SLOPE_OFF, OTHER_SLOPE_OFF = 0.1, 0.15
# R2 of the change from which on different sounds follow the knob about equally. It is
# lower than `GOOD`, because sounds differ more than the number that the game reads.
EVEN = 0.8
# Share of the steps of the knob that give more, because a step that gives less is heard
# as a fault; one in twenty may be a clip that has no more to give.
RISING = 0.95
# Change of level at full turn, dB: what is beyond is heard as louder or softer first.
LEVEL_DB = 3.0
# Slope and share of rising steps from which on the knob at least goes the right way.
FAIR_SLOPE, FAIR_RISING = 0.5, 0.75
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


def heard_quality(measured: dict[str, Any]) -> dict[str, Any] | None:
    """Return what was heard of the effect's quality; None for an effect without one."""
    quality: dict[str, Any] | None = measured.get("heard", {}).get("quality")
    return quality


def evenness(quality: dict[str, Any]) -> float:
    """Return the R2 of the change of single clips, at the first window.

    It is of one change for all clips, or of each clip's own way to the target, the
    higher one: by either rule a person knows what a turn will do.
    """
    first = next(iter(quality["windows"].values()))
    return float(max(fit["r2"] for fit in (first, first.get("to_target", first))))


def heard_faults(measured: dict[str, Any]) -> list[str]:
    """Say what fails of an effect with a quality, in plain words; [] if all is well."""
    quality = heard_quality(measured)
    assert quality is not None, "only effects with a quality are heard"
    if not heard.is_finite(measured["heard"]):
        return ["the effect makes infinite samples"]
    (_, first), (window, other) = quality["windows"].items()
    faults = []
    if abs(first["slope"] - 1) > SLOPE_OFF:
        way = "goes too far" if first["slope"] > 1 else "falls short"
        faults.append(f"the knob {way}: {first['slope']:.2f} of what is asked")
    if abs(other["slope"] - 1) > OTHER_SLOPE_OFF:
        faults.append(
            f"measured again in frames of {window} samples it makes "
            f"{other['slope']:.2f} of what is asked"
        )
    if evenness(quality) < EVEN:
        faults.append(
            f"sounds differ in how far they follow: R2 {evenness(quality):.3f}, and "
            f"{EVEN:g} is needed"
        )
    if quality["rising_share"] < RISING:
        falling = 1 - quality["rising_share"]
        faults.append(f"{falling:.0%} of the knob's steps give no more than before")
    level = measured["heard"]["side_effects"]["level_db"]
    if abs(level) > LEVEL_DB:
        faults.append(f"the level changes by {level:+.1f} dB at full turn")
    if not measured["bit_exact_at_0"]:
        faults.append("amount 0 still changes the sound")
    return faults


def trustworthy(measured: dict[str, Any], audit: str) -> bool:
    """Say whether the effect does what is asked, and leaves the sound alone at 0.

    An effect with a quality is judged by what is heard; others by the audit. `measured`
    is of `evaluate.evaluate`.
    """
    if heard_quality(measured) is not None:
        return not heard_faults(measured)
    good = measured["audit"][audit]["calibrated"]["r2"] >= GOOD
    return bool(good and measured["bit_exact_at_0"])


def plainly(measured: dict[str, Any], audit: str) -> str:
    """Say whether the knob can be trusted and what fails first, without statistics.

    `measured` is of `evaluate.evaluate`. The text has no full stop.
    """
    if trustworthy(measured, audit):
        return "You can trust the knob, it makes as much of the change as it says"
    if heard_quality(measured) is not None:
        faults, right_way = heard_faults(measured), _goes_the_right_way(measured)
    else:
        fitted = measured["audit"][audit]["calibrated"]
        faults = ["amount 0 still changes the sound"]
        if fitted["r2"] < GOOD:
            faults = [f"it makes {fitted['slope']:.2f} of what is asked, unevenly"]
        right_way = fitted["r2"] >= FAIR
    verdict = "Use it with care" if right_way else "Do not trust it"
    return f"{verdict}, {faults[0].partition(': R2')[0]}"


def _goes_the_right_way(measured: dict[str, Any]) -> bool:
    """Say whether a heard effect's knob does something of what is asked."""
    quality = measured["heard"]["quality"]
    if not heard.is_finite(measured["heard"]):
        return False
    first = next(iter(quality["windows"].values()))
    return bool(first["slope"] >= FAIR_SLOPE and quality["rising_share"] >= FAIR_RISING)


def sentence(measured: dict[str, Any], audit: str, held_out: bool | None) -> str:
    """Say whether the effect makes the requested change, and how that was measured.

    `held_out` is None where nobody knows whether the clips were trained on.
    """
    kind = {True: "held-out clips", False: "training clips", None: "clips"}[held_out]
    if heard_quality(measured) is not None:
        text = _heard_verdict(measured, kind)
    else:
        text = _audit_verdict(measured, audit, kind)
    if held_out is False:
        text += " Nothing was held out, so the effect may differ on other sounds."
    return text


def _heard_verdict(measured: dict[str, Any], kind: str) -> str:
    quality, faults = measured["heard"]["quality"], heard_faults(measured)
    if not heard.is_finite(measured["heard"]):
        return f"Not trustworthy, {faults[0]}."
    (_, first), (window, other) = quality["windows"].items()
    clips = f"on {measured['heard']['clips']} {kind}"
    if not faults:
        return (
            f"Trustworthy: --amount of apply makes {first['slope']:.2f} of the "
            f"requested change, {other['slope']:.2f} in frames of {window} samples, R2 "
            f"{evenness(quality):.3f}, {clips}."
        )
    right_way = _goes_the_right_way(measured)
    verdict = "Use with care" if right_way else "Not trustworthy"
    return f"{verdict}, {clips} {'; '.join(faults)}."


def _audit_verdict(measured: dict[str, Any], audit: str, kind: str) -> str:
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
    clips = f"{measured['clips'] - silent} {kind}"
    if silent:
        clips += f" ({silent} more are too quiet to tell)"
    return (
        f"{verdict}: the effect makes {fitted['slope']:.2f} of the requested change "
        f"(--amount of apply, measured by the {audit} audit), R2 {fitted['r2']:.3f}, "
        f"mean error {fitted['mae']:.3f}, on {clips}; the worst clip has R2 "
        f"{fitted['per_clip']['r2']['min']:.3f}."
    )


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
