"""Pairs and crops: counts, order and ranges by the docstrings' formulas."""

import collections

import numpy as np
import pytest

from cak_jax.data import pairs
from cak_jax.runtime.errors import InputError


def uniform(count, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 1.0, count).astype(np.float32)


def rng():
    return np.random.default_rng(7)


def test_steps_per_epoch():
    assert pairs.steps_per_epoch(200, 16) == 25
    assert pairs.steps_per_epoch(8, 16) == 1
    assert pairs.steps_per_epoch(9, 4) == 4
    for clips in (2, 3, 10, 143, 144):
        times = pairs.times_of(clips, 8, 36)
        assert pairs.steps_per_epoch(clips, 8, 36) == 36
        # As seldom as the least steps allow.
        assert times * clips >= 36 * 8
        assert times == 2 or (times - 1) * clips < 36 * 8
    assert pairs.steps_per_epoch(200, 8, 36) == 50
    with pytest.raises(InputError, match=r"of 17 .* 16 items .* 8 training clips"):
        pairs.steps_per_epoch(8, 17)


def by_hand(labels):
    order = sorted(range(len(labels)), key=lambda clip: labels[clip])
    half = len(labels) // 2
    return [(order[i], order[half + i]) for i in range(half)]


@pytest.mark.parametrize("count", [2, 5, 10, 200])
def test_paper_pairs_are_by_rank_and_all_used(count):
    labels = uniform(count)
    low, high = pairs.transformation_pairs(labels, "paper", rng())
    expected = by_hand(labels)
    used = collections.Counter(zip(low.tolist(), high.tolist(), strict=True))
    assert set(used) == set(expected)
    assert len(low) == len(high) == count
    assert max(used.values()) - min(used.values()) <= 1


