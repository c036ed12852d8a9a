"""Loudness: equal to pyloudnorm, whatever the blocks; a gain of 1 where nothing is."""

import jax.numpy as jnp
import numpy as np
import pyloudnorm
import pytest
from scipy import signal
from support import sounds
from support.plain_render import RATE, SMALL, noise

from cak_jax.rendering import in_memory
from cak_jax.rendering.k_weighting import (
    LOUDEST_SAMPLE,
    LOWEST_SHELF_RATE,
    sections,
)
from cak_jax.rendering.loudness import (
    LARGEST_GAIN,
    SMALLEST_GAIN,
    Lufs,
    Match,
    Rms,
    decibels,
    integrated,
    matching_gain,
    rms,
    rms_gain,
)
from cak_jax.rendering.traced import weighted_powers
from cak_jax.rendering.weighted_power import SPAN


def music(rate, seconds, channels, seed=0):
    """Noise with loud and quiet stretches, so that the gates matter."""
    audio = noise(channels, int(rate * seconds), seed=seed, level=0.1).astype(float)
    time = np.arange(audio.shape[-1]) / rate
    return audio * np.where(time % 2 < 1, 1.0, 10 ** (-35 / 20)) * (time > 0.7)


def hear(meter, audio, block):
    for start in range(0, audio.shape[-1], block):
        meter.add(audio[:, start : start + block])
    return meter.levels()[0]


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("block", [997, 1 << 20])
def test_lufs_equals_pyloudnorm(rate, channels, block):
    audio = music(rate, 5.3, channels)
    wanted = pyloudnorm.Meter(rate).integrated_loudness(audio.T)
    found = 20 * np.log10(hear(Lufs(rate, channels), audio, block))
    assert found == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("rate", [1000, 3999, 4000, 44100, 384000])
def test_the_filters_are_those_of_pyloudnorm(rate):
    stages = pyloudnorm.Meter(rate)._filters
    names = ["high_shelf"] * (rate >= LOWEST_SHELF_RATE) + ["high_pass"]
    wanted = [np.r_[stages[name].b, stages[name].a] for name in names]
    assert np.abs(sections(rate) - wanted).max() < 1e-14


def test_loudness_is_the_same_to_the_bit_whatever_the_blocks():
    audio = music(8000, 9.0, 2)
    assert audio.shape[-1] > 2 * SPAN
    whole = hear(Lufs(8000, 2), audio, 1 << 20)
    assert hear(Lufs(8000, 2), audio, 999) == hear(Lufs(8000, 2), audio, SPAN) == whole


def test_a_full_scale_sine_of_997_hz_is_at_minus_3_lufs():
    """The calibration that ITU-R BS.1770-4 itself states: -3.01 LKFS."""
    time = np.arange(48000 * 3) / 48000
    sine = np.sin(2 * np.pi * 997 * time)[None]
    assert 20 * np.log10(hear(Lufs(48000, 1), sine, 4096)) == pytest.approx(
        -3.01, abs=0.05
    )


def test_rms_is_the_root_of_the_mean_square():
    audio = noise(3, 10000, level=0.3)
    wanted = np.sqrt(np.mean(audio.astype(float) ** 2))
    assert hear(Rms(), audio, 777) == pytest.approx(wanted, rel=1e-9)
    assert Rms().levels()[0] == 0.0


@pytest.mark.parametrize("loudness", ["rms", "lufs", "none"])
def test_nothing_changed_is_a_gain_of_exactly_one(loudness):
    match = Match(loudness, 8000, 2)
    audio = noise(2, 9000)
    for start in range(0, 9000, 1000):
        part = audio[:, start : start + 1000]
        match.add(part, part.copy())
    assert match.gain() == (1.0, False)


def test_the_result_is_as_loud_as_the_input():
    # Rumble, which counts for RMS and hardly for the ear, and quiet noise, lifted more.
    time = np.arange(4 * RATE) / RATE
    audio = 0.3 * np.sin(2 * np.pi * 30 * time) + noise(2, 4 * RATE, level=0.003)
    matched = {
        loudness: in_memory.render(SMALL, audio, RATE, 0.9, loudness=loudness)
        for loudness in ("lufs", "rms")
    }
    meter = pyloudnorm.Meter(RATE)
    before = meter.integrated_loudness(audio.T)
    assert meter.integrated_loudness(matched["lufs"].T) == pytest.approx(
        before, abs=0.02
    )
    assert abs(meter.integrated_loudness(matched["rms"].T) - before) > 0.1


def test_a_gain_is_cut_and_says_so():
    match = Match("rms", 8000, 1)
    match.add(np.ones((1, 100)), np.full((1, 100), 1e-3))
    assert match.gain() == (10.0, True)


def test_silence_has_no_loudness():
    silence = np.zeros((1, 8000))
    assert hear(Lufs(8000, 1), silence, 1000) == 0.0


def test_a_sound_too_short_for_the_gate_is_weighted_whole():
    """Rumble and hiss of equal RMS in 0.3 s: what the ear hears counts."""
    time = np.arange(2400) / 8000
    rumble, hiss = (np.sin(2 * np.pi * f * time)[None] for f in (25.0, 2000.0))
    weighted = [
        np.sqrt(np.mean(signal.sosfilt(sections(8000), s) ** 2)) for s in (rumble, hiss)
    ]
    gain = matching_gain(rumble, hiss, 8000)
    assert gain == pytest.approx(weighted[0] / weighted[1], rel=1e-4) and gain < 0.3
    level = 20 * np.log10(weighted[1]) - 0.691
    assert integrated(hiss, 8000) == pytest.approx(level, abs=1e-4)


