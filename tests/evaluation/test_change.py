"""The change that rendering makes: numpy, librosa and closed forms."""

import dataclasses

import numpy as np
import pytest
from support.applying import EFFECT
from support.sounds import grain

from cak_jax.effect.gate import amount, calibrate
from cak_jax.evaluation import (
    audit,
    change,
    evaluate,
    kernel_profile,
    spectral_distance,
)
from cak_jax.model.spectral import normalise, stft
from cak_jax.rendering import in_memory
from cak_jax.runtime import json_file

SETTINGS = EFFECT.spectrogram
RATE = SETTINGS.sample_rate
BELONGS = spectral_distance.membership(SETTINGS)


def clips(count=3):
    return [grain(index) for index in range(count)]


def compare(dry, wet, gain=1.0):
    found = change.compare(
        dry, wet[None], np.array([gain], np.float32), BELONGS, settings=SETTINGS
    )
    return {name: np.asarray(value)[0] for name, value in found.items()}


def magnitude(audio):
    return np.abs(np.asarray(stft(audio, SETTINGS), np.complex128))


def test_a_gain_that_is_matched_away():
    dry = clips(1)[0]
    found = compare(dry, 2 * dry, 0.5)
    assert found["spectral_distance_db"] == pytest.approx(20 * np.log10(2), rel=1e-2)
    assert found["explained_by_gain"] == pytest.approx(1, abs=1e-4)
    assert found["explained_by_equaliser"] == pytest.approx(1, abs=1e-4)
    for name, value in found.items():
        if name not in ("spectral_distance_db", "explained_by_gain",
                        "explained_by_equaliser"):  # fmt: skip
            np.testing.assert_allclose(value, 0, atol=1e-3, err_msg=name)


def test_descriptors_equal_numpy_and_librosa():
    librosa = pytest.importorskip("librosa")
    dry, other = clips(2)
    rng = np.random.default_rng(0)
    wet = (dry + 0.05 * rng.normal(size=dry.size)).astype(np.float32)
    found = compare(dry, wet)
    hertz = np.arange(SETTINGS.bins) * RATE / SETTINGS.n_fft

    def describe(audio):
        m = magnitude(audio)
        weight = m.sum(axis=1)
        # librosa clamps powers at amin, as ours does.
        flat = librosa.feature.spectral_flatness(S=m, amin=1e-12).mean()
        crest = np.abs(audio).max() / np.sqrt(np.mean(audio.astype(np.float64) ** 2))
        bands = [10 * np.log10((m[row] ** 2).sum()) for row in BELONGS > 0]
        return (hertz * weight).sum() / weight.sum(), flat, crest, np.array(bands)

    before, after = describe(dry), describe(wet)
    hz = after[0] - before[0]
    assert found["spectral_centroid_change_hz"] == pytest.approx(hz, rel=1e-3)
    octaves = np.log2(after[0] / before[0])
    assert found["spectral_centroid_change_octaves"] == pytest.approx(octaves, rel=1e-3)
    flatness = 10 * np.log10(after[1] / before[1])
    assert found["spectral_flatness_change_db"] == pytest.approx(flatness, rel=2e-2)
    crest = 20 * np.log10(after[2] / before[2])
    assert found["crest_factor_change_db"] == pytest.approx(crest, rel=1e-3, abs=1e-4)
    expected = after[3] - before[3]
    np.testing.assert_allclose(found["level_by_band_change_db"], expected, atol=0.01)
    assert compare(dry, other)["multi_resolution_distance"] > 0.5


def test_the_document_is_what_rendering_gives():
    audio = clips(2)
    document = change.measure_change(EFFECT, audio[:2])
    assert document["bands_hz"] == [
        list(band) for band in spectral_distance.bands(SETTINGS)
    ]
    amounts = document["calibrated"]["amount"]
    assert amounts == [0.25, 0.5, 0.75, 1.0] == document["raw"]["control"]
    turned = [calibrate(EFFECT, a) for a in amounts]
    assert document["calibrated"]["control"] == pytest.approx(turned)
    levels, distances = [], []
    for dry in audio:
        loud, matched = (
            in_memory.render(EFFECT, dry, RATE, turned[2], loudness=kind, peaks="none")
            for kind in ("none", "lufs")
        )
        levels.append(10 * np.log10(np.mean(loud**2.0) / np.mean(dry**2.0)))
        found = compare(dry, matched)
        distances.append(found["spectral_distance_db"])
    found = document["calibrated"]
    assert found["level_change_db"][2] == pytest.approx(np.mean(levels), rel=1e-4)
    matched = found["spectral_distance_matched_db"][2]
    assert matched == pytest.approx(np.mean(distances), rel=1e-4)
    parts = np.add(found["spectral_convergence"], found["log_magnitude_distance"])
    np.testing.assert_allclose(found["multi_resolution_distance"], parts, rtol=1e-5)
    for name, values in found.items():
        assert len(values) == 4, name
        assert np.isfinite(values).all(), name
    by_band = np.shape(found["level_by_band_change_db"])
    assert by_band == (4, len(document["bands_hz"]))


