"""How sounds differ: closed forms, numpy and librosa."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cak_jax.evaluation import spectral_distance
from cak_jax.model.spectrogram_settings import SpectrogramSettings

SETTINGS = SpectrogramSettings(8000, 256, 64)
BELONGS = spectral_distance.membership(SETTINGS)


def magnitudes(seed=0, frames=30):
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(size=(SETTINGS.bins, frames))).astype(np.float32)


def test_every_bin_is_in_one_band():
    for settings in (
        SETTINGS,
        SpectrogramSettings(),
        SpectrogramSettings(8000, 64, 16),
    ):
        belongs, edges = (
            spectral_distance.membership(settings),
            spectral_distance.bands(settings),
        )
        np.testing.assert_array_equal(belongs.sum(axis=0), 1)
        assert len(belongs) == len(edges) and (belongs.sum(axis=1) > 0).all()
        assert edges[0][0] == 0 and edges[-1][1] == settings.sample_rate / 2
        hertz = np.arange(settings.bins) * settings.sample_rate / settings.n_fft
        for row, (low, high) in zip(belongs, edges, strict=True):
            own = hertz[row > 0]
            assert low <= own.min() and own.max() <= high


@pytest.mark.parametrize("gain_db", [-15.0, -3.0, 6.0, 15.0])
def test_a_gain_is_a_gain(gain_db):
    dry = magnitudes()
    wet = dry * 10 ** (gain_db / 20)
    gain, equaliser = spectral_distance.explained(dry, wet)
    assert gain == pytest.approx(1, abs=1e-5)
    assert equaliser == pytest.approx(1, abs=1e-5)
    distance, by_band = spectral_distance.spectral_distance(dry, wet, BELONGS)
    assert distance == pytest.approx(abs(gain_db), rel=1e-4)
    np.testing.assert_allclose(by_band, abs(gain_db), rtol=1e-4)


def test_an_equaliser_is_an_equaliser():
    dry = magnitudes()
    curve = np.random.default_rng(1).normal(size=(SETTINGS.bins, 1)) * 6
    wet = dry * 10 ** (curve / 20)
    gain, equaliser = spectral_distance.explained(dry, jnp.float32(wet))
    assert equaliser == pytest.approx(1, abs=1e-5)
    # All bins heard in all frames: mean(d)^2 / mean(d^2).
    assert gain == pytest.approx(curve.mean() ** 2 / (curve**2).mean(), abs=1e-5)


def test_what_no_filter_makes():
    """Change that averages to 0 in every bin is neither gain nor equaliser."""
    dry = magnitudes(frames=30)
    sign = np.where(np.arange(30) % 2, 1.0, -1.0)
    gain, equaliser = spectral_distance.explained(
        dry, jnp.float32(dry * 10 ** (sign * 6 / 20))
    )
    assert gain == pytest.approx(0, abs=1e-9)
    assert equaliser == pytest.approx(0, abs=1e-9)


def test_explained_equals_numpy_where_bins_are_silent():
    dry, wet = magnitudes(), magnitudes(1)
    dry[:40, 3:] = 0
    wet[20:60, ::2] *= 1e-7
    floor = dry.max() * 1e-4
    heard = np.maximum(dry, wet) > floor
    decibels = [20 * np.log10(np.maximum(m, floor / 100)) for m in (wet, dry)]
    change = np.ma.masked_array(decibels[0] - decibels[1], ~heard)
    total = (change**2).sum()
    fitted = change.mean(axis=1)[:, None] * np.ones_like(change)
    expected = ((change.mean() ** 2) * heard.sum() / total, (fitted**2 * heard).sum())
    gain, equaliser = spectral_distance.explained(dry, wet)
    assert gain == pytest.approx(expected[0], rel=1e-4)
    assert equaliser == pytest.approx(expected[1] / total, rel=1e-4)
    assert gain < equaliser < 1


def test_no_change_explains_nothing():
    dry = jnp.asarray(magnitudes())
    assert np.isnan(spectral_distance.explained(dry, dry)).all()


def test_distance_by_band_equals_numpy():
    dry, wet = magnitudes(), magnitudes(1)
    dry[:, 10:12] = 0  # a pause
    floor = dry.max() * 1e-4
    difference = 20 * np.log10(np.maximum(wet, floor) / np.maximum(dry, floor))
    sounding = dry.max(axis=0) > floor
    distance, by_band = spectral_distance.spectral_distance(dry, wet, BELONGS)
    expected = np.sqrt((difference**2).mean(axis=0))[sounding].mean()
    assert distance == pytest.approx(expected, rel=1e-4)
    for found, row in zip(by_band, BELONGS > 0, strict=True):
        expected = np.sqrt((difference[row] ** 2).mean(axis=0))[sounding].mean()
        assert found == pytest.approx(expected, rel=1e-4)


def test_multi_resolution_distance_equals_librosa():
    librosa = pytest.importorskip("librosa")
    rng = np.random.default_rng(0)
    dry = rng.normal(size=8000).astype(np.float32) * 0.2
    wet = dry + rng.normal(size=8000).astype(np.float32) * 0.05
    dry[3000:4500] = 0
    expected = []
    for window in (512, 1024, 2048):
        x, y = (
            np.sqrt(
                np.maximum(
                    np.abs(
                        librosa.stft(
                            a,
                            n_fft=window,
                            hop_length=window // 4,
                            window="hann",
                            center=True,
                            pad_mode="constant",
                        )
                    )
                    ** 2,
                    1e-8,
                )
            )
            for a in (dry, wet)
        )
        convergence = np.linalg.norm(y - x) / np.linalg.norm(x)
        expected.append((convergence, np.abs(np.log(y) - np.log(x)).mean()))
    found = spectral_distance.multi_resolution_distance(
        spectral_distance.resolutions(dry), spectral_distance.resolutions(wet)
    )
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-3)
    same = spectral_distance.multi_resolution_distance(
        *[spectral_distance.resolutions(dry)] * 2
    )
    assert [float(value) for value in same] == [0.0, 0.0]


def test_texture_and_levels_equal_numpy():
    dry, wet = magnitudes(), magnitudes(2)
    mean, spread = spectral_distance.texture(wet, dry, BELONGS)
    levels = spectral_distance.band_levels(wet, BELONGS)
    total = (wet.astype(np.float64) ** 2).sum()
    for band, row in enumerate(BELONGS > 0):
        power = (wet[row].astype(np.float64) ** 2).sum(axis=0)
        level = 10 * np.log10(power)
        assert mean[band] == pytest.approx(level.mean(), rel=1e-4, abs=1e-4)
        assert spread[band] == pytest.approx(level.std(), rel=1e-3)
        expected = 10 * np.log10(power.sum() + 1e-10 * total)
        assert levels[band] == pytest.approx(expected, rel=1e-5)


def test_silence_is_finite():
    silent = jnp.zeros((SETTINGS.bins, 5))
    found = jax.tree.leaves(
        [
            spectral_distance.spectral_distance(silent, silent, BELONGS),
            spectral_distance.texture(silent, silent, BELONGS),
            spectral_distance.band_levels(silent, BELONGS),
            spectral_distance.multi_resolution_distance(
                *[spectral_distance.resolutions(jnp.zeros(1000))] * 2
            ),
        ]
    )
    assert all(np.isfinite(value).all() for value in found)
