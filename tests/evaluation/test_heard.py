"""What is heard: closed forms, the game's definitions, and an effect made by hand."""

import dataclasses
import doctest

import numpy as np
import pytest

from cak_jax.effect.effect import Effect, Quality
from cak_jax.evaluation import audit, evaluate, heard
from cak_jax.model import qualities
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.quality_names import WORDS
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.rendering import in_memory

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
        assert np.all(np.array(fitted["lower"]) < fitted["upper"])
    text = heard.sentence(document, held_out=True)
    assert (
        text.startswith("Noisier by ") and "tried on 3 clips it has not heard" in text
    )


def told(measured=(0.25, 0.5, 0.75, 1.0), quality="spectral_flatness", **sides):
    """A document with this change at both windows, in units of a range of 10."""
    spread = {
        name: [by * share for share in measured]
        for name, by in (("measured", 1.0), ("lower", 0.5), ("upper", 2.0))
    }
    fitted = {"slope": 1.0} | spread
    levels = dict.fromkeys(("level_db", "bass_db", "peak_db", "hiss_db"), 0.0)
    return {
        "clips": 33,
        "amount": [0.25, 0.5, 0.75, 1.0],
        "side_effects": levels | sides,
        "changes": {name: [0.0, 0.1, 0.2, 0.5] for name in WORDS},
        "quality": {
            "name": quality,
            "unit": WORDS[quality.removeprefix("-")].unit,
            "range": 10.0,
            "windows": {"1024": fitted, "4096": fitted},
        },
    }


def test_the_sentence_is_for_musicians():
    sides = {"level_db": 0.61, "bass_db": -1.2, "peak_db": 2.0}
    assert heard.sentence(told((0.25, 0.55, 0.75, 1.1), **sides), held_out=True) == (
        "Noisier by 11 dB at full turn (half of the clips 5.5 to 22), even to within "
        "7 % of the turn, level +0.6 dB, bass -1.2 dB, peaks +2.0 dB; tried on 33 "
        "clips it has not heard."
    )
    half = told((0.02, 0.03, 0.05, 0.07), "-attack")
    said = heard.sentence(half, held_out=False)
    assert said.startswith(
        "More sustained by a factor of 2 at full turn (half of the clips 1.4 to 4.1), "
    )
    assert said.endswith("tried on 33 clips.")
    one = heard.sentence(told() | {"clips": 1}, held_out=False)
    assert one.endswith("tried on 1 clip.")
    assert doctest.testmod(heard).failed == 0


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_not_finite_is_said(value):
    assert heard.sentence(told(level_db=value), held_out=True) == heard.INFINITE
    assert heard.is_finite(told()) and not heard.is_finite(told(level_db=value))


def test_what_changes_beside_the_quality():
    rows = heard.side_rows(told(hiss_db=3.0))
    assert ["hiss in pauses", 3.0, "dB"] in rows
    assert ["spectral_centroid", 0.5, "octaves"] in rows
    assert len(rows) == 4 + len(WORDS)


def test_less_of_a_quality_is_measured_downwards():
    less = filler(quality=Quality("-spectral_flatness", "dB", 20.0))
    document = heard.measure_heard(less, clips())
    assert document["quality"]["rising_share"] == 0.0
    text = heard.sentence(document, held_out=False)
    change = document["changes"]["spectral_flatness"][-1]
    start = f"Noisier by {change:.2g} dB at full turn, though the knob is to make it"
    assert text.startswith(f"{start} more tonal; level ") and "even" not in text


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
    assert text.startswith(f'"warmth" {5 * measured[-1]:+.2g} points at full turn (')


def test_a_target_asks_each_clip_for_its_own_way():
    """Fitted again here, from the dry clips' own values."""
    plain = heard.measure_heard(filler(), clips())["quality"]["windows"]
    assert all("to_target" not in window for window in plain.values())
    aimed = Quality("spectral_flatness", "dB", 20.0, target=-5.0)
    document = heard.measure_heard(filler(quality=aimed), clips())
    first = document["quality"]["windows"]["372"]
    dry = [heard.measure(clip, 16000, 372)["spectral_flatness"] for clip in clips()]
    asked = np.maximum(-5.0 - np.array(dry), 0)[:, None] / 20 * heard.AMOUNTS
    wets = [
        [
            in_memory.render(
                filler(),
                clip,
                16000,
                amount=float(amount),
                loudness="none",
                peaks="none",
            )
            for amount in heard.AMOUNTS
        ]
        for clip in clips()
    ]
    got = [
        [heard.measure(wet, 16000, 372)["spectral_flatness"] for wet in row]
        for row in wets
    ]
    measured = (np.array(got) - np.array(dry)[:, None]) / 20
    error = np.sum((measured - asked) ** 2)
    expected = 1 - error / np.sum((asked - asked.mean()) ** 2)
    assert first["to_target"]["r2"] == pytest.approx(expected, rel=1e-6)
    beyond = dataclasses.replace(aimed, target=-90.0)
    document = heard.measure_heard(filler(quality=beyond), clips())
    assert "to_target" not in document["quality"]["windows"]["372"]


