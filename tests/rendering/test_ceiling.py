"""The ceiling against a second program in plain loops, and its bounds."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal
from support.plain_render import SMALL, noise

from cak_jax.effect.schema import EffectError
from cak_jax.rendering import blocks, file, in_memory
from cak_jax.rendering.ceiling import (
    CEILING,
    Ceiling,
    DelayedCeiling,
    delay,
    segment_length,
    tame,
    whole,
)
from cak_jax.rendering.knob import Knob
from cak_jax.rendering.settings import RenderSettings
from cak_jax.rendering.stream import Stream

RATE = 8000  # segments of 16 samples, a need fades over 50 of them
SIZES = [7, 64, 1000]


def bursts(samples=8000, seed=0):
    """Noise with loud stretches and single tall samples."""
    rng = np.random.default_rng(seed)
    sound = 0.15 * rng.normal(size=(2, samples))
    sound[:, 2000:2600] *= 20
    sound[0, rng.integers(0, samples, 12)] = 50
    return sound.astype(np.float32)


def pass_through(ceiling, sound, size):
    parts = [ceiling.push(sound[:, s : s + size])
             for s in range(0, sound.shape[1], size)]  # fmt: skip
    return np.concatenate([*parts, ceiling.finish()], axis=1)


def plain(sound):
    """The formula, segment by segment, over the whole sound."""
    sound = sound.astype(np.float64)
    taps = {}
    for phase in (0.25, 0.5, 0.75):
        time = np.arange(-7, 9) - phase
        taps[phase] = np.sinc(time) * np.cos(np.pi * time / 16)
        taps[phase] /= taps[phase].sum()
    padded = np.pad(sound, ((0, 0), (7, 8)))
    quarters = [sound, *(
        [np.convolve(c, h[::-1], mode="valid") for c in padded] for h in taps.values()
    )]  # fmt: skip
    # Four values a sample, one after the other, and a zero to either side.
    every = np.stack(quarters, axis=-1).reshape(len(sound), -1)
    left, middle, right = (np.pad(every, ((0, 0), pad))
                           for pad in ((1, 0), (0, 0), (0, 1)))  # fmt: skip
    left, right = left[:, :-1], right[:, 1:]
    tops = np.abs(middle)
    for place in np.argwhere((tops > middle * 0) & (np.sign(middle) * left < tops)
                             & (np.sign(middle) * right < tops)):  # fmt: skip
        at = tuple(place)
        parabola = np.polyfit([-1, 0, 1], [left[at], middle[at], right[at]], 2)
        tops[at] = abs(np.polyval(parabola, -parabola[1] / (2 * parabola[0])))
    values = tops.reshape(*sound.shape, 4).max(axis=-1)
    edges = [0, *range(8, sound.shape[1], 16), sound.shape[1]]  # 16 - 8 = 8
    spans = list(itertools.pairwise(edges))
    needs = [CEILING / max(CEILING, values[:, a:b].max()) for a, b in spans] + [1.0]
    held = [min(needs[k - i] ** (1 - i / 50) for i in range(min(50, k + 1)))
            for k in range(len(needs))]  # fmt: skip
    gains = [needs[0], *(min(held[k - 1], needs[k]) for k in range(1, len(needs)))]
    result = sound.copy()
    for (a, b), (first, second) in zip(spans, itertools.pairwise(gains), strict=True):
        way = (np.arange(a, b) - a + (8 if a == 0 else 0)) / 16
        first = 1.0 + (first - 1.0) if a else first
        result[:, a:b] *= first + (second - first) * way
    return result


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_the_formula_whatever_the_blocks(size, compiled):
    sound = bursts()
    sound[:, :16] = 0.0  # before which `plain` knows no segment
    found = pass_through(Ceiling(RATE, 2, compiled=compiled), sound, size)
    np.testing.assert_allclose(found, plain(sound), atol=2e-6)
    assert np.abs(found).max() <= CEILING * (1 + 1e-6)
    traced = whole(jnp.asarray(sound), jnp.zeros_like(sound), RATE)
    np.testing.assert_allclose(traced, found, atol=2e-6)


@pytest.mark.parametrize("size", [1, 24, 64, 512])
def test_with_a_fixed_delay(size):
    sound = bursts(4608)[:, 1536:3072]
    late = DelayedCeiling(RATE, 2, size)
    assert late.delay == delay(RATE, size) <= 2 * 16 + 8
    parts = [late(block) for block in np.split(sound, 1536 // size, axis=1)]
    assert {part.shape[1] for part in parts} == {size}
    found = np.concatenate([*parts, late.finish()], axis=1)
    assert not found[:, : late.delay].any()
    wanted = pass_through(Ceiling(RATE, 2), sound, 512)
    np.testing.assert_array_equal(found[:, late.delay :], wanted)


@pytest.mark.parametrize("samples", [1, 7, 8, 9, 15, 16, 17, 300])
def test_what_is_below_passes_untouched(samples):
    sound = np.clip(bursts(samples), -0.4, 0.4)
    ceiling = Ceiling(RATE, 2)
    found = pass_through(ceiling, sound, 100)
    assert found.tobytes() == sound.tobytes() and ceiling.lowest == 1.0
    assert np.asarray(whole(sound, sound, RATE)).tobytes() == sound.tobytes()


def test_peaks_between_samples_are_held_too():
    """A sine of a quarter of the rate, sampled 3 dB below its peak."""
    time = np.arange(4000)
    sine = (1.2 * np.sin(np.pi / 2 * time + np.pi / 4))[None].astype(np.float32)
    assert np.abs(sine).max() < 0.86 < CEILING
    found = pass_through(Ceiling(RATE, 1), sine, 512)[0, 100:-100]
    peak = np.abs(signal.resample_poly(found, 16, 1)[200:-200]).max()
    assert peak == pytest.approx(CEILING, rel=0.01)


@pytest.mark.parametrize("high", [0.3, 0.6, 0.8])
def test_true_peaks_of_noise_are_held_to_a_tenth_of_a_decibel(high):
    """Sixteen times oversampled, up to a share of the band; samples alone miss 2 dB."""
    rng = np.random.default_rng(3)
    smooth = signal.firwin(255, high)
    sound = np.convolve(rng.normal(size=60000), smooth, "same")[None].astype(np.float32)
    found = pass_through(Ceiling(44100, 1), sound, 512)[0, 1000:-1000]
    peak = np.abs(signal.resample_poly(found, 16, 1)[200:-200]).max()
    assert CEILING * 0.99 < peak < CEILING * 10 ** (0.1 / 20)


def test_the_gain_is_back_within_a_tenth_of_a_second():
    sound = np.full((1, 8000), 0.1, np.float32)
    sound[0, 4000] = 5.0
    gain = pass_through(Ceiling(RATE, 1), sound, 512)[0] / sound[0]
    assert gain.min() == pytest.approx(CEILING / 5, rel=1e-5)
    assert (gain[:3968] == 1.0).all() and (gain[4000 + 832 :] == 1.0).all()
    half = 20 * np.log10(gain[4400]) / (20 * np.log10(CEILING / 5))
    assert half == pytest.approx(0.5, abs=0.05)
    assert np.abs(np.diff(gain)).max() <= 1 / 16


def test_a_dry_segment_needs_nothing_however_loud():
    dry = bursts(4000) * 3
    wet = dry.copy()
    wet[:, 3000:] += 0.1
    is_dry = (wet == dry).all(axis=0)
    tamed = wet.copy()
    tame(tamed, is_dry, RATE, "ceiling")
    for found in (tamed, np.asarray(whole(wet, dry, RATE))):
        assert (found[:, :2900] == dry[:, :2900]).all()
        assert np.abs(found[:, 3016:]).max() <= CEILING * (1 + 1e-6)


def test_the_rates_segments():
    rates = (1000, 16000, 22050, 44100, 48000, 96000, 192000)
    assert [segment_length(r) for r in rates] == [16, 16, 32, 64, 64, 128, 256]


@pytest.mark.parametrize("loudness", ["lufs", "none"])
@pytest.mark.parametrize("peaks", ["ceiling", "gain"])
def test_memory_file_program_and_stream_agree(peaks, loudness):
    audio = np.clip(5 * noise(2, 6000), -0.95, 0.95)
    # Without the limit there is more to hold.
    options = {"loudness": loudness, "peaks": peaks, "limit": "none"}
    settings = RenderSettings(**options)
    wanted = in_memory.render(SMALL, audio, RATE, 0.7, **options)
    raw = in_memory.render(SMALL, audio, RATE, 0.7, **{**options, "peaks": "none"})
    most = CEILING if peaks == "ceiling" else 1.0
    assert np.abs(raw).max() > 1.05
    assert 0.9 * most < np.abs(wanted).max() <= most * (1 + 1e-6)
    found = in_memory.render(SMALL, jnp.asarray(audio), RATE, 0.7, **options)
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    rendering = file.Rendering(
        SMALL, lambda: blocks.slices(audio, 777), RATE, 2, Knob(0.7, "control"),
        settings,
    )  # fmt: skip
    rendering.measure()
    gain = rendering.peak_gain
    parts = np.concatenate(list(rendering.blocks(gain)), axis=1)
    np.testing.assert_allclose(parts, wanted, atol=2e-6)
    assert (rendering.lowest < 0.9) == (peaks == "ceiling") == (gain == 1.0)
    assert rendering.peak <= 1.0 and np.abs(parts).max() <= 1.0
    if peaks == "gain":
        with pytest.raises(EffectError, match="the loudest peak"):
            Stream(SMALL, RATE, 2, 64, control=0.7, settings=settings)
    elif loudness == "none":
        stream = Stream(SMALL, RATE, 2, 100, control=0.7, settings=settings)
        late = [stream.process(part) for part in np.split(audio, 60, axis=1)]
        heard = np.concatenate([*late, stream.finish()], axis=1)[:, stream.latency :]
        np.testing.assert_allclose(heard, wanted, atol=2e-6)


@pytest.mark.parametrize("peaks", ["ceiling", "gain", "none"])
def test_a_loud_sound_passes_bit_for_bit_at_zero(peaks):
    audio = 4 * noise(2, 3000)
    for value in (audio, jnp.asarray(audio)):
        wet = in_memory.render(SMALL, value, RATE, 0.0, peaks=peaks)
        assert np.asarray(wet).tobytes() == audio.tobytes()
    if peaks != "gain":
        settings = RenderSettings(peaks=peaks)
        stream = Stream(SMALL, RATE, 2, 50, control=0.0, settings=settings)
        parts = [stream.process(part) for part in np.split(audio, 60, axis=1)]
        found = np.concatenate([*parts, stream.finish()], axis=1)
        assert found[:, stream.latency :].tobytes() == audio.tobytes()


def test_there_is_a_gradient_through_it():
    audio = jnp.asarray(4 * noise(1, 500))
    slope = jax.grad(lambda a: jnp.sum(jnp.square(whole(a, 0 * a, RATE))))(audio)
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0
