"""The published application's processing: chunks, fades, loudness, tanh."""

import dataclasses

import numpy as np
import pytest
from scipy import signal, special
from support.plain_render import stretched
from support.sounds import noise, sound

from cak_jax.effect.effect import Effect
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.rendering import in_memory, published
from cak_jax.rendering.knob import Knob

RATE, N_FFT, HOP = 4000, 256, 64
KERNEL = ((0.05, 0.1, -0.02), (0.12, 0.3, 0.07), (-0.04, 0.11, 0.06))
EFFECT = Effect(
    "tiny",
    KERNEL,
    -0.03,
    0.8,
    0.3,
    5.0,
    SpectrogramSettings(RATE, N_FFT, HOP),
    Normalization(10.0, 0.85, 0.02, 2.5),
)
CONTROL = 0.7


def plain_chunk(audio, kernel=KERNEL):
    """Transform one chunk in float64 numpy, frame by frame."""
    low, high = EFFECT.normalization.low, EFFECT.normalization.high
    window = signal.get_window("hann", N_FFT)
    padded = np.pad(audio, N_FFT // 2)
    starts = range(0, len(audio) + 1, HOP)
    spectrum = np.stack([np.fft.rfft(padded[s : s + N_FFT] * window) for s in starts])
    x = (np.log1p(10.0 * np.sqrt(np.abs(spectrum.T))) - low) / (high - low + 1e-8)
    x = np.clip(x, 0, 1) ** 0.85
    pattern = signal.correlate2d(x, np.array(kernel), "same") + EFFECT.bias
    amount = CONTROL * special.expit((CONTROL - 0.3) * 5.0) * EFFECT.scale
    y = np.clip(x + pattern * amount, 0, 1)
    level = np.expm1((y + 1e-8) ** (1 / 0.85) * (high - low) + low) / 10.0
    magnitude = np.maximum(level, 0) ** 2
    frames = np.fft.irfft(magnitude.T * np.exp(1j * np.angle(spectrum)), N_FFT)
    total, power = np.zeros(len(padded)), np.zeros(len(padded))
    for start, frame in zip(starts, frames, strict=True):
        total[start : start + N_FFT] += frame * window
        power[start : start + N_FFT] += window**2
    return (total / np.where(power > 1e-9, power, 1))[N_FFT // 2 :][: len(audio)]


def plain(audio, kernel=KERNEL):
    """Chunks of 15 s every 7.5 s, until one reaches the end; then RMS and tanh."""
    long, half = 15 * RATE, 15 * RATE // 2
    count = 1
    while (count - 1) * half + long < len(audio):
        count += 1
    total, weight = np.zeros(len(audio)), np.zeros(len(audio))
    for index in range(count):
        start, end = index * half, min(index * half + long, len(audio))
        chunk = np.zeros(long)
        chunk[: end - start] = audio[start:end]
        fade = np.ones(end - start)
        if index > 0:
            fade[:256] = np.arange(256) / 255
        if end < len(audio):
            fade[-256:] = np.arange(256)[::-1] / 255
        total[start:end] += plain_chunk(chunk, kernel)[: end - start] * fade
        weight[start:end] += fade
    wet = total / weight
    wet *= np.sqrt(np.mean(audio**2) / np.mean(wet**2))
    return np.tanh(0.95 * wet) / 0.95


@pytest.mark.parametrize("seconds", [7.4, 15.0, 22.6])
def test_equals_a_plain_program(seconds):
    audio = 0.2 * noise(round(seconds * RATE), 1)[:, 0]
    theirs = plain(audio)
    ours = in_memory.render(EFFECT, audio, RATE, CONTROL, mode="published")
    assert ours.shape == audio.shape and ours.dtype == np.float64
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    # What is compared is an effect, not the input.
    assert np.std(theirs - audio) > 0.1 * np.std(audio)


def test_spacing_and_knob_table_reach_it():
    audio = 0.2 * noise(3 * RATE, 1)[:, 0]
    strength = CONTROL * special.expit((CONTROL - 0.3) * 5.0)
    # A straight table that gives this share at half a turn.
    table = tuple(2 * strength * place / 8 for place in range(9))
    effect = dataclasses.replace(EFFECT, spacing=(2, 3), knob=table)
    theirs = plain(audio, stretched(KERNEL, (3, 2), "none"))
    ours = in_memory.render(effect, audio, RATE, amount=0.5, mode="published")
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    assert np.abs(theirs - plain(audio)).max() > 1e-3


LENGTHS = (1, 3, 255, 7.4, 7.5, 15.0, 15.001, 22.4, 22.5, 22.501, 22.6, 30.0, 37.51)


@pytest.mark.parametrize("rate", [RATE, 4001])
@pytest.mark.parametrize("length", LENGTHS)
def test_chunks_cover_the_sound(length, rate, monkeypatch):
    # With chunks that come back as they are, the fades must add up to the input;
    # 15 s of 4001 Hz are an odd number of samples.
    effect = Effect(
        "tiny", KERNEL, 0.0, 1.0, spectrogram=SpectrogramSettings(rate, N_FFT, HOP)
    )
    seen = []

    def unchanged(effect, audio, control):
        seen.append(len(audio))
        return audio

    monkeypatch.setattr(published, "_chunk", unchanged)
    samples = length if isinstance(length, int) else round(length * rate)
    audio = noise(samples, 1).T
    wet = published.render(effect, audio, rate, Knob(CONTROL, "control"))
    np.testing.assert_allclose(wet, np.tanh(0.95 * audio) / 0.95, atol=1e-6)
    chunk = 15 * rate
    assert seen == [chunk] * (1 + max(0, -(-(samples - chunk) // (chunk // 2))))


@pytest.mark.parametrize("control", [0.0, 0.9, 10.0])
def test_no_sample_leaves_the_tanh_s_range(control):
    square = 3 * np.sign(np.sin(np.arange(6000) / 5.0 + 0.1))
    audio = np.stack([square, 3 * noise(6000, 1)[:, 0], np.ones(6000)])
    wet = published.render(EFFECT, audio, RATE, Knob(control, "control"))
    assert wet.shape == audio.shape
    assert 0.9 < np.abs(wet).max() <= 1 / 0.95


def test_quiet_sound_keeps_its_loudness():
    audio = 0.1 * sound(3.0, RATE, 1)[:, 0]
    wet = in_memory.render(EFFECT, audio, RATE, CONTROL, mode="published")
    assert np.std(wet) == pytest.approx(np.std(audio), rel=2e-3)


def test_channels_are_rendered_one_by_one():
    audio = sound(2.0, RATE, 3).T * [[1.0], [0.1], [0.0]]
    together = published.render(EFFECT, audio, RATE, Knob(CONTROL, "control"))
    for channel, wet in zip(audio, together, strict=True):
        alone = in_memory.render(EFFECT, channel, RATE, CONTROL, mode="published")
        np.testing.assert_array_equal(alone, wet)
    assert not together[2].any()


def test_control_zero_is_not_the_identity_above_the_ceiling():
    # The reason for the default mode: a sine that normalisation clips is flattened.
    effect = Effect(
        "tiny", KERNEL, 0.0, 1.0, spectrogram=EFFECT.spectrogram,
        normalization=Normalization(high=2.0),
    )  # fmt: skip
    audio = 0.2 * np.sin(np.arange(8000) * 0.3) + 0.02 * noise(8000, 1)[:, 0]
    wet = in_memory.render(effect, audio, RATE, 0.0, mode="published")
    assert np.std(wet - audio) > 0.1 * np.std(audio)
    np.testing.assert_array_equal(in_memory.render(effect, audio, RATE, 0.0), audio)


@pytest.mark.parametrize("samples", [1, 2, 30, 9001])
@pytest.mark.parametrize("rate", [1000, 44100, 192000])
def test_another_sample_rate_keeps_the_length(samples, rate):
    # At 192 kHz a single sample is less than one at the effect's own rate.
    audio = 0.1 * noise(samples, 2).T
    wet = in_memory.render(EFFECT, audio, rate, CONTROL, mode="published")
    assert wet.shape == audio.shape and np.isfinite(wet).all()


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 4, 7])
def test_fit_cuts_or_pads_at_the_end(samples):
    audio = np.float32([[1, 2, 3], [4, 5, 6]])
    rows = [[1, 2, 3, 0, 0, 0, 0], [4, 5, 6, 0, 0, 0, 0]]
    fitted = published.fit(audio, samples)
    assert fitted.tolist() == [row[:samples] for row in rows]
    assert fitted.dtype == np.float32
