"""The knob over time: a value per frame, and nothing between frames that jumps."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from support.plain_render import (
    KNOB_TABLE,
    RATE,
    SMALL,
    noise,
    plain_residual,
    strength,
)

from cak_jax.effect.gate import calibrate
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import blocks, in_memory
from cak_jax.rendering.knob import Curve, Factors, Follower, Knob, Oscillator

HOP = SMALL.spectrogram.hop_length
FRAMES = 1 + 2000 // HOP


def plain_follower(audio, source):
    """The follower in the words of its docstring, a number at a time."""
    share, values = 0.0, [source.low]
    for hop in range(audio.shape[-1] // HOP):
        part = audio[:, hop * HOP : (hop + 1) * HOP].astype(float)
        level = 20 * np.log10(np.sqrt(np.mean(part**2)) + 1e-300)
        target = np.clip((level + 60) / 60, 0, 1)
        constant = source.attack if target > share else source.release
        share += (1 - np.exp(-HOP / RATE / constant)) * (target - share)
        values.append(source.low + (source.high - source.low) * share)
    return np.array(values)


@pytest.mark.parametrize("block", [7, 64])
@pytest.mark.parametrize(
    "source",
    [
        Curve((0.0, 0.1, 0.2), (0.0, 1.0, 0.3)),
        Curve((0.05,), (0.6,)),
        *(Oscillator(wave, 9.0, 0.1, 0.9, 0.2) for wave in
          ("sine", "triangle", "square", "saw")),
        Follower(0.0, 1.0, 0.01, 0.1),
        Follower(0.8, 0.2, 0.001, 0.02),
    ],
    ids=str,
)  # fmt: skip
def test_every_frame_has_its_value(source, block, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_HOPS", block)
    monkeypatch.setattr(blocks, "SLICE", 333)
    audio = noise(2, 2000) * np.float32(np.linspace(0, 1, 2000))
    seconds = np.arange(FRAMES) * HOP / RATE
    if isinstance(source, Follower):
        values = plain_follower(audio, source)
    else:
        values = source.at(seconds)
    for name, factors in (("control", strength(SMALL, values)),
                          ("amount", values * SMALL.scale)):  # fmt: skip
        wanted = audio + plain_residual(SMALL, audio, factors=factors)
        ours = in_memory.render(
            SMALL, audio, RATE, **{name: source}, loudness="none", peaks="none"
        )
        np.testing.assert_allclose(ours, wanted, atol=1e-6)


def test_an_array_is_a_value_per_frame():
    audio = noise(1, 2000)
    values = np.random.default_rng(1).uniform(0, 1, FRAMES)
    wanted = audio + plain_residual(SMALL, audio, factors=strength(SMALL, values))
    ours = in_memory.render(SMALL, audio, RATE, values, loudness="none", peaks="none")
    np.testing.assert_allclose(ours, wanted, atol=1e-6)
    # What is missing is as the last.
    short = in_memory.render(
        SMALL, audio, RATE, values[:1], loudness="none", peaks="none"
    )
    constant = in_memory.render(
        SMALL, audio, RATE, values[0], loudness="none", peaks="none"
    )
    np.testing.assert_allclose(short, constant, atol=1e-7)


def test_oscillators_by_hand():
    turn = np.array([0.0, 0.25, 0.5, 0.75])
    for wave, wanted in {
        "sine": [0, 0.5, 1, 0.5],
        "triangle": [0, 0.5, 1, 0.5],
        "square": [0, 0, 1, 1],
        "saw": [0, 0.25, 0.5, 0.75],
    }.items():
        found = Oscillator(wave, 2.0).at(turn / 2)
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    np.testing.assert_allclose(
        Oscillator("saw", 1, 1, 0, 0.5).at([0, 0.25]), [0.5, 0.25]
    )


def test_where_the_knob_is_at_zero_the_input_comes_out():
    audio = noise(2, 4000, level=0.9)
    source = Curve((0.0, 0.25, 0.26), (0.0, 0.0, 1.0))
    wet = in_memory.render(SMALL, audio, RATE, source, loudness="none", peaks="none")
    still = int(0.25 * RATE) - SMALL.spectrogram.n_fft
    assert wet[:, :still].tobytes() == audio[:, :still].tobytes()
    assert np.abs(wet - audio)[:, -1000:].max() > 0.01


def test_an_amount_is_the_gate_inverted():
    audio = noise(1, 1500)
    for share in (0.0, 0.2, 1.0):
        wanted = audio + plain_residual(SMALL, audio, factors=share * SMALL.scale)
        ours = in_memory.render(
            SMALL, audio, RATE, amount=share, loudness="none", peaks="none"
        )
        np.testing.assert_allclose(ours, wanted, atol=1e-6)


def test_an_amount_goes_through_the_table():
    effect = dataclasses.replace(SMALL, knob=KNOB_TABLE)
    audio = noise(1, 1500)
    grid = np.arange(9) / 8
    for turn, share in ((0.0, 0.0), (0.3, None), (1.0, 1.2), (1.25, 2.0)):
        share = np.interp(turn, grid, KNOB_TABLE) if share is None else share
        wanted = audio + plain_residual(SMALL, audio, factors=share * SMALL.scale)
        for value in (audio, jnp.asarray(audio)):
            ours = in_memory.render(
                effect, value, RATE, amount=turn, loudness="none", peaks="none"
            )
            np.testing.assert_allclose(ours, wanted, atol=1e-6)
        control = calibrate(effect, turn)
        ours = in_memory.render(
            effect, audio, RATE, control, loudness="none", peaks="none"
        )
        np.testing.assert_allclose(ours, wanted, atol=1e-6)
    # The raw control does not know the table.
    raw = in_memory.render(effect, audio, RATE, 0.7, loudness="none", peaks="none")
    plain = in_memory.render(SMALL, audio, RATE, 0.7, loudness="none", peaks="none")
    np.testing.assert_array_equal(raw, plain)


def test_a_moving_amount_goes_through_the_table():
    effect = dataclasses.replace(SMALL, knob=KNOB_TABLE)
    audio, curve = noise(1, 2000), Curve((0.0, 0.2), (0.0, 1.0))
    values = np.interp(np.arange(FRAMES) * HOP / RATE, curve.times, curve.values)
    shares = np.interp(values, np.arange(9) / 8, KNOB_TABLE)
    wanted = audio + plain_residual(SMALL, audio, factors=shares * SMALL.scale)
    ours = in_memory.render(
        effect, audio, RATE, amount=curve, loudness="none", peaks="none"
    )
    np.testing.assert_allclose(ours, wanted, atol=1e-6)


def test_a_turning_knob_does_not_click():
    """Of a sine, all that turning adds stays under the effect's own: no broad band."""
    time = np.arange(4 * RATE) / RATE
    audio = (0.25 * np.sin(2 * np.pi * 440 * time))[None].astype(np.float32)
    jump = Curve((1.0, 1.0 + 1e-9), (0.0, 1.0))
    wet = in_memory.render(
        SMALL, audio, RATE, amount=jump, loudness="none", peaks="none"
    )
    steps = np.abs(np.diff(wet[0], 2))[200:-200]
    steady = in_memory.render(
        SMALL, audio, RATE, amount=1.0, loudness="none", peaks="none"
    )
    assert steps.max() < 1.1 * np.abs(np.diff(steady[0], 2))[200:-200].max()


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda: Curve((), ()), "one at least"),
        (lambda: Curve((0, 1), (0,)), "as many"),
        (lambda: Curve((1, 0), (0, 0)), "rise"),
        (lambda: Curve((0,), (float("nan"),)), "value 1"),
        (lambda: Curve((0, float("inf")), (0, 1)), "time 2"),
        (lambda: Curve((0,), (11,)), "value 1"),
        (lambda: Oscillator("cosine", 1), "sine, triangle"),
        (lambda: Oscillator("sine", 0), "rate"),
        (lambda: Oscillator("sine", 1, high=11), "high"),
        (lambda: Follower(attack=-1), "attack"),
        (lambda: Follower(low=float("nan")), "low"),
    ],
)
def test_a_knob_is_refused(make, word):
    with pytest.raises(EffectError, match=word):
        make()


@pytest.mark.parametrize("knob", [np.zeros((2, 2)), np.zeros(0), np.array([0.5, 11])])
def test_an_array_knob_is_refused(knob):
    with pytest.raises(EffectError):
        in_memory.render(SMALL, noise(100), RATE, knob)


def test_one_knob_only():
    with pytest.raises(EffectError, match="one of them"):
        in_memory.render(SMALL, noise(100), RATE, 0.5, amount=0.5)
    with pytest.raises(EffectError, match="one control for the whole"):
        in_memory.render(SMALL, noise(100), RATE, Curve((0,), (1,)), mode="published")


def test_a_follower_forgets_what_is_long_past():
    factors = Factors(SMALL, Knob(Follower(), "control"))
    for first in range(0, 50000, 100):
        factors.feed(noise(1, 100 * HOP))
        factors(first, 100)
    assert len(factors._envelope._values) < 6000
