"""Rendering: bit-exact at 0, equal to a plain whole-file program, block by block."""

import numpy as np
import pytest
from scipy import signal
from support.plain_render import (
    KERNEL,
    RATE,
    SMALL,
    block_residual,
    noise,
    plain_residual,
)

from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import blocks, in_memory
from cak_jax.rendering.knob import Knob
from cak_jax.rendering.settings import CHANNELS, MODES


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize(
    "shape", [(1,), (100,), (5000,), (1, 7), (2, 5000), (0,), (2, 0)]
)
def test_control_zero_gives_the_input_bit_for_bit(dtype, rate, shape):
    audio = noise(*shape, level=0.9).astype(dtype)
    special_values = [-0.0, 1e-42, 1e-320, 1.5, -1.0, 1 / 3][: audio.size]
    audio.ravel()[: len(special_values)] = special_values
    effect = Effect("full", KERNEL, 0.5, 2.0)
    for options in (
        {},
        {"loudness": "none", "peaks": "none"},
        {"channels": "independent"},
    ):
        wet = in_memory.render(effect, audio, rate, 0.0, **options)
        assert wet.dtype == dtype and wet.shape == shape
        assert wet.tobytes() == audio.tobytes()
    assert not np.shares_memory(wet, audio)


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_a_short_sound_is_rendered_by_numpy_a_longer_one_by_jax(seconds, monkeypatch):
    monkeypatch.setattr(blocks, "SHORT_SECONDS", 3.0)  # over two channels
    audio = np.clip(noise(2, round(seconds * RATE), level=0.5), -0.9, 0.9)
    by_length, numpy, jax = (
        in_memory.render(SMALL, audio, RATE, 0.7, compiled=compiled)
        for compiled in (None, False, True)
    )
    assert np.abs(jax).max() > 0.88  # where the ceiling acts
    np.testing.assert_allclose(numpy, jax, atol=1e-6)
    assert numpy.tobytes() != jax.tobytes()
    assert by_length.tobytes() == (jax if seconds == 2.0 else numpy).tobytes()


@pytest.mark.parametrize("samples", [1, 15, 16, 17, 64, 127, 128, 129, 255, 256, 257])
def test_equals_a_plain_whole_file_program(samples, monkeypatch):
    # Blocks of 8 frames, 128 samples: these lengths lie around their edges.
    monkeypatch.setattr(blocks, "BLOCK_HOPS", 8)
    audio = noise(2, samples)
    ours = block_residual(SMALL, audio, 0.7)
    theirs = plain_residual(SMALL, audio, 0.7)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    wet = in_memory.render(SMALL, audio, RATE, 0.7, loudness="none", peaks="none")
    np.testing.assert_allclose(wet, audio + theirs, atol=1e-6)


def test_the_change_is_worth_testing():
    audio = noise(2, 3000)
    change = plain_residual(SMALL, audio, 0.7)
    assert 0.1 < np.std(change) / np.std(audio) < 10


def test_the_block_size_does_not_matter(monkeypatch):
    audio = noise(1, 3000)
    results = []
    for block in (1, 3, 16, 1000):
        monkeypatch.setattr(blocks, "BLOCK_HOPS", block)
        results.append(block_residual(SMALL, audio, 1.0))
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], atol=1e-6)


@pytest.mark.parametrize("control", [0.3, 1.0, 10.0])
def test_rms_is_matched(control):
    audio = noise(2, 3000)
    wet = in_memory.render(SMALL, audio, RATE, control, loudness="rms")
    assert np.std(wet) == pytest.approx(np.std(audio), rel=1e-3)
    plain = in_memory.render(SMALL, audio, RATE, control, loudness="none", peaks="none")
    # One gain for all channels: the matched result is the plain one, scaled.
    gain = np.sqrt(
        np.mean(audio.astype(float) ** 2) / np.mean(plain.astype(float) ** 2)
    )
    np.testing.assert_allclose(wet, plain * gain, rtol=1e-4, atol=1e-6)


def test_the_match_ends_at_60_db_down():
    # A bias of 1 lifts every bin to the ceiling, which is far above so quiet a sound.
    effect = Effect("loud", ((0.0,) * 3,) * 3, 1.0, 1.0, 0.3, 20.0, SMALL.spectrogram)
    audio = noise(1, 2000, level=1e-6)
    options = {"peaks": "none", "limit": "none"}
    wet = in_memory.render(effect, audio, RATE, 1.0, **options)
    plain = in_memory.render(effect, audio, RATE, 1.0, loudness="none", **options)
    np.testing.assert_allclose(wet, plain / 1000, rtol=1e-5, atol=1e-9)


def test_linked_equals_independent_where_channels_are_alike():
    mono = noise(1, 2000)
    options = {"loudness": "none", "peaks": "none"}
    linked = in_memory.render(SMALL, mono, RATE, 0.8, **options)
    alone = in_memory.render(SMALL, mono, RATE, 0.8, channels="independent", **options)
    np.testing.assert_allclose(linked, alone, atol=1e-6)
    flat = in_memory.render(SMALL, mono[0], RATE, 0.8, **options)
    np.testing.assert_array_equal(flat, linked[0])
    for channels in CHANNELS:
        stereo = np.repeat(mono, 2, axis=0)
        wet = in_memory.render(SMALL, stereo, RATE, 0.8, channels=channels, **options)
        np.testing.assert_allclose(wet, np.repeat(linked, 2, axis=0), atol=1e-6)


def test_independent_treats_each_channel_as_mono():
    stereo = noise(2, 2000) * np.float32([[1.0], [0.1]])
    options = {"loudness": "none", "peaks": "none", "channels": "independent"}
    wet = in_memory.render(SMALL, stereo, RATE, 0.8, **options)
    for channel, expected in zip(stereo, wet, strict=True):
        alone = in_memory.render(SMALL, channel, RATE, 0.8, **options)
        np.testing.assert_allclose(alone, expected, atol=1e-6)


