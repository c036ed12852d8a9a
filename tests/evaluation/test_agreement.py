"""Agreement of requested and measured values: closed forms and scipy."""

import numpy as np
import pytest
from scipy import stats

from cak_jax.evaluation.agreement import (
    CONTROLS,
    fit,
    per_clip,
    shuffled,
)


def test_a_perfect_effect_with_shuffled_requests():
    """E[sum (c' - c)^2] = 2 sum (c - mean)^2: R2 -1, slope 0; MAE by its own sum."""
    found = shuffled(CONTROLS, np.tile(CONTROLS, (40, 1)))
    # 100 shuffles of 840 values: the slope's standard error is 0.1 / sqrt(839).
    assert found["slope"] == pytest.approx(0, abs=5 * 0.1 / 839**0.5)
    assert found["r2"] == pytest.approx(-1, abs=10 * 0.1 / 839**0.5)
    expected = np.abs(CONTROLS[:, None] - CONTROLS[None]).mean()
    assert found["mae"] == pytest.approx(expected, abs=3e-3)


def test_a_constant_does_not_care_for_shuffles():
    values = np.full((3, len(CONTROLS)), 0.5)
    found, fitted = shuffled(CONTROLS, values), fit(CONTROLS, values)
    assert found["slope"] == pytest.approx(0, abs=1e-12)
    assert found["r2"] == pytest.approx(fitted["r2_if_mean"], abs=1e-12)
    assert found["mae"] == pytest.approx(fitted["mae_if_mean"])


def test_per_clip_equals_scipy():
    noise = np.random.default_rng(0).normal(size=(5, 21)) * 0.1
    values = np.array([0.2, 0.6, 0.9, 1.0, 1.4])[:, None] * CONTROLS + noise
    found = per_clip(CONTROLS, values)
    lines = [stats.linregress(CONTROLS, row) for row in values]
    for name in ("slope", "intercept"):
        own = [getattr(line, name) for line in lines]
        expected = {"median": np.median(own), "min": min(own), "max": max(own)}
        assert found[name] == pytest.approx(expected)
    total = len(CONTROLS) * np.var(CONTROLS)
    r2 = 1 - ((values - CONTROLS) ** 2).sum(axis=1) / total
    assert found["r2"]["min"] == pytest.approx(r2.min())
    mae = np.abs(values - CONTROLS).mean(axis=1)
    assert found["mae"]["median"] == pytest.approx(np.median(mae))


def test_a_perfect_fit_and_its_controls():
    arrays = CONTROLS, np.tile(CONTROLS, (4, 1))
    assert fit(*arrays)["slope"] == pytest.approx(1)
    assert fit(*arrays)["r2"] == pytest.approx(1)
    assert per_clip(*arrays)["r2"] == pytest.approx({"median": 1, "min": 1, "max": 1})
    assert shuffled(*arrays)["r2"] < -0.9
