"""Descriptors against closed forms and second implementations in numpy."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from cak_jax.data import descriptors, statistics
from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings

SETTINGS = SpectrogramSettings(sample_rate=8000, n_fft=256, hop_length=64)
SECONDS = 2
SAMPLES = SETTINGS.sample_rate * SECONDS


def describe(samples: np.ndarray) -> dict[str, float]:
    found = descriptors.describe_audio(jnp.asarray(samples, jnp.float32), SETTINGS)
    return {name: float(value) for name, value in found.items()}


def sine(frequency: float, amplitude: float = 0.5) -> np.ndarray:
    time = np.arange(SAMPLES) / SETTINGS.sample_rate
    return amplitude * np.sin(2 * np.pi * frequency * time + 0.1)


def noise(seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(SAMPLES)


@functools.cache
def clicks(period: int = 2000) -> np.ndarray:
    samples = np.zeros(SAMPLES)
    samples[::period] = 0.9
    return samples


def magnitude(samples: np.ndarray) -> np.ndarray:
    """Compute `|stft|` with scipy."""
    _, _, spectrum = signal.stft(
        samples, nperseg=SETTINGS.n_fft, noverlap=SETTINGS.n_fft - SETTINGS.hop_length,
        window="hann", boundary="zeros", padded=False,
    )  # fmt: skip
    return np.abs(spectrum) * SETTINGS.n_fft / 2


def reference(samples: np.ndarray) -> dict[str, float]:
    """Compute every descriptor again, frame by frame."""
    table = magnitude(samples)
    frequencies = np.fft.rfftfreq(SETTINGS.n_fft, 1 / SETTINGS.sample_rate)
    weight = table.sum(axis=1)
    power = [frame**2 for frame in table.T]
    loudest = max(frame.mean() for frame in power)
    flatness = [
        np.exp(np.log(np.maximum(frame, 1e-12)).mean()) / frame.mean()
        for frame in power
        if frame.mean() > 1e-6 * loudest
    ]
    total, rolloff = 0.0, 0.0
    for frequency, share in zip(frequencies, weight, strict=True):
        total += share
        if total >= 0.85 * weight.sum():
            rolloff = frequency
            break
    crossings = sum(a * b < 0 for a, b in itertools.pairwise(samples))
    level = np.log1p(100 * table / table.max())
    before = np.zeros(len(level))
    flux = []
    for frame in level.T:
        flux.append(np.maximum(frame - before, 0).sum())
        before = frame
    reach = round(0.05 * SETTINGS.sample_rate / SETTINGS.hop_length)
    limit = np.mean(flux) + np.std(flux)
    onsets = 0
    for index, value in enumerate(flux):
        past = [*flux[max(0, index - reach) : index], 0.0]
        future = flux[index : index + reach + 1]
        onsets += value > max(past) and value >= max(future) and value > limit
    squares = table**2 + 1e-10 * (table**2).mean()
    logs = np.log(squares + 1e-5 * squares.max())
    contrast = np.abs(2 * logs[1:-1] - logs[2:] - logs[:-2])
    rise = np.clip(np.diff(level, axis=1), 0, None)
    root = np.sqrt(np.mean(samples**2))
    return {
        "rms": root,
        "crest_factor": np.abs(samples).max() / root,
        "spectral_centroid": (frequencies * weight).sum() / weight.sum(),
        "spectral_flatness": np.mean(flatness),
        "spectral_rolloff": rolloff,
        "zero_crossing_rate": crossings / (len(samples) - 1),
        "onset_density": onsets / SECONDS,
        "attack": np.log(rise.mean() / level.mean()),
        "spectral_contrast": np.log(contrast.mean()),
    }


@pytest.mark.parametrize("sound", [noise(), sine(433.0) * np.linspace(0, 1, SAMPLES)])
def test_second_implementation(sound):
    found, expected = describe(sound), reference(sound)
    assert set(found) == set(expected) == set(descriptors.DESCRIPTORS)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-3, err_msg=name)


def test_sine():
    found = describe(sine(1000.0, 0.5))
    np.testing.assert_allclose(found["rms"], 0.5 / np.sqrt(2), rtol=1e-4)
    crest = describe(sine(433.0))["crest_factor"]
    np.testing.assert_allclose(crest, np.sqrt(2), rtol=1e-3)
    np.testing.assert_allclose(found["zero_crossing_rate"], 2000 / 8000, rtol=1e-3)
    np.testing.assert_allclose(found["spectral_centroid"], 1000, rtol=0.02)
    assert abs(found["spectral_rolloff"] - 1000) <= SETTINGS.sample_rate / 256
    assert found["spectral_flatness"] < 1e-3
    faded = sine(1000.0) * np.minimum(1, np.linspace(8, 0, SAMPLES))
    assert describe(faded)["onset_density"] == 1 / SECONDS


def test_white_noise():
    found = describe(noise())
    np.testing.assert_allclose(found["rms"], 0.1, rtol=0.02)
    np.testing.assert_allclose(found["zero_crossing_rate"], 0.5, atol=0.02)
    np.testing.assert_allclose(found["spectral_centroid"], 2000, rtol=0.02)
    np.testing.assert_allclose(found["spectral_rolloff"], 0.85 * 4000, rtol=0.02)
    # The mean log of an exponential variable of mean 1 is minus Euler's constant.
    np.testing.assert_allclose(
        found["spectral_flatness"], np.exp(-np.euler_gamma), rtol=0.03
    )


def test_impulse_train():
    found = describe(clicks(2000))
    assert found["onset_density"] == 8000 / 2000
    np.testing.assert_allclose(found["crest_factor"], np.sqrt(2000), rtol=1e-4)
    np.testing.assert_allclose(found["rms"], 0.9 / np.sqrt(2000), rtol=1e-4)


@pytest.mark.parametrize("name", ["spectral_centroid", "spectral_flatness"])
def test_padding_does_not_change_what_ignores_it(name):
    sound = noise() * np.hanning(SAMPLES)
    padded = np.concatenate([sound, np.zeros(SAMPLES)])
    np.testing.assert_allclose(describe(padded)[name], describe(sound)[name], rtol=1e-3)


def test_silence_is_finite():
    assert np.isfinite(list(describe(np.zeros(SAMPLES)).values())).all()


def test_gain_changes_only_the_level():
    loud, soft = describe(clicks()), describe(clicks() * 0.25)
    np.testing.assert_allclose(soft.pop("rms"), loud.pop("rms") / 4, rtol=1e-5)
    for name, value in loud.items():
        np.testing.assert_allclose(soft[name], value, rtol=1e-3, err_msg=name)


def test_vmapped_equals_single():
    clips = jnp.asarray(np.stack([noise(), sine(300), clicks()]), jnp.float32)
    many = jax.vmap(lambda a: descriptors.describe_audio(a, SETTINGS))(clips)
    for index, clip in enumerate(clips):
        for name, value in describe(np.asarray(clip)).items():
            np.testing.assert_allclose(many[name][index], value, rtol=1e-5)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"magnitude \[129, frame\]"):
        descriptors.describe(jnp.zeros(100), jnp.zeros((100, 3)), SETTINGS)


def test_percentiles_equal_those_of_all_values():
    clips = np.stack([noise(), sine(500, 0.9), clicks(), noise(1) * 3]).astype("f4")
    training = np.array([True, True, False, True])
    calls = []
    found = statistics.measure(
        clips.__getitem__, training, np.abs(clips).max(), SETTINGS, 10.0,
        lambda *call: calls.append(call),
    )  # fmt: skip
    values = np.concatenate(
        [np.log1p(10 * np.sqrt(magnitude(c))).ravel() for c in clips[training]]
    )
    peak = float(np.abs(clips).max())
    width = statistics.upper_bound(peak, SETTINGS, 10.0) / statistics.BINS
    for got, percent in ((found.low, 0.01), (found.high, 99.99)):
        assert abs(got - np.percentile(values, percent)) <= 2 * width
    assert calls == [(n, 4, "measuring") for n in range(5)]
    for index, clip in enumerate(clips):
        for name, value in describe(clip).items():
            np.testing.assert_allclose(found.descriptors[name][index], value, rtol=1e-5)


def test_histogram_percentile_of_uniform_values():
    counts = np.full(100, 7)
    for percent in (0.01, 3, 50, 99.99):
        got = statistics.histogram_percentile(counts, 2.0, percent)
        assert abs(got - 2.0 * percent / 100) < 2.0 / 100
    one = np.zeros(100, int)
    one[40] = 5
    assert 0.8 <= statistics.histogram_percentile(one, 2.0, 50) <= 0.82


def test_upper_bound_holds_and_is_reached():
    top = statistics.upper_bound(1.0, SETTINGS, 10.0)
    constant = jnp.ones(2048)
    level = spectral.compress(jnp.abs(spectral.stft(constant, SETTINGS)), 10.0)
    np.testing.assert_allclose(float(level.max()), top, rtol=1e-5)
