"""Comparisons: the fit against closed forms and scipy, and the choice of pairs."""

import doctest
import math

import numpy as np
import pytest
import scipy.optimize

from cak_jax.apps.rate import pairs
from cak_jax.apps.rate.pairs import EQUAL, FIRST, SECOND, Comparison

NAMES = [f"{n:02d}.wav" for n in range(30)]


def compared(count, noise=1.0, seed=0, names=NAMES):
    """Compare pairs as they are chosen; a later name has more, with noise."""
    generator = np.random.default_rng(seed)
    done = []
    while len(done) < count:
        first, second = pairs.next_pair(names, done)
        values = [4 * names.index(name) / len(names) for name in (first, second)]
        difference = values[0] - values[1] + noise * generator.logistic()
        done.append(Comparison(first, second, FIRST if difference > 0 else SECOND))
    return done


def test_examples():
    assert doctest.testmod(pairs).failed == 0


def test_one_comparison_has_a_closed_form():
    """The gradient is 1 - p = ridge s, with s the score of the first."""
    scores = pairs.fit([Comparison("a", "b", FIRST)])
    s = scores["a"]
    assert 1 - 1 / (1 + math.exp(-2 * s)) == pytest.approx(pairs.RIDGE * s)
    mirrored = pairs.fit([Comparison("a", "b", SECOND)])
    assert mirrored["b"] == pytest.approx(s)
    assert pairs.fit([Comparison("a", "b", EQUAL)]) == {"a": 0.0, "b": 0.0}
    assert pairs.fit([]) == {} and pairs.ratings_of([]) == {}


def test_the_fit_is_the_optimum():
    done = [*compared(60), Comparison("00.wav", "29.wav", EQUAL)]
    scores = pairs.fit(done)
    names = list(scores)

    def loss(values):
        by_name = dict(zip(names, values, strict=True))
        total = pairs.RIDGE / 2 * np.sum(values**2)
        for first, second, more in done:
            difference = by_name[first] - by_name[second]
            share = {FIRST: 1.0, SECOND: 0.0, EQUAL: 0.5}[more]
            total += share * np.logaddexp(0, -difference)
            total += (1 - share) * np.logaddexp(0, difference)
        return total

    best = scipy.optimize.minimize(loss, np.zeros(len(names)), tol=1e-10)
    np.testing.assert_allclose(list(scores.values()), best.x, atol=1e-4)
    assert sum(scores.values()) == pytest.approx(0, abs=1e-9)


def test_a_file_that_always_wins_has_a_finite_score():
    done = [Comparison("a", f"{n}", FIRST) for n in range(50)]
    scores = pairs.fit(done)
    assert 2 < scores["a"] < 50 and max(scores, key=scores.get) == "a"


def test_ratings_fill_the_scale():
    ratings = pairs.ratings_of(compared(90, noise=0.3))
    values = np.array([*ratings.values()])
    assert values.min() >= 0 and values.max() <= 9
    assert values.mean() == pytest.approx(4.5, abs=0.1)
    assert values.std() == pytest.approx(2, abs=0.1)
    truth = [NAMES.index(name) for name in ratings]
    assert np.corrcoef(truth, values)[0, 1] > 0.8
    assert pairs.ratings_of([Comparison("a", "b", EQUAL)]) == {"a": 4.5, "b": 4.5}


def test_pairs_are_new_connected_and_take_in_files_in_order():
    done = compared(90)
    assert len({c.files for c in done}) == 90
    group = {done[0].first, done[0].second}
    for comparison in done[1:]:
        assert comparison.files & group, "not connected"
        group |= comparison.files
    assert group == set(NAMES)
    # Each file takes part in six, the last ones in one at least.
    counts = [sum(name in c.files for c in done) for name in NAMES]
    assert np.mean(counts) == pairs.PER_FILE and min(counts) >= 1 and max(counts) <= 14
    early = {name for c in done[:15] for name in c.files}
    assert early <= set(NAMES[:14])


def test_neighbours_are_compared():
    """The scores of a known file and its partner are nearer than by chance."""
    done = compared(90, noise=0.3)
    near, far = [], []
    for step in range(90, 120):
        scores = pairs.fit(done)
        first, second = pairs.next_pair(NAMES, done)
        near.append(abs(scores[first] - scores[second]))
        far.append(np.mean([abs(scores[first] - s) for s in scores.values()]))
        more = FIRST if NAMES.index(first) > NAMES.index(second) else SECOND
        done.append(Comparison(first, second, more))
        assert len(done) == step + 1
    assert np.mean(near) < 0.5 * np.mean(far)


def test_neither_side_is_preferred():
    done = compared(60)
    newer = sum(c.first > c.second for c in done)
    assert 18 < newer < 42


def test_skipped_pairs_and_the_end():
    assert pairs.next_pair([], []) is None and pairs.next_pair(["a"], []) is None
    names, done = ["a", "b", "c"], []
    first = pairs.next_pair(names, [])
    assert set(first) == {"a", "b"}
    second = pairs.next_pair(names, [], {frozenset(first)})
    assert set(second) == {"a", "c"}
    while pair := pairs.next_pair(names, done):
        done.append(Comparison(*pair, EQUAL))
    assert {c.files for c in done} == {
        frozenset("ab"),
        frozenset("ac"),
        frozenset("bc"),
    }
    # Comparisons of files that are gone count for the scores, not for the choice.
    gone = [Comparison("x", "a", FIRST)]
    assert set(pairs.next_pair(names, gone)) <= {"a", "b", "c"}
