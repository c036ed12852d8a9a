"""The order is random, fixed, and spread over the folder."""

import doctest

from cak_jax.apps.rate import order


def test_examples():
    assert doctest.testmod(order).failed == 0


def test_every_file_comes_once_and_the_order_is_fixed():
    for count in (1, 2, 24, 25, 26, 163):
        names = [f"{n:03d}.wav" for n in range(count)]
        drawn = order.spread_order(names)
        assert sorted(drawn) == names and drawn == order.spread_order(names[::-1])
    assert drawn != names and drawn != order.spread_order(names, seed=1)


def test_the_beginning_is_a_fair_sample():
    """The share of a subfolder in the first 25 and 40 is that in all, to one file."""
    sizes = {"bass": 20, "drums/kick": 60, "drums/snare": 80, "pads": 40}
    names = [f"{kind}/{n}.wav" for kind, size in sizes.items() for n in range(size)]
    for seed in range(20):
        drawn = order.spread_order(names, seed)
        for kind, size in sizes.items():
            first = sum(name.startswith(kind) for name in drawn[:25])
            assert abs(first - 25 * size / 200) <= 1
            first = sum(name.startswith(kind) for name in drawn[:50])
            assert abs(first - 50 * size / 200) <= 2


def test_what_was_skipped_comes_last():
    names = ["a", "b", "c"]
    assert order.next_name(names, {}, []) == "a"
    assert order.next_name(names, {"a", "b"}, ["c", "b"]) == "c"
    assert order.next_name(names, {"a", "b", "c"}, ["a"]) is None
    assert order.next_name(names, {}, ["b", "a", "c"]) == "b"
