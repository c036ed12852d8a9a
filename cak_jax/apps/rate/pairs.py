"""Which two files are compared next, and ratings that fit the comparisons; pure.

The comparisons are read as in the model of Bradley and Terry (1952): the first of two
files is said to have more with probability `sigmoid(score_1 - score_2)`.
"""

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from cak_jax.apps.rate.order import SEED

FIRST, SECOND, EQUAL = 1, 2, 0
# Comparisons that a file takes part in before a new file is taken in. Of 1 to 6, 6 give
# the most certain ratings, so that a training refuses the fewest
# (`experiments/rating_count.py`).
PER_FILE = 6
# Files that are enough for a reader of their ratings.
ENOUGH = 40
# Of the penalty on squared scores, because a file that won every time would otherwise
# have an infinite score.
RIDGE = 0.2
# The ratings' mean, standard deviation and ends, so that they fill a scale of 0 to 9.
MEAN, SPREAD, LOWEST, HIGHEST = 4.5, 2.0, 0.0, 9.0
_STEPS = 50


class Comparison(NamedTuple):
    """Two files, and which one has more: `FIRST`, `SECOND` or `EQUAL`."""

    first: str
    second: str
    more: int

    @property
    def files(self) -> frozenset[str]:
        """The two files in any order."""
        return frozenset((self.first, self.second))


def fit(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Return the score of each compared file, with a mean of 0.

        max_s sum_c y_c log p_c + (1 - y_c) log(1 - p_c) - ridge / 2 |s|^2,
        p_c = sigmoid(s_first - s_second)

    `y` is 1 where the first file has more, 0 where the second has, 1/2 where both are
    equal. Newton's method.

    >>> scores = fit([Comparison("a", "b", FIRST)])
    >>> scores["a"] == -scores["b"] and scores["a"] > 0
    True
    """
    names = list(dict.fromkeys(n for c in comparisons for n in (c.first, c.second)))
    place = {name: number for number, name in enumerate(names)}
    design = np.zeros((len(comparisons), len(names)))
    for row, comparison in enumerate(comparisons):
        design[row, place[comparison.first]] += 1.0
        design[row, place[comparison.second]] -= 1.0
    outcomes = {FIRST: 1.0, SECOND: 0.0, EQUAL: 0.5}
    outcome = np.array([outcomes[comparison.more] for comparison in comparisons])
    scores = np.zeros(len(names))
    for _ in range(_STEPS):
        chance = 1.0 / (1.0 + np.exp(-design @ scores))
        gradient = design.T @ (outcome - chance) - RIDGE * scores
        weighted = design * (chance * (1.0 - chance))[:, None]
        hessian = design.T @ weighted + RIDGE * np.eye(len(names))
        step = np.linalg.solve(hessian, gradient)
        # At most 1 each, because a full step can overshoot where chances are extreme.
        scores += np.clip(step, -1.0, 1.0)
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    return dict(zip(names, map(float, scores), strict=True))


def ratings_of(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Return the rating of each compared file, from 0 to 9, with two decimals.

    The scores are moved and scaled to a mean of 4.5 and a standard deviation of 2. All
    are 4.5 where the scores are equal.
    """
    scores = fit(comparisons)
    values = np.array(list(scores.values()))
    deviation = values.std() if len(values) else 0.0
    scale = SPREAD / deviation if deviation > 1e-6 else 0.0
    return {
        name: round(float(np.clip(MEAN + scale * score, LOWEST, HIGHEST)), 2)
        for name, score in scores.items()
    }


def next_pair(
    order: Sequence[str],
    comparisons: Sequence[Comparison],
    skipped: Collection[frozenset[str]] = (),
) -> tuple[str, str] | None:
    """Return the two files to compare next; None if all pairs were compared.

    A new file is taken in when each of the others has taken part in `PER_FILE`
    comparisons on average. Every pair holds the file with the fewest comparisons, and,
    among those that it was not compared with, the one whose score is nearest: its
    outcome is the least certain. A new file is compared with one that is known, so
    that all comparisons are connected. Which of the two is first is drawn at random.

    Args:
      order: of the files that can be played, in which new ones are taken in.
      comparisons: so far; they may name other files.
      skipped: pairs that are not asked again.
    """
    counts = dict.fromkeys(order, 0)
    for name in (name for c in comparisons for name in c.files if name in counts):
        counts[name] += 1
    closed = {c.files for c in comparisons} | set(skipped)
    scores = fit(comparisons)
    known = [name for name in order if counts[name]]
    new = [name for name in order if not counts[name]]
    due = sum(counts.values()) >= PER_FILE * len(known)
    # Fewest comparisons first; of equal counts, the order decides.
    asking = sorted(known, key=counts.__getitem__)
    asking = [*new, *asking] if due else [*asking, *new]
    for name in asking:
        partners = [
            other
            for other in (known or order)
            if other != name and frozenset((name, other)) not in closed
        ]
        if partners:
            score = scores.get(name, 0.0)
            nearest = min(
                partners, key=lambda o: (abs(scores.get(o, 0.0) - score), counts[o])
            )
            pair = [name, nearest]
            random.Random(f"{SEED}:{len(comparisons)}:{name}").shuffle(pair)
            return pair[0], pair[1]
    return None


def planned(files: int) -> int:
    """Return the number of comparisons that are enough for a folder of so many files.

    They give each of `ENOUGH` files `PER_FILE` comparisons.

    >>> planned(200), planned(40), planned(2), planned(1)
    (120, 120, 1, 0)
    """
    files = min(files, ENOUGH)
    return min(files * (files - 1) // 2, -(-files * PER_FILE // 2))
