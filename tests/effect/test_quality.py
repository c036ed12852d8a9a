"""Taught qualities: in files, in morphs, and as weights on measured qualities."""

import dataclasses
import doctest
import json
import math

import pytest

from cak_jax.effect import effect as effect_lib, quality as quality_lib, text_code
from cak_jax.effect.effect import Effect, Quality
from cak_jax.effect.morph import morph
from cak_jax.effect.quality import measurable, reader, target
from cak_jax.effect.schema import EffectError

WARMTH = Quality(
    "warmth", "points", 2.0, {"spectral_centroid": -1.5, "attack": 0.25}, 0.61
)
NUMBERS = ((0.0, 0.5, 0.0),) * 3, 0.1, 1.0


def effect(quality=WARMTH, **values):
    return Effect("mine", *NUMBERS, quality=quality, **values)


def test_the_reader_is_in_units_of_the_range():
    assert doctest.testmod(quality_lib).failed == 0
    assert reader(WARMTH) == (0.0, -0.75, 0.125, 0.0)


def test_a_target_is_kept_in_the_file_and_read_as_the_reader_reads():
    aimed = Quality("-attack", "natural log", 0.5, target=-1.5)
    document = effect_lib.to_document(effect(aimed))
    assert document["quality"]["target"] == -1.5
    assert effect_lib.from_document(document).quality == aimed
    assert target(WARMTH) == math.inf
    assert target(dataclasses.replace(WARMTH, target=3.0)) == 1.5


def test_a_reader_comes_before_the_name():
    """A person may call a rating as a quality is called."""
    attack = Quality("attack", "points", 2.0, {"spectral_flatness": 1.0})
    assert measurable(attack) and reader(attack) == (0.5, 0.0, 0.0, 0.0)
    less = dataclasses.replace(attack, name="-attack")
    assert reader(less) == reader(attack)
    assert attack.more == 'more "attack"'
    assert effect_lib.describe(effect(attack)) == [
        'more "attack", a rating read from the sound, by 2 points at amount 1'
    ]


def test_a_reader_of_later_qualities_is_kept_but_not_used():
    later = dataclasses.replace(WARMTH, reader={"attack": 1.0, "roughness": 2.0})
    assert not measurable(later)
    with pytest.raises(EffectError, match="'warmth' is none that this version"):
        reader(later)
    document = effect_lib.to_document(effect(later))
    assert effect_lib.from_document(document).quality == later


def test_the_file_holds_the_reader(tmp_path):
    path = tmp_path / "effect.json"
    effect_lib.save_effect(effect(), path)
    assert json.loads(path.read_text("utf-8"))["quality"] == {
        "name": "warmth",
        "unit": "points",
        "range": 2.0,
        "reader": {"spectral_centroid": -1.5, "attack": 0.25},
        "r2": 0.61,
    }
    assert effect_lib.load_effect(path) == effect()
    plain = dataclasses.replace(WARMTH, reader=None, r2=None)
    assert "reader" not in effect_lib.to_document(effect(plain))["quality"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reader": None}, "reader must be an object of 1 to 64 weights"),
        ({"reader": {}}, "reader must be an object of 1 to 64 weights"),
        ({"reader": [1.0]}, "reader must be an object of 1 to 64 weights"),
        ({"reader": dict.fromkeys(map(str, range(65)), 1.0)}, "1 to 64 weights"),
        ({"reader": {"attack": 0.0}}, "reader must have a weight other than 0"),
        ({"reader": {"attack": True}}, r"reader\.attack must be a number, got bool"),
        ({"reader": {"attack": "1"}}, r"reader\.attack must be a number, got str"),
        ({"reader": {"attack": float("nan")}}, r"reader\.attack must be between"),
        ({"reader": {"attack": 1e10}}, r"reader\.attack must be between"),
        ({"reader": {"a\n": 1.0}}, "reader: a quality must be 1 to 200 printable"),
        ({"reader": {"": 1.0}}, "reader: a quality must be 1 to 200 printable"),
        ({"target": 1e30}, "target must be between"),
        ({"target": "high"}, "target must be a number, got str"),
        ({"r2": 1.1}, "r2 must be between"),
        ({"r2": float("nan")}, "r2 must be between"),
        ({"r2": None}, "r2 must be a number, got NoneType"),
        ({"r2": "high"}, "r2 must be a number, got str"),
    ],
)
def test_faults_are_named_in_one_line(values, words):
    document = effect_lib.to_document(effect())
    document["quality"] |= values
    with pytest.raises(EffectError, match=words) as found:
        effect_lib.from_document(document, "mine")
    assert "\n" not in str(found.value)
    assert str(found.value).startswith("mine: quality.")


def test_a_code_keeps_the_knob_without_the_reader():
    knob = tuple(n / 4 for n in range(9))
    for name in ("warmth", "attack"):
        taught = effect(dataclasses.replace(WARMTH, name=name), knob=knob)
        code = text_code.encode(effect_lib.to_document(taught))
        again = effect_lib.from_document(text_code.decode(code))
        assert (again.quality, again.knob) == (None, knob)


def test_a_morph_keeps_what_both_read_alike():
    wider = dataclasses.replace(WARMTH, range=4.0)
    between = morph([effect(), effect(wider)], [1, 1])
    assert between.quality == dataclasses.replace(WARMTH, range=3.0)
    other = dataclasses.replace(WARMTH, reader={"attack": 1.0})
    assert morph([effect(), effect(other)], [1, 1]).quality is None


def test_a_morph_mixes_the_targets():
    one = effect(Quality("attack", "natural log", 0.4, target=-2.0))
    other = effect(Quality("attack", "natural log", 0.8, target=-1.0))
    mixed = morph([one, other], [1.0, 3.0]).quality
    assert mixed.range == pytest.approx(0.7) and mixed.target == pytest.approx(-1.25)
    without = effect(Quality("attack", "natural log", 0.8))
    assert morph([one, without], [1.0, 3.0]).quality.target is None
