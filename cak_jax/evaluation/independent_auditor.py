"""An auditor that is not the detector: can anyone else read the requested value?

Ridge regression from simple features of dry and wet sound to the requested control,
always judged on files that it was not fitted on. Numpy only.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cak_jax.evaluation.agreement import fit

FOLDS = 5
STRENGTHS = tuple(10.0**power for power in range(-4, 5))
SEED = 0


def ridge(
    features: np.ndarray, target: np.ndarray, strengths: Sequence[float]
) -> Callable[[np.ndarray], np.ndarray]:
    """Fit a line with a penalty on its weights, features standardised.

        min_w mean (z w + mean(y) - y)^2 + strength |w|^2,   z = (x - mean) / sd

    Args:
      features: `[row, feature]`; constant ones get weight 0.
      target: `[row]`.
      strengths: of the penalty, several at the price of one.

    Returns:
      A function from `[row, feature]` to predictions `[row, strength]`.
    """
    centre, spread = features.mean(axis=0), features.std(axis=0)
    # Rounding noise of a constant feature must not be blown up to a standard one.
    spread = np.where(spread > 1e-6 * (1 + np.abs(centre)), spread, np.inf)
    z = (features - centre) / spread
    offset = target.mean()
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    projected = vectors.T @ (z.T @ (target - offset) / len(z))
    shrunk = np.maximum(values, 0.0)[:, None] + np.asarray(strengths)
    weights = vectors @ (projected[:, None] / shrunk)
    return lambda rows: (rows - centre) / spread @ weights + offset


def folds(groups: Sequence, count: int) -> np.ndarray:
    """Deal groups out to `count` folds, as even in clips as groups allow.

    Args:
      groups: per clip what must not be cut, such as its file.
      count: folds, at most as many as there are groups.

    Returns:
      The fold of each clip, `[clip]`.
    """
    names, inverse, sizes = np.unique(
        np.asarray(groups), return_inverse=True, return_counts=True
    )
    order = np.random.default_rng(SEED).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    count = min(count, len(names))
    load = np.zeros(count, int)
    fold = np.zeros(len(names), int)
    for name in order:
        fold[name] = np.argmin(load)
        load[fold[name]] += sizes[name]
    return fold[inverse]


def predict(features: np.ndarray, target: np.ndarray, groups: Sequence) -> np.ndarray:
    """Predict every clip's values from what was learned on other groups' clips.

    The penalty of each fold is the one of `STRENGTHS` that predicts best across the
    groups of that fold's own training clips.

    Args:
      features: `[clip, control, feature]`.
      target: `[clip, control]`.
      groups: per clip, at least 2 different ones.

    Returns:
      `[clip, control]`, within the range of `target`.
    """
    fold = folds(groups, FOLDS)
    groups = np.asarray(groups)
    predicted = np.empty(target.shape)
    for number in range(fold.max() + 1):
        inside = fold != number
        strength = _choose(features[inside], target[inside], groups[inside])
        model = ridge(_rows(features[inside]), target[inside].ravel(), [strength])
        judged = features[~inside]
        predicted[~inside] = model(_rows(judged)).reshape(judged.shape[:2])
    # What is asked for lies in a known range; an answer beyond it is the nearest end.
    return np.clip(predicted, target.min(), target.max())


def _choose(features, target, groups) -> float:
    fold = folds(groups, FOLDS)
    if fold.max() == 0:  # one file to learn from: nothing to compare strengths on
        return 1.0
    errors = np.zeros(len(STRENGTHS))
    for number in range(fold.max() + 1):
        inside = fold != number
        model = ridge(_rows(features[inside]), target[inside].ravel(), STRENGTHS)
        residual = model(_rows(features[~inside])) - target[~inside].reshape(-1, 1)
        errors += np.sum(residual**2, axis=0)
    return STRENGTHS[int(np.argmin(errors))]


def _rows(features: np.ndarray) -> np.ndarray:
    return features.reshape(-1, features.shape[-1])


def judge(
    features: np.ndarray, controls: np.ndarray, groups: Sequence
) -> dict[str, Any] | None:
    """Let the auditor predict the requested values, and shuffled ones for control.

    Args:
      features: `[clip, control, feature]`.
      controls: requested, `[control]`.
      groups: per clip what must not be cut, such as its file.

    Returns:
      `agreement.fit` of the predictions, and "shuffled", "slope", "r2" and "mae" of
      an auditor that was given every clip's values in random order. None where
      there are fewer than 2 groups.
    """
    if len(set(groups)) < 2:
        return None
    target = np.tile(controls, (len(features), 1))
    document = fit(controls, predict(features, target, groups))
    dealt = np.random.default_rng(SEED).permuted(target, axis=1)
    predicted = predict(features, dealt, groups)
    spread = dealt - dealt.mean()
    error = predicted - dealt
    document["shuffled"] = {
        "slope": float(np.sum(spread * predicted) / np.sum(spread**2)),
        "r2": float(1 - np.sum(error**2) / np.sum(spread**2)),
        "mae": float(np.abs(error).mean()),
    }
    return document