def test_a_unit_is_as_large_as_the_sounds_differ_at_a_window():
    """All sounds are half as far apart, so half the change counts as much."""
    readings = np.linspace(0, 3, 8)[:, None] * [1.0, 0.5]
    np.testing.assert_allclose(heard._stretch(readings), [1.0, 0.5])
    np.testing.assert_array_equal(heard._stretch(readings[:7]), [1.0, 1.0])
    np.testing.assert_array_equal(heard._stretch(0 * readings), [1.0, 1.0])


def test_noise_gets_noisier_by_less_than_tones():
    """Said as a correlation, where there are clips enough."""
    chords = [chord(200 + 90 * n, 300 + 90 * n) for n in range(4)]
    sounds = [*chords, *(noise(n) for n in range(4))]
    quality = heard.measure_heard(filler(), sounds)["quality"]
    assert -1 <= quality["dry_correlation"] < -0.8
    assert "dry_correlation" not in heard.measure_heard(filler(), clips())["quality"]
    alike = heard.measure_heard(filler(), sounds[:1] * 8)["quality"]
    assert "dry_correlation" not in alike


def test_the_sentence_names_what_goes_with_it_if_it_goes_far_enough():
    document = told()
    document["quality"]["companions"] = {
        "attack": 0.2, "spectral_centroid": 1.0, "spectral_contrast": 0.5,
    }  # fmt: skip
    document["changes"] = {
        "attack": [0.0, 0.0, 0.0, 0.04],
        "spectral_centroid": [0.1, 0.2, 0.3, 0.8],
        "spectral_contrast": [0.0, 0.0, 0.0, -0.7],
        "spectral_flatness": [1.0, 2.0, 3.0, 4.0],
    }
    said = heard.sentence(document, held_out=True)
    along = "with it brighter by 0.8 octaves, smoother by a factor of 2; level"
    assert along in said and "percussive" not in said
    # A change that is worth saying is never said as a factor of 1.
    document["changes"]["attack"][-1] = heard.WORTH_SAYING["natural log"]
    said = heard.sentence(document, held_out=True)
    assert "more percussive by a factor of 1.05" in said


@pytest.mark.parametrize(
    "name, sides, wanted",
    [
        ("spectral_flatness", {}, 1.0),
        ("spectral_flatness", {"peak_db": (1.0, 5.9, 6.1, 2.0)}, 0.5),
        ("spectral_flatness", {"level_db": (-7.0, 0.0, 0.0, 0.0)}, 0.0),
        ("spectral_flatness", {"bass_db": (0.0, 0.0, 0.0, -6.5)}, 0.75),
        ("-spectral_centroid", {"bass_db": (0.0, 0.0, 0.0, -6.5)}, 1.0),
        ("spectral_flatness", {"peak_db": (0.0, np.nan, 0.0, 0.0)}, 0.25),
    ],
)
def test_it_is_usable_up_to_where_something_else_changes_much(name, sides, wanted):
    still = dict.fromkeys(("level_db", "bass_db", "peak_db", "hiss_db"), 0.0)
    medians = [
        still | {key: values[place] for key, values in sides.items()}
        for place in range(4)
    ]
    assert heard._usable_to(medians, Quality(name, "dB", 1.0)) == wanted


def test_an_effect_without_a_quality_still_has_side_effects():
    document = heard.measure_heard(filler(quality=None), clips())
    assert "quality" not in document
    change = document["changes"]["spectral_flatness"][-1]
    text = heard.sentence(document, held_out=False)
    assert text.startswith(f"At full turn noisier by {change:.2g} dB, ")
    assert "level " in text and text.endswith("tried on 3 clips.")
    other = heard.measure_heard(
        filler(quality=Quality("warmth", "points", 1.0)), clips()
    )
    assert "quality" not in other


def test_the_evaluation_joins_it_and_the_game_audit():
    effect = filler()
    document = evaluate.evaluate(effect, clips())
    assert set(document["audit"]) == set(AUDITS)
    measured = audit.measure_clips(effect, clips())
    assert measured["audit"]["heard"].shape == (3, 6)
    # The game hears the same sound, but for the ends.
    game = measured["audit"]["heard"][:, -1].mean()
    window = document["heard"]["quality"]["windows"]["372"]["measured"][-1]
    assert game == pytest.approx(window, abs=0.15)
    plain = filler(quality=None)
    assert "heard" not in evaluate.evaluate(plain, clips())
    stages = []
    full = evaluate.evaluate_in_full(
        plain, clips(), [*"abc"], lambda done, total, stage: stages.append(stage)
    )
    assert full["heard"] == heard.measure_heard(plain, clips())
    assert stages[-1] == "listening"
