"""Loudness and length against closed forms."""

import numpy as np
import pytest
from support.sounds import noise

from cak_jax.rendering.gain import LARGEST_GAIN, SMALLEST_GAIN, fit, rms, rms_gain


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 4, 7])
def test_fit_cuts_or_pads_at_the_end(samples):
    audio = np.float32([[1, 2, 3], [4, 5, 6]])
    rows = [[1, 2, 3, 0, 0, 0, 0], [4, 5, 6, 0, 0, 0, 0]]
    fitted = fit(audio, samples)
    assert fitted.tolist() == [row[:samples] for row in rows]
    assert fitted.dtype == np.float32


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
    dry = noise(500).T
    wet = noise(500, seed=1).T * factor
    assert rms(wet * rms_gain(dry, wet)) == pytest.approx(rms(dry), rel=1e-12)


@pytest.mark.parametrize("factor", [1e-150, 1e-3, 0.0999])
def test_the_gain_ends_at_20_db_up(factor):
    dry = noise(500).T
    assert 20 * np.log10(LARGEST_GAIN) == 20
    assert rms_gain(dry, dry * factor) == LARGEST_GAIN
    assert rms_gain(dry, dry * factor, smallest=1e-9) == LARGEST_GAIN


@pytest.mark.parametrize("factor", [2e3, 1e150])
def test_the_gain_ends_somewhere_down(factor):
    dry = noise(500).T
    assert rms_gain(dry, dry * factor) == SMALLEST_GAIN
    assert rms_gain(dry, dry * factor, smallest=0.25) == 0.25
    assert rms_gain(dry, dry * 2.0, smallest=0.25) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("level", [1.0, 1 / 3, 1e-42, 1e-320, 1e30, 0.0])
def test_the_gain_of_equals_is_exactly_one(level):
    dry = noise(777).T * level
    assert rms_gain(dry, dry.copy()) == 1.0


def test_the_gain_of_silence_is_one():
    sound, silence, nothing = noise(5).T, np.zeros((2, 5)), np.zeros((2, 0))
    inaudible = sound * 1e-300  # its squares are zeros
    others = (silence, nothing, inaudible)
    for pair in (
        (a, b) for other in others for a, b in ((sound, other), (other, sound))
    ):
        assert rms_gain(*pair) == 1.0
