"""Spectrogram and normalisation against closed forms and scipy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from cak_jax.data import batch
from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings

SETTINGS = SpectrogramSettings()
SMALL = SpectrogramSettings(8000, 64, 16)


def noise(samples, seed=0):
    audio = np.random.default_rng(seed).uniform(-1, 1, samples)
    return audio.astype(np.float32)


def test_sine_on_a_bin_has_the_window_in_three_bins():
    # The periodic Hann window's transform is N/2 at 0 and -N/4 at +-1 bin.
    n, bin_, t = 2048, 100, 8
    audio = np.cos(2 * np.pi * bin_ * np.arange(16384) / n).astype(np.float32)
    magnitude = np.abs(spectral.stft(jnp.asarray(audio), SETTINGS))[:, t]
    expected = np.zeros(1025)
    expected[bin_ - 1 : bin_ + 2] = n / 8, n / 4, n / 8
    np.testing.assert_allclose(magnitude, expected, atol=1e-3 * n / 4)


def test_impulse_gives_the_window_and_a_linear_phase():
    # An impulse at sample s lies s - (t hop - n/2) into frame t.
    audio = np.zeros(400, np.float32)
    audio[100] = 1.0
    spectrum = np.asarray(spectral.stft(jnp.asarray(audio), SMALL))
    for t in range(spectrum.shape[1]):
        place = 100 - (t * 16 - 32)
        inside = 0 <= place < 64
        height = 0.5 - 0.5 * np.cos(2 * np.pi * place / 64) if inside else 0.0
        expected = height * np.exp(-2j * np.pi * np.arange(33) * place / 64)
        np.testing.assert_allclose(spectrum[:, t], expected, atol=1e-6)


def test_constant_has_only_dc():
    spectrum = spectral.stft(jnp.ones(640), SMALL)
    middle = np.asarray(spectrum)[:, 20]
    expected = np.zeros(33)
    expected[:2] = 32.0, -16.0
    np.testing.assert_allclose(middle, expected, atol=1e-4)


@pytest.mark.parametrize("settings", [SETTINGS, SMALL], ids=["2048", "64"])
def test_stft_equals_scipy(settings):
    audio = noise(5000)
    n, hop = settings.n_fft, settings.hop_length
    padded = np.pad(audio.astype(np.float64), n // 2)
    window = signal.get_window("hann", n, fftbins=True)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n)[::hop]
    plain = np.fft.rfft(frames * window).T
    _, _, theirs = signal.stft(
        audio.astype(np.float64),
        nperseg=n,
        noverlap=n - hop,
        window="hann",
        padded=False,
    )
    ours = np.asarray(spectral.stft(jnp.asarray(audio), settings))
    count = settings.frames(len(audio))
    assert ours.shape == (settings.bins, count) == plain.shape
    tolerance = 1e-6 * np.abs(plain).max()
    np.testing.assert_allclose(ours, plain, atol=tolerance)
    # scipy scales by the window's sum.
    theirs = theirs[:, :count] * window.sum()
    np.testing.assert_allclose(ours[:, : theirs.shape[1]], theirs, atol=tolerance)


@functools.partial(jax.jit, static_argnums=1)
def there_and_back(audio, settings):
    return spectral.istft(spectral.stft(audio, settings), settings, audio.shape[-1])


@pytest.mark.parametrize("samples", [1, 511, 512, 2047, 5000, 44100])
def test_round_trip(samples):
    audio = noise(samples)
    back = there_and_back(audio, SETTINGS)
    # A tail beyond the last frame's centre is under one falling window only, so
    # rounding there is amplified by 1 / window; with the hop of 512 by 2 at most.
    np.testing.assert_allclose(back, audio, atol=2e-6)


@pytest.mark.parametrize("divisor", [2, 4, 8])
def test_round_trip_of_channels_and_hops(divisor):
    settings = SpectrogramSettings(8000, 64, 64 // divisor)
    audio = noise((2, 3, 777))
    back = there_and_back(audio, settings)
    # At half overlap the last sample may lie under 1 / n of a window only.
    np.testing.assert_allclose(back, audio, atol=2e-6 if divisor > 2 else 1e-4)


def test_istft_is_zero_beyond_the_last_frame():
    spectrum = spectral.stft(jnp.asarray(noise(160)), SMALL)
    longer = spectral.istft(spectrum, SMALL, 1000)
    assert longer.shape == (1000,)
    assert not np.asarray(longer[160 + 32 :]).any()


def test_transform_is_linear_over_leading_axes():
    audio = noise((3, 500))
    together = spectral.stft(jnp.asarray(audio), SMALL)
    for row, spectrum in zip(audio, together, strict=True):
        alone = spectral.stft(jnp.asarray(row), SMALL)
        np.testing.assert_allclose(spectrum, alone, atol=1e-5)


def test_frames_of_the_documented_length():
    # 15 s at 44.1 kHz give the paper's 1292 frames.
    assert SETTINGS.frames(15 * 44100) == 1292
    assert (SETTINGS.bins, SMALL.bins) == (1025, 33)


CONSTANTS = Normalization(10.0, 0.85, 0.05, 4.2)


def test_normalise_is_the_equation():
    magnitude = np.geomspace(1e-6, 1e3, 50)
    unit = (np.log1p(10 * np.sqrt(magnitude)) - 0.05) / 4.15
    expected = np.clip(unit, 0, 1) ** 0.85
    ours = spectral.normalise(jnp.asarray(magnitude, jnp.float32), CONSTANTS)
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-6)


def test_normalise_is_monotone_and_saturates():
    magnitude = jnp.asarray(np.geomspace(1e-9, 1e6, 2000), jnp.float32)
    values = np.asarray(spectral.normalise(magnitude, CONSTANTS))
    assert (np.diff(values) >= 0).all()
    assert values[0] == 0.0 and values[-1] == 1.0
    inside = (values > 0) & (values < 1)
    assert (np.diff(values[inside]) > 0).all()


def test_inverse_on_low_to_high():
    ends = (np.expm1(np.array([0.06, 4.19])) / 10) ** 2
    magnitude = np.geomspace(*ends, 300).astype(np.float32)
    there = spectral.normalise(jnp.asarray(magnitude), CONSTANTS)
    back = spectral.denormalise(there, CONSTANTS)
    np.testing.assert_allclose(back, magnitude, rtol=5e-5)
    unit = jnp.linspace(0, 1, 101)
    again = spectral.normalise(spectral.denormalise(unit, CONSTANTS), CONSTANTS)
    np.testing.assert_allclose(again, unit, atol=2e-5)


def test_inverse_is_never_negative():
    constants = Normalization(10.0, 0.85, -0.5, 4.0)
    values = np.asarray(spectral.denormalise(jnp.linspace(0, 1, 101), constants))
    # Below low + unit * span = 0 there is no magnitude: 0.
    assert (values[:10] == 0).all() and (np.diff(values) >= 0).all()


@pytest.mark.parametrize(
    "n_fft, hop", [(2047, 512), (2048, 500), (2048, 2048), (64, 24)]
)
def test_settings_are_refused(n_fft, hop):
    with pytest.raises(ValueError, match=f"n_fft={n_fft}, hop_length={hop}"):
        SpectrogramSettings(44100, n_fft, hop)


def test_shapes_are_refused():
    for shape in ((), (0,), (2, 0)):
        with pytest.raises(ValueError, match="got"):
            spectral.stft(jnp.zeros(shape), SMALL)
    for shape in ((33,), (32, 5)):
        with pytest.raises(ValueError, match="got"):
            spectral.istft(jnp.zeros(shape, jnp.complex64), SMALL, 10)


@pytest.mark.parametrize("first, frames", [(0, 5), (7, 20), (47, 16), (0, 63)])
def test_crop_equals_the_slice_of_the_whole(first, frames):
    audio = noise((3, 1000))
    whole = spectral.stft(jnp.asarray(audio), SMALL)
    assert whole.shape[-1] == 63
    clips, starts = np.array([2, 0]), np.array([first, first])
    samples = batch.gather(audio, clips, starts, frames, SMALL)
    assert samples.shape == (2, batch.crop_samples(frames, SMALL))
    crop = spectral.stft_uncentred(jnp.asarray(samples), SMALL)
    expected = np.asarray(whole)[clips, :, first : first + frames]
    np.testing.assert_allclose(crop, expected, atol=1e-5)


def test_batch_is_the_normalised_magnitude():
    audio = noise((2, batch.crop_samples(12, SMALL)))
    made = batch.make_batch(
        jnp.asarray(audio[:1]),
        jnp.asarray(audio[1:]),
        jnp.ones(1),
        SMALL,
        spectral.constant_arrays(CONSTANTS),
    )
    for x, samples in ((made.x_in, audio[0]), (made.x_target, audio[1])):
        frames = np.lib.stride_tricks.sliding_window_view(samples, 64)[::16]
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
        magnitude = np.abs(np.fft.rfft(frames * window)).T
        unit = (np.log1p(10 * np.sqrt(magnitude)) - 0.05) / 4.15
        expected = np.clip(unit, 0, 1) ** 0.85
        np.testing.assert_allclose(x[0], expected, atol=2e-5)