def test_nothing_changes_nothing():
    effect = dataclasses.replace(EFFECT, scale=0.0)
    audio = clips(2)
    document = evaluate.evaluate_in_full(effect, audio[:2], ["a", "b"])
    assert document["bit_exact_at_0"] and document["null_db"] is None
    changed = document["change"]["raw"]
    assert changed["explained_by_gain"] == [None] * 4
    for name in ("level_change_db", "multi_resolution_distance"):
        assert changed[name] == pytest.approx([0.0] * 4, abs=1e-3), name
    knob = document["knob"]["raw"]
    assert knob["monotonic_share"] == 0 and knob["spearman_rho"] is None
    # The auditor hears nothing, and says the mean.
    assert document["auditor"]["raw"]["r2"] == pytest.approx(0, abs=1e-9)
    assert json_file.finite(document) == document


def test_bits_at_zero():
    audio = clips(2)
    audio[0][:2] = [-0.0, 0.0]
    assert audit.null(EFFECT, audio[:2])["bit_exact_at_0"] is True


def test_one_wrong_bit_is_seen(monkeypatch):
    audio = clips(2)

    def almost(effect, clip, rate, control):
        return clip if clip is audio[0] else np.nextafter(clip, np.float32(1))

    monkeypatch.setattr(in_memory, "render", almost)
    assert audit.null(EFFECT, audio[:2])["bit_exact_at_0"] is False


def test_kernel_profile_closed_forms():
    plain = ((0, 0, 0), (0, 0.5, 0), (0, 0, 0))
    gain = dataclasses.replace(EFFECT, kernel=plain, bias=0.0, scale=0.8)
    found = kernel_profile.profile(gain)
    assert found["centre_share"] == 1 and found["total"] == pytest.approx(0.4)
    assert [ripple["gain"] for ripple in found["response"]] == pytest.approx([0.5] * 8)
    assert found["directions"]["time_centre"] == {"sum": 0.5, "norm": 0.5}
    assert found["directions"]["frequency_above"] == {"sum": 0, "norm": 0}
    audio = clips(2)
    share = kernel_profile.gain_share_of_pattern(gain, audio[:2])
    assert share == pytest.approx(1, abs=1e-6)
    ones = dataclasses.replace(EFFECT, kernel=((0.1,) * 3,) * 3)
    found = kernel_profile.profile(ones)
    assert found["centre_share"] == pytest.approx(1 / 3)
    assert found["response"][0]["gain"] == pytest.approx(0.9)
    none = dataclasses.replace(EFFECT, kernel=((0.0,) * 3,) * 3, bias=0.0)
    assert kernel_profile.profile(none)["centre_share"] is None
    assert kernel_profile.gain_share_of_pattern(none, audio[:2]) is None
    assert amount(none, 0.0) == 0


def test_gain_share_equals_least_squares():
    from scipy import signal

    audio = clips(3)
    x = [
        np.asarray(normalise(magnitude(a), EFFECT.normalization), np.float64)
        for a in audio
    ]
    kernel = np.array(EFFECT.kernel)
    pattern = [signal.correlate2d(v, kernel, "same") + EFFECT.bias for v in x]
    x, pattern = (np.concatenate([v.ravel() for v in part]) for part in (x, pattern))
    residual = np.linalg.lstsq(x[:, None], pattern, rcond=None)[1][0]
    expected = 1 - residual / np.sum(pattern**2)
    found = kernel_profile.gain_share_of_pattern(EFFECT, audio[:3])
    assert found == pytest.approx(expected, rel=1e-4)
