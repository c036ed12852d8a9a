"""What is heard: closed forms, the game's definitions, and an effect made by hand."""

import numpy as np
import pytest

from cak_jax.effect.effect import Effect, Quality
from cak_jax.evaluation import audit, evaluate, heard
from cak_jax.model import qualities
from cak_jax.model.quality_names import WORDS
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings

RATE = 16000
TIME = np.arange(2 * RATE) / RATE


def noise(seed=0, level=0.1):
    return level * np.random.default_rng(seed).standard_normal(len(TIME))


def chord(*pitches):
    tones = sum(np.sin(2 * np.pi * pitch * TIME) for pitch in pitches)
    return 0.1 * tones + noise(int(pitches[0]), 1e-3)


def clips():
    return [
        chord(220, 331, 527).astype(np.float32),
        chord(180, 402, 811).astype(np.float32),
        (chord(300, 452) + noise(3, 0.01)).astype(np.float32),
    ]


def filler(**changes):
    """An effect that fills gaps: a bias, and a kernel that weighs nothing."""
    values = {
        "name": "filler",
        "kernel": ((0.0,) * 3, (0.0, -0.2, 0.0), (0.0,) * 3),
        "bias": 0.2,
        "scale": 1.0,
        "spectrogram": SpectrogramSettings(RATE, 512, 128),
        "normalization": Normalization(10.0, 0.85, 0.0, 3.5),
        "quality": Quality("spectral_flatness", "dB", 20.0),
    }
    return Effect(**values | changes)


@pytest.mark.parametrize("sound", [noise(), chord(220, 331), chord(500) * TIME])
def test_both_implementations_agree_at_one_window(sound):
    found = heard.measure(sound, RATE, qualities.WINDOW)
    expected = qualities.measure(np.float32(sound), RATE)
    assert list(found) == list(WORDS)
    np.testing.assert_allclose(list(found.values()), expected, rtol=2e-3, atol=2e-3)


def test_side_effects_in_closed_form():
    """Doubling is 6 dB of level and nothing else; a tone below 250 Hz is bass."""
    dry = chord(1000, 3000)
    sides = heard.side_effects(dry, 2 * dry, RATE)
    assert sides["level_db"] == pytest.approx(20 * np.log10(2), abs=1e-6)
    for name in ("bass_db", "peak_db", "hiss_db"):
        assert sides[name] == pytest.approx(0, abs=1e-6)
    low = np.sin(2 * np.pi * 100 * TIME)
    sides = heard.side_effects(dry + 0.01 * low, dry + 0.1 * low, RATE)
    assert sides["bass_db"] + sides["level_db"] == pytest.approx(20, abs=0.5)
    click = dry.copy()
    click[RATE] += 1.0
    sides = heard.side_effects(dry, click, RATE)
    expected = 20 * np.log10(np.abs(click).max() / np.abs(dry).max())
    assert sides["peak_db"] + sides["level_db"] == pytest.approx(expected, abs=1e-6)
    pause = dry * (TIME < 1.5) + noise(8, 1e-4)
    sides = heard.side_effects(pause, pause + noise(9, 0.01) * (TIME >= 1.5), RATE)
    assert sides["hiss_db"] == pytest.approx(40, abs=1.5)


def test_what_an_effect_moves_is_measured_on_its_sound():
    document = heard.measure_heard(filler(), clips())
    assert document["clips"] == 3 and document["amount"] == [0.25, 0.5, 0.75, 1.0]
    rises = np.diff(document["changes"]["spectral_flatness"], prepend=0)
    assert (rises > 0).all()
    quality = document["quality"]
    assert set(quality["windows"]) == {"372", "1488"}  # 1024 and 4096 at 44.1 kHz
    assert quality["rising_share"] == 1.0
    for fitted in quality["windows"].values():
        assert fitted["slope"] > 0.2 and len(fitted["measured"]) == 4
    text = heard.sentence(document, held_out=True)
    assert (
        text.startswith("Noisier by ") and "tried on 3 clips it has not heard" in text
    )


def test_less_of_a_quality_is_measured_downwards():
    less = filler(quality=Quality("-spectral_flatness", "dB", 20.0))
    document = heard.measure_heard(less, clips())
    assert document["quality"]["rising_share"] == 0.0
    assert heard.sentence(document, held_out=False).startswith("More tonal by -")


def test_a_taught_quality_is_measured_by_its_reader():
    weights = {"spectral_flatness": 0.5, "attack": -3.0}
    taught = Quality("warmth", "points", 5.0, weights, 0.7)
    document = heard.measure_heard(filler(quality=taught), clips())
    quality, changes = document["quality"], document["changes"]
    expected = 0.5 * np.array(changes["spectral_flatness"])
    expected = (expected - 3 * np.array(changes["attack"])) / 5
    windows = quality["windows"].values()
    measured = np.mean([window["measured"] for window in windows], axis=0)
    np.testing.assert_allclose(measured, expected, rtol=1e-9)
    assert (quality["reader"], quality["r2"]) == (weights, 0.7)
    text = heard.sentence(document, held_out=True)
    assert text.startswith(f'"warmth" {5 * measured[-1]:+.2g} points at full turn, ')


def test_an_effect_without_a_quality_still_has_side_effects():
    document = heard.measure_heard(filler(quality=None), clips())
    assert "quality" not in document
    assert heard.sentence(document, held_out=False).startswith("At full turn: level ")
    other = heard.measure_heard(
        filler(quality=Quality("warmth", "points", 1.0)), clips()
    )
    assert "quality" not in other


def test_the_evaluation_joins_it_and_the_game_audit():
    effect = filler()
    document = evaluate.evaluate(effect, clips())
    assert set(document["audit"]) == {"absolute", "relative", "heard"}
    measured = audit.measure_clips(effect, clips())
    assert measured["audit"]["heard"].shape == (3, 5)
    # The game hears the same sound, but for the ends.
    game = measured["audit"]["heard"][:, -1].mean()
    window = document["heard"]["quality"]["windows"]["372"]["measured"][-1]
    assert game == pytest.approx(window, abs=0.15)
    assert "heard" not in evaluate.evaluate(filler(quality=None), clips())
