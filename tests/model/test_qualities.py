"""Every quality ignores gain, hears what it is named after, and has a gradient."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cak_jax.model import qualities, quality_names

RATE = 44100
NAMES = list(qualities.QUALITIES)
TIME = np.arange(RATE) / RATE


def tones():
    """A chord that is held."""
    return sum(np.sin(2 * np.pi * f * TIME) for f in (220.0, 330.0, 523.0)) / 10


def noise(seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(RATE)


def strokes():
    """The chord, struck eight times a second."""
    return tones() * np.exp(-20 * (TIME % 0.125) / 0.125 * 0.3) * (TIME % 0.125 < 0.06)


def measured(audio):
    values = qualities.measure(jnp.asarray(audio, jnp.float32), RATE)
    return dict(zip(NAMES, np.asarray(values), strict=True))


def test_names_words_and_functions_belong_together():
    assert list(quality_names.WORDS) == NAMES
    assert quality_names.split("-attack") == ("attack", -1)
    assert doctest.testmod(quality_names).failed == 0


@pytest.mark.parametrize("gain", [0.1, 10.0])
@pytest.mark.parametrize("sound", [tones, noise, strokes])
def test_twenty_decibels_change_nothing(sound, gain):
    """Less than a hundredth of the range that sounds of a corpus differ by."""
    ranges = {
        "spectral_flatness": 20.0,
        "spectral_centroid": 1.5,
        "attack": 0.4,
        "spectral_contrast": 0.8,
    }
    before, after = measured(sound()), measured(gain * sound())
    for name in NAMES:
        assert abs(after[name] - before[name]) < 0.01 * ranges[name], name


def test_each_rises_with_what_it_is_named_after():
    chord, hiss, struck = measured(tones()), measured(noise()), measured(strokes())
    assert hiss["spectral_flatness"] > chord["spectral_flatness"] + 20
    assert hiss["spectral_centroid"] > chord["spectral_centroid"] + 3
    assert struck["attack"] > chord["attack"] + 0.5
    assert chord["spectral_contrast"] != pytest.approx(hiss["spectral_contrast"])


def test_two_are_known_exactly():
    """White noise: exp(-0.5772) in power, and the middle of the band."""
    hiss = measured(noise())
    assert hiss["spectral_flatness"] == pytest.approx(-2.507, abs=0.1)
    assert hiss["spectral_centroid"] == pytest.approx(np.log2(RATE / 4), abs=0.02)
    sine = measured(np.sin(2 * np.pi * 1000 * TIME))
    assert sine["spectral_centroid"] == pytest.approx(np.log2(1000), abs=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_its_gradient_is_its_slope(name):
    """Along a direction, and finite on silence too."""
    audio, step = strokes() + noise() / 50, noise(1) / 50
    index = NAMES.index(name)

    @jax.jit
    def along(amount):
        wet = jnp.asarray(audio, jnp.float32) + amount * jnp.asarray(step, jnp.float32)
        return qualities.measure(wet, RATE)[index]

    slope = float(jax.jit(jax.grad(along))(0.5))
    difference = float(along(0.55) - along(0.45)) / 0.1
    assert slope == pytest.approx(difference, rel=0.1)
    gradient = jax.jit(jax.grad(lambda a: qualities.measure(a, RATE)[index]))
    silent = gradient(jnp.zeros(4096))
    assert np.isfinite(silent).all()
