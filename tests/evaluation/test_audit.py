"""Measures of an effect against direct computation, numpy and scipy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cak_jax.data import batch
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import amount, calibrate
from cak_jax.evaluation import (
    agreement,
    audit as measure,
    evaluate,
    kernel_profile,
    spectral_distance,
)
from cak_jax.model import cak, spectral
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.spectral import denormalise
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings

KERNEL = ((0.05, 0.1, 0.02), (0.12, 0.3, 0.07), (0.04, 0.11, 0.06))
SETTINGS = SpectrogramSettings(8000, 64, 16)


def make(**values):
    given = {
        "name": "test",
        "kernel": KERNEL,
        "bias": -0.02,
        "scale": 0.9,
        "spectrogram": SETTINGS,
        "normalization": Normalization(10.0, 0.85, 0.02, 3.0),
    }
    return Effect(**{**given, **values})


def clips(count=4, samples=1600):
    rng = np.random.default_rng(0)
    level = np.geomspace(0.01, 0.5, count)[:, None]
    return (rng.normal(size=(count, samples)) * level).astype(np.float32)


def spectrogram(effect, audio):
    frames = SETTINGS.frames(audio.shape[-1])
    zero = np.zeros(1, int)
    samples = batch.gather(audio[None], zero, zero, frames, SETTINGS)
    constants = spectral.constant_arrays(effect.normalization)
    return batch.spectrograms(jnp.asarray(samples), SETTINGS, constants)


def learned(effect):
    return {"kernel": jnp.asarray(effect.kernel), "bias": jnp.float32(effect.bias)}


def inner(x):
    # All of these clips sound from end to end, so that only the rim is left out.
    return np.asarray(x, np.float64)[..., 1:-1, 1:-1].mean()


@pytest.fixture(scope="module")
def measured():
    audio = clips()
    return measure.measure_clips(make(), list(audio))


# `test_heard.py` has those that hear; this effect names no quality for them.
SEEN = [name for name in AUDITS if not AUDITS[name].HEARS]


@pytest.mark.parametrize("audit", SEEN)
def test_two_measurements_give_every_control(measured, audit):
    effect, audio = make(), clips()
    controls = np.array([0.0, 0.2, 0.35, 0.7, 1.0])
    curve = measure.audit_curve(effect, measured, controls, audit)
    for row, clip in zip(curve, audio, strict=True):
        x = spectrogram(effect, clip)
        for value, control in zip(row, controls, strict=True):
            y, _ = cak.transform(
                x,
                jnp.full(1, control, jnp.float32),
                **learned(effect),
                scale=effect.scale,
                threshold=effect.threshold,
                temperature=effect.temperature,
            )
            direct = np.asarray(cak.detect(y, **learned(effect)), np.float64).mean()
            if audit == "relative":
                before, after = (inner(v) for v in (x, y))
                direct = (after - before) / before
            assert value == pytest.approx(direct, rel=1e-4, abs=1e-5)


def perfect(scale, count=5):
    # The relative change is the amount, `c gate(c) scale`, on every clip.
    values = np.tile([0.0, scale], (count, 1))
    return {
        "audit": {"relative": values},
        "audible": {"relative": np.ones(count, bool)},
    }


def test_a_perfect_effect_is_perfect():
    # A gate of temperature 0 is one half; scale 2 makes the amount the control.
    effect = make(temperature=0.0, scale=2.0)
    curve = measure.audit_curve(
        effect, perfect(effect.scale), agreement.CONTROLS, "relative"
    )
    fitted = agreement.fit(agreement.CONTROLS, curve)
    expected = {"slope": 1, "intercept": 0, "r2": 1, "mae": 0, "slope_sd": 0}
    for name, value in expected.items():
        assert fitted[name] == pytest.approx(value, abs=1e-6), name


def test_the_gates_own_ceiling():
    """The most that gate 0.3/20 allows, raw and calibrated."""
    effect = make(scale=1.0)
    curve = measure.audit_curve(
        effect, perfect(effect.scale), agreement.CONTROLS, "relative"
    )
    raw = agreement.fit(agreement.CONTROLS, curve)
    assert raw["slope"] == pytest.approx(1.135, abs=2e-3)
    assert raw["r2"] == pytest.approx(0.933, abs=2e-3)
    assert raw["mae"] == pytest.approx(0.047, abs=1e-3)
    turned = np.array([calibrate(effect, c) for c in agreement.CONTROLS])
    curve = measure.audit_curve(effect, perfect(effect.scale), turned, "relative")
    fitted = agreement.fit(agreement.CONTROLS, curve)
    assert fitted["slope"] == pytest.approx(1, abs=1e-5)
    assert fitted["r2"] == pytest.approx(1, abs=1e-9)
    assert fitted["mae"] == pytest.approx(0, abs=1e-6)


def test_fit_equals_scipy():
    rng = np.random.default_rng(3)
    controls = agreement.CONTROLS
    slopes = np.array([[0.4], [0.9], [1.3]])
    values = 0.1 + slopes * controls[None] + 0.05 * rng.normal(size=(3, 21))
    fitted = agreement.fit(controls, values)
    x, y = np.tile(controls, 3), values.ravel()
    line = stats.linregress(x, y)
    assert fitted["slope"] == pytest.approx(line.slope)
    assert fitted["intercept"] == pytest.approx(line.intercept)
    own = [stats.linregress(controls, row).slope for row in values]
    assert fitted["slope_sd"] == pytest.approx(np.std(own))
    assert fitted["r2"] == pytest.approx(1 - ((y - x) ** 2).sum() / (21 * 3 * x.var()))
    assert fitted["mae"] == pytest.approx(np.abs(y - x).mean())
    # Always the mean has R2 0 by definition; 21 even steps lie 11/42 from 0.5 on
    # average, and 0.5 from 0.
    assert fitted["r2_if_mean"] == 0
    assert fitted["mae_if_mean"] == pytest.approx(11 / 42)
    assert fitted["mae_if_zero"] == pytest.approx(0.5)
    assert fitted["r2_if_zero"] == pytest.approx(-0.25 / np.var(controls))


def test_change_is_the_log_spectral_distance(measured):
    effect, audio = make(), clips()
    floor = 10 ** (spectral_distance.FLOOR_DB / 20)
    for index, clip in enumerate(audio):
        x = spectrogram(effect, clip)[0]
        pattern = cak.detect(x, **learned(effect))
        dry = np.asarray(denormalise(x, effect.normalization), np.float64)

        lowest = dry.max() * floor
        for column, control in enumerate(measure.CHANGE_CONTROLS):
            y = np.clip(x + pattern * amount(effect, control), 0, 1)
            wet = np.asarray(denormalise(jnp.asarray(y), effect.normalization))
            wet_db, dry_db = (20 * np.log10(np.maximum(m, lowest)) for m in (wet, dry))
            distance = np.sqrt(((wet_db - dry_db) ** 2).mean(axis=0)).mean()
            level = 10 * np.log10((wet**2.0).sum() / (dry**2).sum())
            found = measured["distance_db"][index, column]
            assert found == pytest.approx(distance, rel=1e-3, abs=1e-4)
            found = measured["level_db"][index, column]
            assert found == pytest.approx(level, rel=1e-3, abs=1e-3)


def test_the_effects_spacing_is_measured():
    effect, audio = make(spacing=(3, 2)), clips()
    found = measure.measure_clips(effect, audio)
    curve = measure.audit_curve(effect, found, np.array([1.0]), "relative")
    products = np.zeros(3)
    for index, clip in enumerate(audio):
        x = spectrogram(effect, clip)
        pattern = cak.detect(x, **learned(effect), spacing=(3, 2))
        assert np.abs(pattern - cak.detect(x, **learned(effect))).max() > 0.05
        factor = amount(effect, 1.0)
        before, after = inner(x), inner(x + pattern * factor)
        assert curve[index, 0] == pytest.approx((after - before) / before, rel=1e-4)
        y = np.clip(x + pattern * factor, 0, 1)
        wet = np.asarray(denormalise(jnp.asarray(y), effect.normalization))
        dry = np.asarray(denormalise(x, effect.normalization))
        level = 10 * np.log10((wet**2.0).sum() / (dry**2).sum())
        assert found["level_db"][index, -1] == pytest.approx(level, abs=1e-3)
        d, x = np.asarray(pattern), np.asarray(x)
        products += [(d * x).mean(), (x**2).mean(), (d**2).mean()]
    both, sound, changed = products
    share = kernel_profile.gain_share_of_pattern(effect, audio)
    assert share == pytest.approx(both**2 / (sound * changed), rel=1e-3)


def test_an_effect_of_nothing():
    audio = clips(3)
    document = evaluate.evaluate(make(scale=0.0), audio[:3])
    assert document["clips"] == 3
    assert document["null_db"] is None
    distance = document["change"]["spectral_distance_db"]
    np.testing.assert_allclose(distance, [0.0] * 4, atol=1e-5)
    np.testing.assert_allclose(document["change"]["level_change_db"], 0.0, atol=1e-5)
    for knob in ("raw", "calibrated"):
        fitted = document["audit"]["relative"][knob]
        assert fitted["slope"] == pytest.approx(0, abs=1e-12)
        assert fitted["r2"] == pytest.approx(fitted["r2_if_zero"])
        assert fitted["mae"] == pytest.approx(fitted["mae_if_zero"])


def test_document_joins_the_parts(measured):
    effect, audio = make(), clips()
    document = evaluate.evaluate(effect, list(audio))
    assert set(document["audit"]) == set(SEEN)
    for audit in SEEN:
        curve = measure.audit_curve(effect, measured, agreement.CONTROLS, audit)
        expected = agreement.fit(agreement.CONTROLS, curve)
        found = document["audit"][audit]["raw"]
        assert {k: found[k] for k in expected} == pytest.approx(expected, rel=1e-9)
    assert measured["audible"]["relative"].all()
    assert document["audit"]["relative"]["quiet_share"] == 0.0
    change = document["change"]
    assert change["control"] == list(measure.CHANGE_CONTROLS)
    mean = measured["distance_db"].mean(axis=0)
    np.testing.assert_allclose(change["spectral_distance_db"], mean, rtol=1e-6)
    rises = [(np.diff(row) > 0).all() for row in measured["distance_db"]]
    assert change["monotonic_share"] == np.mean(rises)
    assert document["null_db"] is None and amount(effect, 0.0) == 0


def test_silent_clips_are_counted_and_left_out(measured):
    effect, audio = make(), clips()
    silent = np.concatenate([audio, np.zeros_like(audio[:2])])
    document = evaluate.evaluate(effect, list(silent))
    assert document["audit"]["relative"]["quiet_share"] == pytest.approx(1 / 3)
    curve = measure.audit_curve(effect, measured, agreement.CONTROLS, "relative")
    expected = agreement.fit(agreement.CONTROLS, curve)
    found = document["audit"]["relative"]["raw"]
    assert found["slope"] == pytest.approx(expected["slope"], rel=1e-6)
    assert found["mae"] == pytest.approx(expected["mae"], rel=1e-6)
    with pytest.raises(measure.UnheardError, match="louder"):
        evaluate.evaluate(effect, [np.zeros_like(audio[0])] * 2)
