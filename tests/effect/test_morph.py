"""Effects between effects: the weighted sum of the patterns, in closed form."""

import dataclasses
import json

import numpy as np
import pytest
from support.applying import EFFECT
from support.sounds import RATE, noise

from cak_jax.effect import locate
from cak_jax.effect.effect import (
    Effect,
    Quality,
    dumps,
    from_document,
    load_effect,
)
from cak_jax.effect.morph import morph
from cak_jax.effect.schema import EffectError
from cak_jax.model import cak
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.rendering.in_memory import render


def effect(seed, **changes) -> Effect:
    """Return an effect with the settings, gate and constants of all others here."""
    rng = np.random.default_rng(seed)
    kernel = tuple(map(tuple, rng.normal(size=(3, 3)).tolist()))
    numbers = {"name": f"e{seed}", "kernel": kernel, "bias": float(rng.normal())}
    given = numbers | {"scale": float(rng.normal())} | changes
    return dataclasses.replace(EFFECT, **given)


def pattern(effect, x):
    """Return what the effect adds at full strength, `[freq, frame]`."""
    kernel = np.asarray(effect.kernel, np.float32)
    return np.asarray(cak.detect(x, kernel, np.float32(effect.bias))) * effect.scale


@pytest.mark.parametrize("weights", [(1, 1, 1), (0.7, 0.3, 0), (5, 1e-3, 2), (0, 0, 9)])
def test_the_pattern_is_the_weighted_sum_of_the_patterns(weights):
    effects = [effect(seed) for seed in range(3)]
    assert {made.scale > 0 for made in effects} == {True, False}
    x = np.random.default_rng(9).uniform(0, 1, (20, 30)).astype(np.float32)
    shares = np.array(weights) / np.sum(weights)
    expected = sum(
        share * pattern(made, x) for share, made in zip(shares, effects, strict=True)
    )
    found = pattern(morph(effects, weights), x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_gate_and_constants_are_weighted_sums():
    one = effect(0, threshold=0.1, temperature=4.0)
    other = effect(
        1,
        threshold=0.5,
        temperature=20.0,
        normalization=Normalization(20.0, 1.0, 0.5, 4.0),
        spectrogram=SpectrogramSettings(16000, 512, 64),
    )
    made = morph([one, other], [3, 1])
    assert made.threshold == pytest.approx(0.2) and made.temperature == 8.0
    assert tuple(made.normalization) == pytest.approx((12.5, 0.8875, 0.14, 3.25))
    assert made.spectrogram == one.spectrogram
    assert morph([other, one], [1, 3]).spectrogram == other.spectrogram


def test_the_spacing_is_kept_and_must_be_one():
    effects = [effect(seed, spacing=(4, 3)) for seed in range(3)]
    assert morph(effects, [1, 2, 3]).spacing == (4, 3)
    effects[2] = effect(2, spacing=(4, 2), name="odd")
    for weights in ([1, 2, 3], [1, 1, 0]):
        with pytest.raises(EffectError) as caught:
            morph(effects, weights)
        assert str(caught.value) == (
            "a morph takes effects of one spacing: e0 has 4 by 3 (bins by frames), odd "
            "has 4 by 2 (bins by frames)"
        )


ATTACK = Quality("attack", "natural log", 0.5)
STEEP = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
FLAT = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 2.0)


def test_knob_and_range_of_one_quality_are_weighted_sums():
    other = dataclasses.replace(ATTACK, range=1.5)
    one = effect(0, quality=ATTACK, knob=STEEP)
    two = effect(1, quality=other, knob=FLAT)
    made = morph([one, two], [3, 1])
    assert made.quality == dataclasses.replace(ATTACK, range=0.75)
    expected = 0.75 * np.array(STEEP) + 0.25 * np.array(FLAT)
    np.testing.assert_allclose(made.knob, expected, rtol=1e-12)
    # An effect without a table is the straight line.
    made = morph([one, effect(2, quality=ATTACK)], [1, 1])
    np.testing.assert_allclose(made.knob, (np.array(STEEP) + np.arange(9) / 8) / 2)
    same = morph([one, effect(2, quality=ATTACK, knob=STEEP)], [0.1, 0.2])
    assert (same.quality, same.knob) == (ATTACK, STEEP)
    assert from_document(json.loads(dumps(made))) == made


@pytest.mark.parametrize(
    "quality",
    [None, dataclasses.replace(ATTACK, name="-attack"),
     dataclasses.replace(ATTACK, unit="dB")],
)  # fmt: skip
def test_qualities_that_differ_are_dropped_with_the_knob(quality):
    one = effect(0, quality=ATTACK, knob=STEEP)
    other = effect(1, quality=quality, knob=FLAT)
    made = morph([one, other], [1, 1])
    assert (made.quality, made.knob) == (None, None)
    # One of weight 0 has no say.
    alone = morph([one, other], [2, 0])
    assert (alone.quality, alone.knob) == (ATTACK, STEEP)