@pytest.mark.parametrize("count", [2, 6, 7, 10, 12, 200])
def test_published_code_reaches_what_its_index_reaches(count):
    labels = uniform(count)
    low, high = pairs.transformation_pairs(labels, "published_code", rng())
    found = by_hand(labels)
    # The published data set, item by item: odd ones transform.
    expected = [found[idx % (count // 2)] for idx in range(2 * count) if idx % 2]
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == expected


def test_published_code_uses_half_the_pairs_of_200_clips():
    low, high = pairs.transformation_pairs(uniform(200), "published_code", rng())
    used = collections.Counter(zip(low.tolist(), high.tolist(), strict=True))
    assert len(used) == 50 and set(used.values()) == {4}
    # For an odd n // 2 the odd numbers reach every pair: 6 clips, 3 pairs, twice.
    low, high = pairs.transformation_pairs(uniform(6), "published_code", rng())
    used = collections.Counter(zip(low.tolist(), high.tolist(), strict=True))
    assert len(used) == 3 and set(used.values()) == {2}


def test_random_pairs():
    labels = uniform(100)
    low, high = pairs.transformation_pairs(labels, "random", rng())
    assert len(low) == 100
    assert (labels[low] < labels[high]).all()
    assert (low != high).all()
    # The difference of two uniform draws on [0.1, 1] has density 2 (0.9 - c) / 0.81:
    # mean 0.3, and the whole of (0, 0.9).
    control = np.concatenate(
        [
            items.control[items.low != items.high]
            for items in (pairs.epoch_items(labels, "random", 0, e) for e in range(50))
        ]
    )
    assert control.mean() == pytest.approx(0.3, abs=0.02)
    share = np.histogram(control, 3, (0, 0.9))[0] / len(control)
    np.testing.assert_allclose(share, [5 / 9, 3 / 9, 1 / 9], atol=0.04)


def test_random_pairs_of_equal_labels_ask_for_nothing():
    low, high = pairs.transformation_pairs(np.full(10, 0.5), "random", rng())
    assert (low != high).all()


@pytest.mark.parametrize("pairing", pairs.PAIRINGS[:3])
def test_an_epoch_has_as_many_of_either_kind(pairing):
    labels = uniform(21)
    items = pairs.epoch_items(labels, pairing, 3, 4)
    assert len(items) == 42
    identity = items.low == items.high
    # Every clip once with itself, asked for nothing.
    assert sorted(items.low[identity]) == list(range(21))
    assert not items.control[identity].any()
    other = ~identity
    expected = labels[items.high[other]] - labels[items.low[other]]
    np.testing.assert_array_equal(items.control[other], expected)
    assert (items.control[other] > 0).all()
    # Shuffled together: the kinds do not come as two blocks.
    assert np.diff(identity.astype(int)).any() and identity[:21].sum() not in (0, 21)


@pytest.mark.parametrize("pairing", pairs.PAIRINGS)
def test_items_are_a_function_of_seed_and_epoch(pairing):
    def draw(seed, epoch):
        items = pairs.epoch_items(uniform(40), pairing, seed, epoch)
        return [items.low.tolist(), items.high.tolist()]

    assert draw(1, 2) == draw(1, 2)
    assert len({str(draw(*where)) for where in ((1, 2), (1, 3), (2, 2), (2, 1))}) == 4


def test_uniform_labels_ask_for_0_45_in_the_papers_pairing():
    # Rank i against rank i + n/2 of uniform labels on [0.1, 1]: half the range.
    items = pairs.epoch_items(uniform(2000), "paper", 0, 0)
    control = items.control[items.low != items.high]
    np.testing.assert_allclose(control, 0.45, atol=0.05)
    even = np.linspace(0.1, 1.0, 200)
    items = pairs.epoch_items(even, "paper", 0, 0)
    control = items.control[items.low != items.high]
    np.testing.assert_allclose(control, 0.9 * 100 / 199, rtol=1e-6)


def test_take_keeps_the_arrays_together():
    items = pairs.epoch_items(uniform(8), "paper", 0, 0)
    part = items.take(np.array([3, 0]))
    assert len(part) == 2
    for name in ("low", "high", "control"):
        whole = getattr(items, name)
        assert getattr(part, name).tolist() == [whole[3], whole[0]]


def test_crops_stay_inside_the_content():
    hop, frames, count = 100, 20, 12
    starts = rng().integers(0, 3000, count)
    content = np.stack([starts, starts + rng().integers(2500, 6000, count)], axis=1)
    items = pairs.epoch_items(uniform(count), "random", 0, 0)
    seen = []
    for step in range(300):
        low, high = pairs.crop_starts(items, content, frames, hop, (0, 0, step))
        for clips, first in ((items.low, low), (items.high, high)):
            begin, end = content[clips].T
            assert (first >= begin // hop).all()
            # The last frame's centre lies inside too.
            assert ((first + frames - 1) * hop <= end).all()
        identity = items.low == items.high
        np.testing.assert_array_equal(low[identity], high[identity])
        seen.append(low)
    # Every place a crop may start at is reached, both ends included.
    low = np.array(seen)
    for index, clip in enumerate(items.low):
        begin, end = content[clip]
        assert low[:, index].min() == begin // hop
        assert low[:, index].max() == end // hop + 1 - frames
        break  # the first item alone has had 300 draws over at most 41 places


def test_two_sides_of_a_pair_are_drawn_apart():
    content = np.tile([0, 100_000], (40, 1))
    items = pairs.epoch_items(uniform(40), "random", 0, 0)
    low, high = pairs.crop_starts(items, content, 10, 100, (1, 2, 3))
    other = items.low != items.high
    assert (low[other] != high[other]).mean() > 0.95
    again = pairs.crop_starts(items, content, 10, 100, (1, 2, 3))
    np.testing.assert_array_equal(low, again[0])
    np.testing.assert_array_equal(high, again[1])
    later, _ = pairs.crop_starts(items, content, 10, 100, (1, 2, 4))
    assert (low != later).mean() > 0.95


def test_a_crop_of_short_content_starts_with_it():
    content = np.array([[0, 500], [700, 900]])
    items = pairs.Items(np.array([0, 1]), np.array([1, 0]), np.array([0.5, 0.5]))
    low, high = pairs.crop_starts(items, content, 20, 100, (0, 0, 0))
    assert low.tolist() == [0, 7] and high.tolist() == [7, 0]


def test_refusals():
    for count in (0, 1):
        with pytest.raises(InputError, match=f"at least 2 clips, got {count}"):
            pairs.transformation_pairs(uniform(count), "paper", rng())
    with pytest.raises(ValueError, match=r"pairing must be one of .*'papper'"):
        pairs.transformation_pairs(uniform(4), "papper", rng())


@pytest.mark.parametrize(("count", "times"), [(2, 2), (5, 7), (200, 2)])
def test_uniform_items_cover_the_knob_evenly(count, times):
    labels = uniform(count)
    items = pairs.epoch_items(labels, "uniform", 3, 1, times)
    assert len(items) == times * count
    assert np.bincount(items.low, minlength=count).tolist() == [times] * count
    # One control in each of equal parts of the turn.
    places = np.sort(np.floor(items.control * times * count).astype(int))
    assert places.tolist() == list(range(times * count))
    again = pairs.epoch_items(labels, "uniform", 3, 1, times)
    np.testing.assert_array_equal(items.control, again.control)
    other = pairs.epoch_items(labels, "uniform", 3, 2, times)
    assert not np.array_equal(items.control, other.control)


def test_uniform_targets_are_the_nearest_labels():
    labels = uniform(40)
    items = pairs.epoch_items(labels, "uniform", 0, 0)
    for low, high, control in zip(items.low, items.high, items.control, strict=True):
        missed = np.abs(labels - (labels[low] + control))
        assert missed[high] == pytest.approx(missed.min(), abs=1e-6)
