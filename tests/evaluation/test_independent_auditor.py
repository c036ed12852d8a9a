"""The auditor: scipy and a linear system as oracles, and what it must not find."""

import numpy as np
import pytest
from scipy import optimize

from cak_jax.evaluation import independent_auditor
from cak_jax.evaluation.agreement import CONTROLS


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 5)) * [1, 10, 0.1, 3, 1] + [0, 5, -2, 0, 1]
    return features, features @ [0.3, -0.02, 2, 0, 0.1] + 0.3 * rng.normal(size=60)


@pytest.mark.parametrize("strength", [1e-4, 0.3, 100.0])
def test_ridge_equals_the_normal_equations(table, strength):
    features, target = table
    z = (features - features.mean(axis=0)) / features.std(axis=0)
    gram = z.T @ z + strength * len(z) * np.eye(5)
    weights = np.linalg.solve(gram, z.T @ (target - target.mean()))
    found = independent_auditor.ridge(features, target, [strength, 1.0])(features)[:, 0]
    np.testing.assert_allclose(found, z @ weights + target.mean(), rtol=1e-9)


def test_ridge_is_the_minimum_scipy_finds(table):
    features, target = table
    z = (features - features.mean(axis=0)) / features.std(axis=0)
    centred = target - target.mean()

    def loss(w):
        return np.mean((z @ w - centred) ** 2) + 0.5 * np.sum(w**2)

    weights = optimize.minimize(loss, np.zeros(5), tol=1e-12).x
    found = independent_auditor.ridge(features, target, [0.5])(features)[:, 0]
    np.testing.assert_allclose(found, z @ weights + target.mean(), atol=1e-5)


def test_a_constant_feature_counts_for_nothing(table):
    features, target = table
    wider = np.concatenate([features, np.full((60, 1), 7.3)], axis=1)
    narrow = independent_auditor.ridge(features, target, [0.1])(features)
    model = independent_auditor.ridge(wider, target, [0.1])
    np.testing.assert_allclose(model(wider), narrow, rtol=1e-9)
    wider[:, -1] = 1e6
    np.testing.assert_allclose(model(wider), narrow, rtol=1e-9)


def test_folds_do_not_cut_files_and_are_even():
    groups = ["a"] * 7 + ["b"] * 6 + [f"s{i}" for i in range(12)]
    fold = independent_auditor.folds(groups, 5)
    assert len(set(fold[:7])) == 1 and len(set(fold[7:13])) == 1
    assert set(fold) == set(range(5))
    assert np.bincount(fold).max() == 7  # as even as a file of 7 clips allows
    np.testing.assert_array_equal(fold, independent_auditor.folds(groups, 5))
    assert set(independent_auditor.folds(["x", "y", "x"], 5)) == {0, 1}


def test_noise_tells_nothing():
    features = np.random.default_rng(0).normal(size=(20, 21, 30))
    found = independent_auditor.judge(features, CONTROLS, list(range(20)))
    assert found["r2"] < 0.02 and abs(found["slope"]) < 0.05
    assert found["mae"] == pytest.approx(found["mae_if_mean"], abs=0.02)


def test_a_feature_that_is_the_control_tells_all():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(10, 21, 4))
    features[:, :, 2] = 3 * CONTROLS - 1
    found = independent_auditor.judge(features, CONTROLS, list(range(10)))
    assert found["r2"] > 0.999 and found["slope"] == pytest.approx(1, abs=1e-3)
    assert found["shuffled"]["r2"] < 0.05
    assert abs(found["shuffled"]["slope"]) < 0.05


def test_what_only_its_own_file_knows_is_no_help():
    """A file's own code for the control, read off by memory alone, is worth nothing."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 4)
    codes = rng.normal(size=(6, 21, 21))
    features = np.stack([codes[own] for own in groups])
    inside = independent_auditor.ridge(
        features.reshape(-1, 21), np.tile(CONTROLS, len(groups)), [1e-4]
    )
    seen = inside(features.reshape(-1, 21))[:, 0] - np.tile(CONTROLS, len(groups))
    assert np.mean(seen**2) < 0.9 * np.var(CONTROLS)
    assert independent_auditor.judge(features, CONTROLS, groups.tolist())["r2"] < 0.02


def test_one_file_cannot_be_judged():
    assert independent_auditor.judge(np.zeros((3, 21, 2)), CONTROLS, ["a"] * 3) is None


def test_two_files_can():
    features = np.tile(CONTROLS[None, :, None], (2, 1, 1))
    found = independent_auditor.judge(features, CONTROLS, ["a", "b"])
    assert found["slope"] == pytest.approx(0.5, abs=1e-6)  # penalty 1 halves it