def test_what_is_equal_stays_equal():
    for weights in ((0.1, 0.2, 0.7), (1, 1, 1), (3, 2, 1e-9)):
        made = morph([effect(seed, threshold=0.3) for seed in range(3)], weights)
        assert (made.threshold, made.temperature) == (0.3, EFFECT.temperature)
        assert made.normalization == EFFECT.normalization


@pytest.mark.parametrize("alone", range(3))
def test_one_alone_is_that_effect(alone):
    effects = [effect(seed, scale=0.25 + seed) for seed in range(3)]
    weights = [2.5 * (index == alone) for index in range(3)]
    made = morph(effects, weights)
    same = ("kernel", "bias", "scale", "threshold", "temperature", "normalization")
    for field in same:
        assert getattr(made, field) == getattr(effects[alone], field), field
    audio = noise(4000).T
    wet = render(effects[alone], audio, RATE, 0.9)
    np.testing.assert_array_equal(render(made, audio, RATE, 0.9), wet)


def test_a_negative_scale_alone_renders_the_same():
    negative = effect(0, scale=-0.5)
    made = morph([negative, effect(1)], [1, 0])
    assert made.scale == 0.5
    assert made.kernel == tuple(tuple(-v for v in row) for row in negative.kernel)
    audio = noise(4000).T
    wet = render(negative, audio, RATE, 0.9)
    np.testing.assert_allclose(render(made, audio, RATE, 0.9), wet, atol=1e-6)


def test_opposite_effects_cancel_out():
    """Also with scales whose sum is 0 or nearly so."""
    one = effect(0, scale=1.0)
    other = dataclasses.replace(one, scale=-1.0)
    made = morph([one, other], [1, 1])
    assert made.bias == 0.0 and not np.any(made.kernel)
    audio = noise(3000).T
    played = render(made, audio, RATE, 1.0, peaks="none")
    np.testing.assert_allclose(played, audio, rtol=0, atol=1e-6)
    nothing = morph([dataclasses.replace(one, scale=0.0)] * 2, [1, 2])
    assert nothing.scale == 0.0
    nearly = morph([one, effect(1, scale=-1.0 + 1e-12)], [1, 1])
    assert np.abs(nearly.kernel).max() < 4


def test_order_does_not_matter_where_settings_are_equal():
    effects = [effect(seed) for seed in range(4)]
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    one = morph(effects, weights)
    other = morph(effects[::-1], weights[::-1])
    np.testing.assert_allclose(one.kernel, other.kernel, rtol=1e-12)
    assert one.scale == pytest.approx(other.scale, rel=1e-12)


def test_name_and_provenance():
    effects = [load_effect("bright"), load_effect("tones")]
    made = morph(effects, [7, 3])
    assert made.name == "bright-70-tones-30"
    assert made.provenance["morph"] == [
        {"name": "bright", "weight": pytest.approx(0.7)},
        {"name": "tones", "weight": pytest.approx(0.3)},
    ]
    assert made.provenance["spectrogram_of"] == "bright"
    assert morph(effects, [1, 1], "own").name == "own"
    assert from_document(json.loads(dumps(made))) == made


def test_all_the_shipped_ones_of_a_spacing_at_once():
    shipped = [load_effect(name) for name in locate.names()]
    # Only effects of one spacing can be mixed.
    effects = [effect for effect in shipped if effect.spacing == (1, 1)]
    assert len(effects) > 2
    made = morph(effects, range(len(effects)))
    assert len(made.name) <= 200 and from_document(json.loads(dumps(made))) == made
    long = dataclasses.replace(effects[0], name="x" * 200)
    made = morph([long] * 16, [1] * 16)
    assert from_document(json.loads(dumps(made))).name == "x" * 200


@pytest.mark.parametrize("number", [1, 17])
def test_too_few_and_too_many_are_refused(number):
    with pytest.raises(EffectError, match=f"2 to 16 effects, got {number}"):
        morph([EFFECT] * number, [1.0] * number)


@pytest.mark.parametrize(
    "weights, said",
    [
        ([1.0], "one for each of 2, got 1"),
        ([1.0] * 3, "one for each of 2, got 3"),
        ([0.0, 0.0], "not all be 0"),
        ([1.0, -0.1], "at least 0, got -0.1"),
        ([float("nan"), 1.0], "finite and at least 0, got nan"),
        ([1.0, float("inf")], "finite and at least 0, got inf"),
    ],
)
def test_wrong_weights_are_refused(weights, said):
    with pytest.raises(EffectError, match=said):
        morph([EFFECT] * 2, weights)


@pytest.mark.parametrize("weight", [5e-324, 1e-200, 1e308])
def test_weights_of_any_size_are_divided_by_their_sum(weight):
    effects = [effect(0), effect(1)]
    assert morph(effects, [weight] * 2) == morph(effects, [1, 1])
