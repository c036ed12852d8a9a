"""Mix, size, flip, tilt: each equals its formula in a second program."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from support.plain_render import RATE, SMALL, block_residual, noise, plain_residual

from cak_jax.effect.schema import EffectError
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering import in_memory, residual
from cak_jax.rendering.settings import MOST_APART, SIZE, RenderSettings
from cak_jax.rendering.stream import Stream

PLAIN = {"loudness": "none", "peaks": "none"}


@pytest.mark.parametrize(
    "options",
    [
        {"size": (1, 3)},
        {"size": (3, 1)},
        {"size": (2, 5)},
        {"size": (SIZE[1], SIZE[1])},
        *({"flip": flip} for flip in ("time", "frequency", "both")),
        *({"tilt": tilt} for tilt in (-1.0, -0.3, 0.5, 1.0)),
        {"size": (2, 3), "flip": "both", "tilt": 0.7},
        {"limit": "none"},
        {"floor": -10.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("compiled", [True, False])
def test_equals_its_formula(compiled, options, monkeypatch):
    monkeypatch.setattr("cak_jax.rendering.blocks.BLOCK_HOPS", 32)
    audio = noise(2, 1500)
    wanted = plain_residual(SMALL, audio, 0.7, **options)
    ours = block_residual(SMALL, audio, 0.7, compiled, **options)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, wanted, atol=1e-6)
    plain = plain_residual(SMALL, audio, 0.7)
    assert np.abs(wanted - plain).max() > 1e-3  # the option does something


@pytest.mark.parametrize("size", [(1, 1), (2, 3)])
def test_spacing_times_size_lies_between_the_cells(size, monkeypatch):
    monkeypatch.setattr("cak_jax.rendering.blocks.BLOCK_HOPS", 32)
    effect = dataclasses.replace(SMALL, spacing=(3, 2))
    audio = noise(2, 1500)
    h, v = size
    wanted = plain_residual(SMALL, audio, 0.7, size=(2 * h, 3 * v))
    ours = block_residual(effect, audio, 0.7, size=size)
    np.testing.assert_allclose(ours, wanted, atol=1e-6)
    for value in (audio, jnp.asarray(audio)):
        wet = in_memory.render(effect, value, RATE, 0.7, size=size, **PLAIN)
        np.testing.assert_allclose(wet, audio + wanted, atol=1e-6)


@pytest.mark.parametrize(
    "spacing, size, fault",
    [
        (
            (1, 16),
            (5, 1),
            "at most 64 frames: the effect's spacing is 16 and size is 5",
        ),
        ((16, 1), (1, 5), "at most 64 bins: the effect's spacing is 16 and size is 5"),
        ((5, 5), 13, "at most 64 frames: the effect's spacing is 5 and size is 13"),
    ],
)
def test_cells_too_far_apart_are_refused(spacing, size, fault):
    effect = dataclasses.replace(SMALL, spacing=spacing)
    audio = noise(1, 500)
    with pytest.raises(EffectError, match=fault):
        in_memory.render(effect, audio, RATE, 0.7, size=size)
    with pytest.raises(EffectError, match=fault):
        in_memory.render(effect, jnp.asarray(audio), RATE, 0.7, size=size)
    with pytest.raises(EffectError, match=fault):
        settings = RenderSettings(loudness="none", peaks="none", size=size)
        Stream(effect, RATE, 1, 16, control=0.7, settings=settings)


def test_cells_may_be_64_apart():
    assert SIZE[1] <= MOST_APART
    effect = dataclasses.replace(SMALL, spacing=(16, 16))
    audio = noise(1, 900)
    wanted = plain_residual(SMALL, audio, 0.7, size=(64, 64))
    ours = block_residual(effect, audio, 0.7, size=(4, 4))
    np.testing.assert_allclose(ours, wanted, atol=1e-6)


@pytest.mark.parametrize("n_fft, hop", [(48, 16), (80, 16), (32, 16), (64, 8)])
def test_any_overlap_of_windows(n_fft, hop, monkeypatch):
    monkeypatch.setattr("cak_jax.rendering.blocks.BLOCK_HOPS", 16)
    settings = SpectrogramSettings(RATE, n_fft, hop)
    effect = dataclasses.replace(SMALL, spectrogram=settings)
    audio = noise(1, 1111)
    wanted = plain_residual(effect, audio, 0.7, size=(2, 1))
    ours = block_residual(effect, audio, 0.7, size=(2, 1))
    np.testing.assert_allclose(ours, wanted, atol=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("mix", [0.25, 0.5, 0.9])
def test_the_mix_multiplies_the_change_in_db(mix, compiled):
    audio = noise(2, 1500) * np.float32([[1.0], [0.4]])
    audio[:, 700:900] = 0.0
    wanted = plain_residual(SMALL, audio, 0.7, mix=mix)
    ours = block_residual(SMALL, audio, 0.7, compiled, mix=mix)
    np.testing.assert_allclose(ours, wanted, atol=1e-6)
    assert np.abs(wanted - mix * plain_residual(SMALL, audio, 0.7)).max() > 1e-3


def test_half_the_mix_is_half_the_change_of_a_tone():
    """A bin's gain of 12 dB becomes one of 6, one to nothing ends at -45 dBFS."""
    magnitude = jnp.float32([16.0, 16.0, 16.0, 0.0])  # full scale at 64 samples
    added = jnp.float32([48.0, -12.0, -16.0, 0.0])
    found = residual.mixed(magnitude, added, jnp.float32(0.5), 64) + magnitude
    np.testing.assert_allclose(found[:2], [32.0, 8.0], rtol=1e-6)
    np.testing.assert_allclose(found[2:], [16 * 10 ** (-45 / 20), 0.0], rtol=1e-4)


