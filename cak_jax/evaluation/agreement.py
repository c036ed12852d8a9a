"""How well measured values agree with requested ones: pure numbers."""

from typing import Any

import numpy as np

CONTROLS = np.linspace(0.0, 1.0, 21)
SHUFFLES = 100


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


def fit_with_controls(controls: np.ndarray, measured: np.ndarray) -> dict[str, Any]:
    """Return `fit`, its spread over clips, and the same with shuffled requests.

    Args:
      controls: requested, `[control]`.
      measured: `[clip, control]`.

    Returns:
      `fit` and "per_clip" (`per_clip`) and "shuffled" (`shuffled`).
    """
    return fit(controls, measured) | {
        "per_clip": per_clip(controls, measured),
        "shuffled": shuffled(controls, measured),
    }


def per_clip(controls: np.ndarray, measured: np.ndarray) -> dict[str, dict]:
    """Return the fit of every clip alone: its median, least and greatest.

    Args:
      controls: requested, `[control]`.
      measured: `[clip, control]`.

    Returns:
      "slope", "intercept", "r2", "mae", each with "median", "min", "max".
    """
    own = [fit(controls, row[None]) for row in measured]
    summary = {}
    for name in ("slope", "intercept", "r2", "mae"):
        values = np.array([fitted[name] for fitted in own])
        summary[name] = {
            "median": float(np.median(values)),
            "min": float(values.min()),
            "max": float(values.max()),
        }
    return summary


def shuffled(controls: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Compare the measured values with requests that were dealt out at random.

    What remains is no agreement: a perfect effect is expected to reach slope 0 and
    `R2 = 1 - E[sum (c' - c)^2] / sum (c - mean)^2 = 1 - 2 = -1`.

    Args:
      controls: requested, `[control]`.
      measured: `[clip, control]`.

    Returns:
      "slope", "r2" and "mae", means over `SHUFFLES` shuffles of a fixed seed.
    """
    generator = np.random.default_rng(0)
    requested = np.tile(controls, len(measured))
    values = measured.ravel()
    spread = requested - requested.mean()
    total = np.sum(spread**2)
    found = []
    for _ in range(SHUFFLES):
        order = generator.permutation(len(requested))
        error = values - requested[order]
        slope = np.sum(spread[order] * values) / total
        found.append((slope, 1 - np.sum(error**2) / total, np.abs(error).mean()))
    means = np.mean(found, axis=0)
    return dict(zip(("slope", "r2", "mae"), map(float, means), strict=True))