@pytest.mark.parametrize("channels", CHANNELS)
def test_swapping_channels_commutes(channels):
    stereo = noise(2, 2000) * np.float32([[1.0], [0.3]])
    wet = in_memory.render(SMALL, stereo, RATE, 0.8, channels=channels)
    swapped = in_memory.render(SMALL, stereo[::-1], RATE, 0.8, channels=channels)
    np.testing.assert_allclose(swapped, wet[::-1], atol=1e-6)


def test_opposite_channels_do_not_vanish():
    mono = noise(1, 2000)
    stereo = np.concatenate([mono, -mono])
    wet = in_memory.render(SMALL, stereo, RATE, 0.8)
    np.testing.assert_allclose(wet[1], -wet[0], atol=1e-6)
    alone = in_memory.render(SMALL, mono, RATE, 0.8)
    np.testing.assert_allclose(wet[:1], alone, atol=1e-6)


def test_polarity_is_kept():
    audio = noise(2, 2000)
    wet, flipped = (in_memory.render(SMALL, a, RATE, 0.8) for a in (audio, -audio))
    np.testing.assert_allclose(flipped, -wet, atol=1e-6)


def test_another_sample_rate_gives_the_same_sound():
    def tones(rate):
        time = np.arange(rate) / rate
        pitches = (220.0, 530.0, 1210.0)
        return sum(0.2 * np.sin(2 * np.pi * p * time) for p in pitches)

    changes = []
    for rate in (8000, 12000):
        audio = tones(rate)
        wet = in_memory.render(SMALL, audio, rate, 0.9, loudness="none", peaks="none")
        assert wet.shape == audio.shape and wet.dtype == np.float64
        changes.append(wet - audio)
    expected = signal.resample_poly(changes[0], 3, 2)
    inside = slice(1000, 11000)
    error = np.std(changes[1][inside] - expected[inside])
    assert error < 10 ** (-40 / 20) * np.std(expected[inside])


@pytest.mark.parametrize("samples", [1, 2, 99, 4801])
def test_48_khz_keeps_the_shape(samples):
    audio = noise(2, samples)
    wet = in_memory.render(Effect("full", KERNEL, 0.0, 1.0), audio, 48000, 0.5)
    assert wet.shape == audio.shape and np.isfinite(wet).all()
    assert np.std(wet) == pytest.approx(np.std(audio), rel=0.05 if samples > 50 else 10)


@pytest.mark.parametrize("mode", MODES)
def test_silence_and_extremes_stay_finite(mode):
    square = np.sign(np.sin(np.arange(3000))).astype(np.float32)
    for audio in (np.zeros(3000, np.float32), np.ones(3000, np.float32), square * 2):
        wet = in_memory.render(SMALL, audio, RATE, 10.0, mode=mode)
        assert wet.shape == audio.shape and np.isfinite(wet).all()
    if mode == "residual":
        # With bias 0 nothing is learned about silence: it stays silence.
        quiet = Effect("q", KERNEL, 0.0, 1.0, 0.3, 20.0, SMALL.spectrogram)
        assert not in_memory.render(quiet, np.zeros(500, np.float32), RATE, 1.0).any()


def test_the_input_is_not_touched():
    audio = noise(2, 500)
    copy = audio.copy()
    audio.flags.writeable = False
    in_memory.render(SMALL, audio, RATE, 0.5)
    np.testing.assert_array_equal(audio, copy)


@pytest.mark.parametrize(
    "control",
    [float("nan"), -1e-9, -1, float("inf"), True, "1", 11, None, 10**400, 1j, [0.5]],
)
def test_a_control_is_refused(control):
    with pytest.raises(EffectError, match="control must be"):
        in_memory.render(SMALL, noise(10), RATE, control)


@pytest.mark.parametrize("control", [0, 10, np.float32(0.5), np.int64(1), 0.0])
def test_a_control_is_a_number(control):
    knob = Knob(control, "control")
    assert knob.value == float(control) and knob.is_constant


@pytest.mark.parametrize(
    "audio, word",
    [
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([0.0, -np.inf], np.float32), "infinite"),
        (np.zeros(5, np.int16), "int16"),
        (np.zeros(5, np.float16), "float16"),
        (np.zeros(5, complex), "complex128"),
        (np.zeros((1, 2, 3)), "(1, 2, 3)"),
        (np.float64(0.5), "()"),
        (["a"], "<U1"),
        ([1, 2], "int64"),
    ],
)
@pytest.mark.parametrize("control", [0.0, 0.5])
def test_audio_is_refused(audio, word, control):
    with pytest.raises(EffectError) as caught:
        in_memory.render(SMALL, audio, RATE, control)
    assert word in str(caught.value)


@pytest.mark.parametrize("name", ["mode", "loudness", "channels"])
def test_an_unknown_choice_is_refused(name):
    with pytest.raises(EffectError, match=rf"{name} must be one of .*'typo'"):
        in_memory.render(SMALL, noise(10), RATE, 0.5, **{name: "typo"})


@pytest.mark.parametrize("rate", [0, -44100, 999, 10**6, float("nan"), True])
def test_a_sample_rate_is_refused(rate):
    with pytest.raises(EffectError, match="sample_rate must be"):
        in_memory.render(SMALL, noise(10), rate, 0.5)


def test_samples_first_is_refused_before_it_costs_memory():
    with pytest.raises(EffectError, match="transpose"):
        in_memory.render(SMALL, np.zeros((4800, 2), np.float32), RATE, 0.5)
