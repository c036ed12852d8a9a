"""An effect as one JAX program: equal to the blocks, differentiable, traceable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.plain_render import RATE, SMALL, noise

from cak_jax.effect.schema import EffectError
from cak_jax.rendering import in_memory, traced
from cak_jax.rendering.knob import Curve

FRAMES = 1 + 1500 // SMALL.spectrogram.hop_length


@pytest.mark.parametrize("loudness", ["none", "rms", "lufs"])
@pytest.mark.parametrize(
    "options",
    [{}, {"channels": "independent"}, {"size": (2, 3), "flip": "time", "tilt": 0.4},
     {"mix": 0.4}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("samples", [1, 1500])
def test_equals_the_blocks(samples, options, loudness):
    audio = noise(2, samples)
    wanted = in_memory.render(SMALL, audio, RATE, 0.7, loudness=loudness, **options)
    found = in_memory.render(
        SMALL, jnp.asarray(audio), RATE, 0.7, loudness=loudness, **options
    )
    assert isinstance(found, jax.Array) and found.dtype == jnp.float32
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_knob_per_frame():
    audio = noise(1, 1500)
    values = np.random.default_rng(0).uniform(0, 1, FRAMES).astype(np.float32)
    for name in ("control", "amount"):
        found = in_memory.render(
            SMALL, jnp.asarray(audio), RATE, **{name: jnp.asarray(values)}
        )
        wanted = in_memory.render(SMALL, audio, RATE, **{name: values})
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_traced_in_audio_and_knob():
    audio = jnp.asarray(noise(1500))
    one = in_memory.render(SMALL, audio, RATE, 0.6)

    @jax.jit
    def program(audio, control):
        return in_memory.render(SMALL, audio, RATE, control)

    np.testing.assert_allclose(program(audio, 0.6), one, atol=1e-6)
    many = jax.vmap(program, (None, 0))(audio, jnp.array([0.0, 0.6, 1.0]))
    np.testing.assert_allclose(many[1], one, atol=1e-6)


@pytest.mark.parametrize("rate", [RATE, 12000])
def test_zero_is_exact_in_a_program_too(rate):
    audio = noise(2, 1500, level=0.9)
    program = jax.jit(
        lambda audio, control: in_memory.render(SMALL, audio, rate, control)
    )
    assert np.asarray(program(audio, 0.0)).tobytes() == audio.tobytes()
    assert (
        np.asarray(in_memory.render(SMALL, jnp.asarray(audio), rate, 0.0)).tobytes()
        == audio.tobytes()
    )


@pytest.mark.parametrize("loudness", ["none", "rms", "lufs"])
@pytest.mark.parametrize("rate", [RATE, 12000])
def test_gradients_equal_differences(rate, loudness):
    """Against differences of the program itself; quiet, so that nothing is clipped."""
    audio = noise(1, 900, level=0.02)
    audio[:, 300:600] = 0.0  # silence, where |X| has no derivative
    direction = jnp.asarray(noise(1, 900, seed=2, level=0.02) * (audio != 0))
    audio, weight = jnp.asarray(audio), jnp.asarray(noise(1, 900, seed=4))

    def loss(audio, control):
        return jnp.sum(
            in_memory.render(SMALL, audio, rate, control, loudness=loudness) * weight
        )

    by_audio, by_control = jax.grad(loss, (0, 1))(audio, 0.6)
    assert np.isfinite(by_audio).all()
    step = jnp.float32(1e-3)
    slope = (loss(audio, 0.6 + step) - loss(audio, 0.6 - step)) / (2 * step)
    assert float(by_control) == pytest.approx(float(slope), rel=0.01)
    ends = [loss(audio + s * direction, 0.6) for s in (step, -step)]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert float(jnp.sum(by_audio * direction)) == pytest.approx(float(slope), rel=0.05)


def test_there_is_a_gradient_at_zero():
    audio = jnp.asarray(noise(1, 900))

    def energy(control):
        added = (
            in_memory.render(SMALL, audio, RATE, control, loudness="none", peaks="none")
            - audio
        )
        return jnp.sum(added * jnp.sign(audio))

    slope = (energy(1e-2) - energy(0.0)) / 1e-2
    assert jax.grad(energy)(0.0) == pytest.approx(float(slope), rel=0.05)


def test_silence_has_a_finite_gradient():
    def energy(audio):
        return jnp.sum(jnp.square(in_memory.render(SMALL, audio, RATE, 0.8)))

    assert np.isfinite(jax.grad(energy)(jnp.zeros(500))).all()


@pytest.mark.parametrize("rates", [(8000, 12000), (12000, 8000), (44100, 48000)])
def test_resampling_keeps_what_both_rates_hold(rates):
    """Tones, windowed, against their own formula at the new rate."""

    def tones(rate):
        time = np.arange(rate // 4) / rate
        window = np.sin(np.pi * time * 4) ** 2
        return window * sum(np.sin(2 * np.pi * f * time) for f in (220, 1234, 3100))

    old, new = (tones(rate) for rate in rates)
    found = traced.resample(jnp.asarray(old, jnp.float32), *rates)
    assert len(found) == len(new)
    np.testing.assert_allclose(found, new, atol=2e-4)


def test_another_rate_is_near_the_blocks():
    """Two resamplers, each exact inside its band: -70 dB and better where both are."""
    spectrum = np.fft.rfft(noise(1, 9000))
    spectrum[:, 2000:] = 0
    audio = np.fft.irfft(spectrum, 9000).astype(np.float32)
    wanted = in_memory.render(SMALL, audio, 12000, 0.7, loudness="none", peaks="none")
    found = in_memory.render(
        SMALL, jnp.asarray(audio), 12000, 0.7, loudness="none", peaks="none"
    )
    inside = slice(1000, -1000)
    error = np.std((found - wanted)[:, inside]) / np.std(wanted[:, inside])
    assert error < 10 ** (-70 / 20)


@pytest.mark.parametrize(
    "audio, control, options, word",
    [
        (np.zeros((2, 3, 4)), 0.5, {}, "samples"),
        (np.zeros(5, np.int32), 0.5, {}, "float"),
        (np.array([np.nan]), 0.5, {}, "NaN"),
        (np.zeros(5), np.nan, {}, "knob"),
        (np.zeros(5), 11.0, {}, "between"),
        (np.zeros(5), np.zeros((2, 2)), {}, "knob"),
        (np.zeros(5), 0.5, {"mode": "published"}, "mode residual"),
        (np.zeros((4800, 2)), 0.5, {}, "transpose"),
    ],
)
def test_what_is_refused(audio, control, options, word):
    with pytest.raises(EffectError, match=word):
        in_memory.render(
            SMALL, jnp.asarray(audio), RATE, jnp.asarray(control), **options
        )


def test_a_knob_that_moves_by_itself_is_refused():
    with pytest.raises(EffectError, match=r"number or \[frame\], got a Curve"):
        in_memory.render(SMALL, jnp.zeros(5), RATE, Curve((0.0,), (1.0,)))
