"""The knob's turn: ranks against scipy, closed forms, and a knob that adds noise."""

import dataclasses

import numpy as np
import pytest
from scipy import special, stats
from support.applying import EFFECT
from support.sounds import RATE, grain

from cak_jax.effect.gate import calibrate
from cak_jax.evaluation import independent_auditor, knob_response
from cak_jax.evaluation.agreement import CONTROLS
from cak_jax.model.spectral import stft
from cak_jax.rendering import in_memory, loudness


def clips(count=4):
    return [grain(index) for index in range(count)]


def make(**values):
    return dataclasses.replace(EFFECT, **values)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steps", [3, 1000])
def test_spearman_equals_scipy(seed, steps):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, steps, (2, 21)).astype(float)
    np.testing.assert_array_equal(knob_response.ranks(first), stats.rankdata(first))
    expected = stats.spearmanr(first, second).statistic
    assert knob_response.spearman(first, second) == pytest.approx(expected)
    assert np.isnan(knob_response.spearman(first, np.ones(21)))


def test_gate_closed_forms():
    # Proportional: the first hundredth does less than one percent, steps are even.
    straight = knob_response.gate_shape(make(temperature=0.0))
    assert straight["dead_zone"] == pytest.approx(0.009, abs=1.01e-3)
    assert straight["largest_step"] == pytest.approx(1.0, rel=1e-5)
    gated = knob_response.gate_shape(make(scale=-0.7, threshold=0.3, temperature=20.0))
    curve = CONTROLS * special.expit((CONTROLS - 0.3) * 20)
    expected = np.diff(curve / curve[-1]).max() * 20
    assert gated["largest_step"] == pytest.approx(expected, rel=1e-4)
    # c gate(c) reaches 1% of its end between 0.16 and 0.165.
    assert 0.16 < gated["dead_zone"] < 0.165
    dead = gated["dead_zone"]
    assert dead * special.expit((dead - 0.3) * 20) < 0.01 * curve[-1]


def test_describe_closed_forms():
    straight = knob_response.describe(np.stack([CONTROLS * 7, CONTROLS * 3]))
    expected = {"monotonic_share": 1, "spearman_rho": 1, "line_r2": 1}
    assert straight == pytest.approx(expected | {"largest_step": 1, "dead_zone": 0})
    # All of it in the step from 0.5 to 0.55.
    jump = np.where(CONTROLS > 0.51, 1.0, 0.0)
    found = knob_response.describe(np.stack([jump]))
    assert found["monotonic_share"] == 0 and found["largest_step"] == pytest.approx(20)
    assert found["dead_zone"] == pytest.approx(0.5)
    assert found["line_r2"] == pytest.approx(stats.pearsonr(CONTROLS, jump)[0] ** 2)
    falling = knob_response.describe(np.stack([1.1 - CONTROLS]))
    assert falling["spearman_rho"] == pytest.approx(-1)
    nothing = knob_response.describe(np.zeros((3, 21)))
    assert nothing["monotonic_share"] == 0 and nothing["line_r2"] is None


def test_the_loudest_stretch():
    clip = np.zeros(10_000, np.float32)
    clip[6200:6900] = 0.5
    found = knob_response.loudest(clip, 1000)
    assert len(found) == 1000 and (found != 0).sum() == 700
    assert knob_response.loudest(clip, 20_000) is clip


def test_over_clips_is_a_map_and_stops():
    seen = []
    found = knob_response.over_clips(
        lambda i: i**2, range(7), "", lambda *s: seen.append(s[0])
    )
    assert found == [i**2 for i in range(7)] and seen == list(range(1, 8))
    with pytest.raises(ZeroDivisionError):
        knob_response.over_clips(lambda i: 1 / (i - 2), range(100), "")


def test_turning_is_rendering():
    audio = clips(2)
    found = knob_response.turn(EFFECT, audio[:2])
    settings, rate = EFFECT.spectrogram, EFFECT.spectrogram.sample_rate
    for name, index, column in (("raw", 0, 20), ("calibrated", 1, 7)):
        turned = float(CONTROLS[column])
        control = turned if name == "raw" else calibrate(EFFECT, turned)
        dry = audio[index]
        magnitude = np.abs(np.asarray(stft(dry, settings), np.complex128))
        floor = magnitude.max() * 1e-4
        for key, match in (("matched_db", "lufs"), ("unmatched_db", "none")):
            wet = in_memory.render(
                EFFECT, dry, rate, control, loudness=match, peaks="none"
            )
            other = np.abs(np.asarray(stft(wet, settings), np.complex128))
            change = 20 * np.log10(
                np.maximum(other, floor) / np.maximum(magnitude, floor)
            )
            expected = np.sqrt((change**2).mean(axis=0)).mean()
            value = found[name][key][index, column]
            assert value == pytest.approx(expected, rel=1e-3)
    for name in knob_response.KNOBS:
        np.testing.assert_allclose(found[name]["matched_db"][:, 0], 0, atol=1e-4)
        features = found[name]["features"]
        # At control 0 nothing changes, to rounding; the rest is the dry sound's own.
        half = (features.shape[-1] - 1) // 2
        np.testing.assert_allclose(features[:, 0, : half + 1], 0, atol=1e-3)
        assert np.isfinite(features).all()


def test_the_auditor_recovers_a_knob_that_adds_noise(monkeypatch):
    """Noise in proportion to the control is heard, however loudness is matched."""
    audio = clips(8)
    noise = np.random.default_rng(0).normal(size=(50, RATE)).astype(np.float32)
    calls = iter(range(10**6))

    def render_noise(effect, dry, rate, control, **options):
        own = noise[next(calls) % 50]
        return dry + np.float32(control) * own * loudness.rms(dry)

    monkeypatch.setattr(in_memory, "render", render_noise)
    found = knob_response.turn(EFFECT, list(audio))["raw"]
    judged = independent_auditor.judge(
        found["features"], CONTROLS, list(range(len(audio)))
    )
    assert judged["r2"] > 0.85 and judged["shuffled"]["r2"] < 0.05


def test_the_auditor_cannot_read_the_level(monkeypatch):
    """A knob that is only a gain is gone once loudness is matched."""
    audio = clips(8)
    monkeypatch.setattr(
        in_memory, "render", lambda e, dry, r, c, **o: dry * np.float32(1 + c)
    )
    found = knob_response.turn(EFFECT, list(audio))["raw"]
    judged = independent_auditor.judge(
        found["features"], CONTROLS, list(range(len(audio)))
    )
    assert judged["r2"] < 0.05
    np.testing.assert_allclose(found["matched_db"], 0, atol=1e-3)
    expected = np.tile(20 * np.log10(1 + CONTROLS), (8, 1))
    np.testing.assert_allclose(found["unmatched_db"], expected, atol=0.02)
