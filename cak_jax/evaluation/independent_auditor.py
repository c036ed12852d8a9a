"""An auditor other than the detector: it reads the requested value from the sound.

The auditor is a ridge regression from simple features of the dry and the wet sound to
the requested control. It predicts only for files that it was not fitted on.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cak_jax.evaluation.agreement import compare, fit

FOLDS = 5
# Of the penalty; the one that predicts best is used.
STRENGTHS = tuple(10.0**power for power in range(-4, 5))
SEED = 0
# Of each clip the group that it belongs to.
Groups = Sequence[Any] | np.ndarray


def ridge(
    features: np.ndarray, target: np.ndarray, strengths: Sequence[float]
) -> Callable[[np.ndarray], np.ndarray]:
    """Fit a linear model with a penalty on its weights, features standardised.

        min_w mean (z w + mean(y) - y)^2 + strength |w|^2,   z = (x - mean) / sd

    Args:
      features: `[row, feature]`; constant ones get weight 0.
      target: `[row]`.
      strengths: of the penalty `[strength]`; all share one decomposition.

    Returns:
      A function from `[row, feature]` to predictions `[row, strength]`.
    """
    centre, spread = features.mean(axis=0), features.std(axis=0)
    # A constant feature gets weight 0: its spread is rounding noise.
    spread = np.where(spread > 1e-6 * (1 + np.abs(centre)), spread, np.inf)
    z = (features - centre) / spread
    offset = target.mean()
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    projected = vectors.T @ (z.T @ (target - offset) / len(z))
    shrunk = np.maximum(values, 0.0)[:, None] + np.asarray(strengths)
    weights = vectors @ (projected[:, None] / shrunk)
    return lambda rows: (rows - centre) / spread @ weights + offset


def folds(groups: Groups, count: int) -> np.ndarray:
    """Divide groups among `count` folds, fewer if there are fewer groups.

    A group, such as a file, stays in one fold; the folds have about as many clips each.
    Returns the fold of each clip, `[clip]`.
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


def predict(features: np.ndarray, target: np.ndarray, groups: Groups) -> np.ndarray:
    """Predict every clip's values with a model that was fitted on other groups.

    The penalty of each fold is the one of `STRENGTHS` that predicts best in a
    cross-validation within the training clips of that fold.

    Args:
      features: `[clip, control, feature]`.
      target: `[clip, control]`.
      groups: of each clip, at least 2 different ones.

    Returns:
      `[clip, control]`, within the range of `target`.
    """
    fold, labels = folds(groups, FOLDS), np.asarray(groups)
    predicted = np.empty(target.shape)
    for number in range(fold.max() + 1):
        training = fold != number
        strength = choose_strength(
            features[training], target[training], labels[training]
        )
        model = ridge(_rows(features[training]), target[training].ravel(), [strength])
        held_out = features[~training]
        predicted[~training] = model(_rows(held_out)).reshape(held_out.shape[:2])
    # The range of the requests is known, so a prediction beyond it becomes its end.
    return np.clip(predicted, target.min(), target.max())


def choose_strength(features: np.ndarray, target: np.ndarray, groups: Groups) -> float:
    """Return the penalty that predicts other groups best, 1 for a single group.

    The arguments are those of `predict`.
    """
    fold = folds(groups, FOLDS)
    if fold.max() == 0:  # strengths cannot be compared on a single group
        return 1.0
    errors = np.zeros(len(STRENGTHS))
    for number in range(fold.max() + 1):
        training = fold != number
        model = ridge(_rows(features[training]), target[training].ravel(), STRENGTHS)
        residual = model(_rows(features[~training])) - target[~training].reshape(-1, 1)
        errors += np.sum(residual**2, axis=0)
    return STRENGTHS[int(np.argmin(errors))]


def _rows(features: np.ndarray) -> np.ndarray:
    return features.reshape(-1, features.shape[-1])


def judge(
    features: np.ndarray, controls: np.ndarray, groups: Groups
) -> dict[str, Any] | None:
    """Predict the requested values, and shuffled requests for comparison.

    Args:
      features: `[clip, control, feature]`.
      controls: requested, `[control]`.
      groups: of each clip.

    Returns:
      `agreement.fit` of the predictions, and in "shuffled" the "slope", "r2" and
      "mae" of an auditor that was fitted on every clip's requests in random order.
      None where there are fewer than 2 groups.
    """
    if len(set(groups)) < 2:
        return None
    target = np.tile(controls, (len(features), 1))
    document = fit(controls, predict(features, target, groups))
    shuffled = np.random.default_rng(SEED).permuted(target, axis=1)
    predicted = predict(features, shuffled, groups)
    return document | {"shuffled": compare(shuffled, predicted)}