def test_if_one_sound_is_below_the_gate_both_are_measured_without():
    quiet = noise(2, 24000, level=1e-5)
    loud = music(8000, 3.0, 2)
    found = matching_gain(quiet, loud, 8000)
    plain = [
        np.sqrt(np.sum(signal.sosfilt(sections(8000), s.astype(float)) ** 2))
        for s in (quiet, loud)
    ]
    assert found == SMALLEST_GAIN == max(SMALLEST_GAIN, plain[0] / plain[1] / 10)
    assert matching_gain(quiet, 2 * quiet, 8000) == pytest.approx(0.5, rel=1e-5)


def test_more_than_five_channels_count_alike():
    audio = music(8000, 2.0, 1)
    alike = integrated(np.repeat(audio, 6, axis=0), 8000)
    assert alike == pytest.approx(integrated(audio, 8000) + 10 * np.log10(6), abs=0.01)
    found = 20 * np.log10(hear(Lufs(8000, 6), np.repeat(audio, 6, axis=0), 997))
    assert found == pytest.approx(alike, abs=1e-3)


@pytest.mark.parametrize("rate", [1000, 3999, 8000, 44100, 192000])
def test_weighted_powers_equal_scipy(rate):
    """Two spans and a half, so that the filters' memory is carried over."""
    audio = noise(2, 2 * SPAN + SPAN // 2 if rate == 8000 else SPAN + 99)
    wanted = signal.sosfilt(sections(rate), audio.astype(float)) ** 2
    found = np.asarray(weighted_powers(audio, rate))
    assert np.abs(found - wanted).max() < 1e-5 * wanted.max()
    assert found.sum() == pytest.approx(wanted.sum(), rel=1e-5)


def test_samples_far_above_full_scale_are_clipped_to_be_measured():
    loud = np.full((1, 9000), 1e300)
    loud[:, ::2] *= -1
    clipped = np.sign(loud) * LOUDEST_SAMPLE
    assert hear(Lufs(8000, 1), loud, 9000) == hear(Lufs(8000, 1), clipped, 9000) > 0


def test_rms_of_known_waves():
    phase = 2 * np.pi * np.arange(1000) / 1000
    assert rms(0.7 * np.sin(7 * phase)) == pytest.approx(0.7 / np.sqrt(2))
    assert rms(np.full((3, 50), -0.25)) == 0.25
    assert rms(np.array([[3.0, 0.0], [0.0, 4.0]])) == 2.5
    assert rms(np.zeros((2, 9))) == 0.0
    assert rms(np.zeros((2, 0))) == 0.0


def test_rms_is_summed_in_double():
    # In float32 the squares would underflow, overflow or lose their last digits.
    for level in (1e-30, 0.1, 1e30):
        audio = np.full(300_001, level, np.float32)
        assert rms(audio) == pytest.approx(float(np.float32(level)), rel=1e-10)


@pytest.mark.parametrize("factor", [0.11, 0.5, 1.0, 3.0, 9.9])
def test_the_gain_brings_back_the_loudness(factor):
    dry = sounds.noise(500).T
    wet = sounds.noise(500, seed=1).T * factor
    assert rms(wet * rms_gain(dry, wet)) == pytest.approx(rms(dry), rel=1e-12)


@pytest.mark.parametrize("factor", [1e-150, 1e-3, 0.0999])
def test_the_gain_ends_at_20_db_up(factor):
    dry = sounds.noise(500).T
    assert 20 * np.log10(LARGEST_GAIN) == 20
    assert rms_gain(dry, dry * factor) == LARGEST_GAIN
    assert rms_gain(dry, dry * factor, smallest=1e-9) == LARGEST_GAIN


@pytest.mark.parametrize("factor", [2e3, 1e150])
def test_the_gain_ends_somewhere_down(factor):
    dry = sounds.noise(500).T
    assert rms_gain(dry, dry * factor) == SMALLEST_GAIN
    assert rms_gain(dry, dry * factor, smallest=0.25) == 0.25
    assert rms_gain(dry, dry * 2.0, smallest=0.25) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("level", [1.0, 1 / 3, 1e-42, 1e-320, 1e30, 0.0])
def test_the_gain_of_equals_is_exactly_one(level):
    dry = sounds.noise(777).T * level
    assert rms_gain(dry, dry.copy()) == 1.0


def test_the_gain_of_silence_is_one():
    sound, silence, nothing = sounds.noise(5).T, np.zeros((2, 5)), np.zeros((2, 0))
    inaudible = sound * 1e-300  # its squares are zeros
    others = (silence, nothing, inaudible)
    for pair in (
        (a, b) for other in others for a, b in ((sound, other), (other, sound))
    ):
        assert rms_gain(*pair) == 1.0


def test_decibels_of_numbers_and_of_arrays_of_both_kinds():
    assert float(decibels(0.1)) == -20.0
    magnitude = np.float32([[1.0, 0.5], [1e-9, 0.0]])
    expected = [[0.0, -6.0206], [-100.0, -100.0]]
    for array in (magnitude, jnp.asarray(magnitude)):
        level = decibels(array, floor=1e-5)
        assert isinstance(level, np.ndarray) == isinstance(array, np.ndarray)
        assert level.dtype == np.float32
        np.testing.assert_allclose(level, expected, atol=1e-4)