@pytest.mark.parametrize("loudness", ["rms", "none"])
@pytest.mark.parametrize("rate", [RATE, 12000])
def test_mix_zero_gives_the_input_bit_for_bit(rate, loudness):
    audio = noise(2, 900, level=0.9)
    wet = in_memory.render(SMALL, audio, rate, 1.0, mix=0, loudness=loudness)
    assert wet.tobytes() == audio.tobytes()


def test_flips_undo_themselves_and_commute():
    kernel = np.arange(9.0).reshape(3, 3)
    for how in ("time", "frequency", "both"):
        np.testing.assert_array_equal(
            residual.flip(residual.flip(kernel, how), how), kernel
        )
    both = residual.flip(residual.flip(kernel, "time"), "frequency")
    np.testing.assert_array_equal(residual.flip(kernel, "both"), both)
    np.testing.assert_array_equal(residual.flip(kernel, "time")[0], [2, 1, 0])


def test_flip_in_time_is_the_effect_on_sound_played_backwards():
    # A length that puts the last frame's centre on the last hop's edge.
    audio = noise(1, 64 * 16 + 1)
    # Without the limit, because it looks at what has sounded.
    options = {"limit": "none"}
    forwards = block_residual(SMALL, audio, 0.8, flip="time", **options)
    backwards = block_residual(SMALL, audio[:, ::-1], 0.8, **options)[:, ::-1]
    np.testing.assert_allclose(forwards[:, :-1], backwards[:, :-1], atol=2e-6)


def test_tilt_at_its_ends():
    settings = SpectrogramSettings(44100, 2048, 512)
    hertz = np.arange(settings.bins) * settings.sample_rate / settings.n_fft
    for tilt in (-1.0, -0.4, 0.0, 0.4, 1.0):
        weights = residual.tilt_weights(settings, tilt)
        low, high = weights[hertz <= 50], weights[hertz >= 16000]
        np.testing.assert_allclose(low, 1 - max(tilt, 0.0), atol=1e-12)
        np.testing.assert_allclose(high, 1 + min(tilt, 0.0), atol=1e-12)
        steps = np.diff(weights)
        assert (steps * tilt >= 0).all()
    # The middle of the octaves from 50 Hz to 16 kHz is at their geometric mean.
    middle = np.argmin(np.abs(hertz - np.sqrt(50 * 16000)))
    assert residual.tilt_weights(settings, 1.0)[middle] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "options, word",
    [
        ({"size": 0}, "size"),
        ({"size": 17}, "size"),
        ({"size": 1.5}, "size"),
        ({"size": True}, "size"),
        ({"size": (1, 2, 3)}, "size"),
        ({"size": "2"}, "size"),
        ({"flip": "sideways"}, "flip"),
        ({"tilt": 1.01}, "tilt"),
        ({"tilt": float("nan")}, "tilt"),
        ({"mix": -0.1}, "mix"),
        ({"mix": 2}, "mix"),
        ({"mix": "half"}, "mix"),
        ({"mode": "published", "size": 2}, "size is for mode residual"),
        ({"mode": "published", "mix": 0.5}, "mix is for mode residual"),
        ({"sise": 2}, "no option sise"),
    ],
)
def test_an_option_is_refused(options, word):
    with pytest.raises(EffectError, match=word):
        in_memory.render(SMALL, noise(10), RATE, 0.5, **options)


def test_settings_are_numbers_of_their_kind():
    settings = RenderSettings(mix=np.float32(0.5), size=np.int64(3), tilt=0)
    assert settings == RenderSettings(mix=0.5, size=(3, 3), tilt=0.0)
