"""The evaluation of an effect: audit, knob, null and change, as one document."""

from typing import Any

import numpy as np

from cak_jax import cak, losses, measure
from cak_jax.effect import Effect, calibrate

CONTROLS = np.linspace(0.0, 1.0, 21)


def fit(controls: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Compare requested with measured values, all clips pooled.

    Args:
      controls: requested, `[control]`.
      measured: `[clip, control]`.

    Returns:
      "slope" and "intercept" of least squares; "r2" and "mae" of taking the measured
      value for the requested one; "slope_sd", the slopes' spread over clips; and "r2"
      and "mae" of the trivial answers "the mean" and "0" for comparison.
    """
    requested = np.broadcast_to(controls[None, :], measured.shape)
    slope, intercept = np.polyfit(requested.ravel(), measured.ravel(), 1)
    per_clip = np.polyfit(controls, measured.T, 1)[0]
    total = np.sum((requested - requested.mean()) ** 2)
    error = measured - requested
    return {
        "slope": float(slope),
        "slope_sd": float(per_clip.std()),
        "intercept": float(intercept),
        "r2": float(1 - np.sum(error**2) / total),
        "mae": float(np.abs(error).mean()),
        "r2_if_mean": 0.0,
        "mae_if_mean": float(np.abs(requested - requested.mean()).mean()),
        "r2_if_zero": float(1 - np.sum(requested**2) / total),
        "mae_if_zero": float(np.abs(requested).mean()),
    }


def evaluate(
    effect: Effect,
    rows: measure.Rows,
    count: int,
    measured: dict[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Measure the audit, the knob and the change on held-out clips.

    Args:
      effect: what to evaluate.
      rows: gives clip i as `[samples]` float32 at the effect's sample rate.
      count: number of clips, at least 1.
      measured: `measure_clips` of the same, if it is there already.

    Returns:
      The document of `evaluation.json`; numbers finite or None. "null_db" is None
      when the residual at control 0 is nothing at all.
    """
    measured = measured or measure.measure_clips(effect, rows, count)
    calibrated = np.array([calibrate(effect, c) for c in CONTROLS])
    document = {"audit": {}, "clips": count}
    for audit in losses.AUDITS:
        curves = {
            name: measure.audit_curve(effect, measured["ends"], controls, audit)
            for name, controls in (("raw", CONTROLS), ("calibrated", calibrated))
        }
        document["audit"][audit] = {k: fit(CONTROLS, v) for k, v in curves.items()}
    quiet = measured["ends"][:, losses.AUDITS.index("relative"), 0] == 0
    document["audit"]["relative"]["quiet_share"] = float(quiet.mean())
    document["null_db"] = measure.null_db(effect, rows, count)
    document["knob"] = knob(effect)
    document["change"] = {
        "control": list(measure.CHANGE_CONTROLS),
        "spectral_distance_db": measured["distance_db"].mean(axis=0).tolist(),
        "level_change_db": measured["level_db"].mean(axis=0).tolist(),
        "monotonic_share": float(
            (np.diff(measured["distance_db"], axis=1) > 0).all(axis=1).mean()
        ),
    }
    return document


def knob(effect: Effect) -> dict[str, float]:
    """Describe the raw knob: where it does nothing, and its steepest step.

    Returns:
      "dead_zone": share of 0..1 in which the effect stays below 1% of that at 1;
      "largest_step": largest change over 1/20 of the turn, the mean change being 1.
    """
    fine = np.linspace(0, 1, 1001)
    curve = np.asarray(cak.strength(fine, effect.threshold, effect.temperature))
    share = curve / curve[-1]
    dead = np.flatnonzero(share < 0.01)
    steps = np.diff(share[:: (len(fine) - 1) // (len(CONTROLS) - 1)])
    return {
        "dead_zone": float(fine[dead[-1]]) if len(dead) else 0.0,
        "largest_step": float(np.abs(steps).max() * len(steps)),
    }
