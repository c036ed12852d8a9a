"""Agreement of measured values with requested ones, from numbers alone."""

import numpy as np

# The turns of the knob at which an effect is measured.
CONTROLS = np.linspace(0.0, 1.0, 21)
SHUFFLES = 100


def fit(controls: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Compare measured with requested values, all clips pooled.

    Args:
      controls: requested, `[control]`.
      measured: `[clip, control]`.

    Returns:
      "slope" and "intercept" of the least-squares line; "slope_sd", the standard
      deviation of the slope over clips; "r2" and "mae" (mean absolute error) of the
      measured value as an estimate of the requested one; for comparison "r2_if_mean",
      "mae_if_mean", "r2_if_zero" and "mae_if_zero" of an estimate that is always the
      mean of the requests, or always 0.
    """
    requested = np.broadcast_to(controls[None, :], measured.shape)
    fitted, zero = compare(requested, measured), compare(requested, 0 * requested)
    return fitted | {
        "slope_sd": float(np.polyfit(controls, measured.T, 1)[0].std()),
        "intercept": float(measured.mean() - fitted["slope"] * requested.mean()),
        "r2_if_mean": 0.0,
        "mae_if_mean": float(np.abs(requested - requested.mean()).mean()),
        "r2_if_zero": zero["r2"],
        "mae_if_zero": zero["mae"],
    }


def compare(requested: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Return "slope", "r2" and "mae", as `fit` does, of arrays of one shape."""
    spread, error = requested - requested.mean(), measured - requested
    total = np.sum(spread**2)
    return {
        "slope": float(np.sum(spread * measured) / total),
        "r2": float(1 - np.sum(error**2) / total),
        "mae": float(np.abs(error).mean()),
    }


def per_clip(controls: np.ndarray, measured: np.ndarray) -> dict[str, dict[str, float]]:
    """Fit every clip alone; return the median, least and greatest of the fits.

    Returns:
      "slope", "intercept", "r2", "mae", each with "median", "min", "max".
    """
    fits = [fit(controls, row[None]) for row in measured]
    summary = {}
    for name in ("slope", "intercept", "r2", "mae"):
        values = [fitted[name] for fitted in fits]
        median = float(np.median(values))
        summary[name] = {"median": median, "min": min(values), "max": max(values)}
    return summary


def shuffled(controls: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Compare the measured values with the requests in random order.

    This shows the result of no agreement. A perfect effect is expected to reach slope 0
    and `R2 = 1 - E[sum (c' - c)^2] / sum (c - mean)^2 = 1 - 2 = -1`.

    Returns:
      "slope", "r2" and "mae": means over `SHUFFLES` shuffles from a fixed seed.
    """
    generator = np.random.default_rng(0)
    requested = np.tile(controls, len(measured))
    fits = [
        compare(generator.permutation(requested), measured.ravel())
        for _ in range(SHUFFLES)
    ]
    return {name: float(np.mean([fit[name] for fit in fits])) for name in fits[0]}
