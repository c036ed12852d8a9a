"""Effects in a plane: closed forms, and the page that plays them."""

import re

import numpy as np
import pytest

from cak_jax.sweep import effect_map
from cak_jax.sweep.effect_map import MappedEffect, lay_out


def test_a_plane_keeps_two_directions():
    """Points of a plane in four dimensions come out as they lie in it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30)) * [[5.0], [1.0]]
    varied = np.stack([x, y, x + 2 * y], axis=1)
    table = np.concatenate([varied, np.ones((30, 1))], axis=1)
    names = ["first", "second", "third", "constant"]
    places, axes = lay_out(table, names)

    def distances(points):
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    scaled = varied / varied.std(axis=0)
    np.testing.assert_allclose(distances(places), distances(scaled), atol=1e-9)
    spread = places.std(axis=0)
    assert spread[0] > spread[1] and abs(np.mean(places[:, 0] * places[:, 1])) < 1e-9
    assert all("constant" not in name for axis in axes for name in axis)
    shuffled = rng.permutation(30)
    again, _ = lay_out(table[shuffled], names)
    np.testing.assert_allclose(again, places[shuffled], atol=1e-9)
    with pytest.raises(ValueError, match="differ in 0 features"):
        lay_out(np.ones((4, 3)), ["a", "b", "c"])


def test_the_page_of_a_map_escapes_and_plays():
    hostile = "<b>\"x' & \x00"
    effects = [
        MappedEffect(hostile, {"labels": label, "seed": n}, {}, b"abc")
        for n, label in enumerate(["rms", "random", "rms"])
    ]
    places = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, 1.0]])
    page = effect_map.render_page("z", effects, places, [["+ a"], ["- b"]], b"dry")
    assert "<b>" not in page and "\x00" not in page
    assert effect_map.colour_field(effects) == "labels"
    x = [float(v) for v in re.findall(r'cx="([\d.]+)"', page)]
    y = [float(v) for v in re.findall(r'cy="([\d.]+)"', page)]
    # As on paper: the first component to the right, the second upwards.
    assert np.argsort(x).tolist() == [2, 0, 1] and np.argsort(y).tolist() == [1, 2, 0]
    assert page.count("data:audio/mpeg") == 4


def test_too_few_effects_make_no_map(tmp_path):
    assert "too few" in effect_map.write_map([], {}, None, tmp_path)
