"""The last words of a run: plain sentences from made-up measures, and two commands."""

import dataclasses
import pathlib

import pytest

from cak_jax.effect.effect import Quality, load_effect
from cak_jax.evaluation import heard
from cak_jax.training import last_words

FOLDER = pathlib.Path("my runs", "mine")
SEE = " -m webbrowser 'my runs/mine/report.html'  # see and hear what was measured"


def measured(half=0.5, full=1.0, slope=1.0, usable_to=0.75, reader=None):
    fitted = {"slope": slope, "r2": 0.9, "measured": [half / 2, half, 0.75, full]}
    fitted |= {"lower": fitted["measured"], "upper": fitted["measured"]}
    quality = {"name": "spectral_flatness", "unit": "dB", "range": 20.0}
    if reader is not None:
        quality = {"name": "warmth", "unit": "points", "range": 2.0, "reader": reader}
    return {
        "clips": 33,
        "bit_exact_at_0": True,
        "heard": {
            "clips": 33,
            "amount": heard.AMOUNTS.tolist(),
            "side_effects": {"level_db": 0.3, "bass_db": 0.1, "peak_db": 1.0},
            "usable_to": usable_to,
            "changes": {},
            "quality": {
                **quality,
                "rising_share": 1.0,
                "windows": {"1024": fitted, "4096": fitted},
            },
        },
    }


def words(held_out=True, **numbers):
    effect = dataclasses.replace(
        load_effect("noise"), quality=Quality("spectral_flatness", "dB", 20.0)
    )
    document = measured(**numbers)
    return last_words.of_effect(effect, document, "heard", held_out, FOLDER)


def test_an_effect_is_told_in_three_sentences_and_two_commands():
    said = words()
    assert said.sentences == [
        "At full turn a sound gets noisier by 20 dB, at half a turn noisier by 10 dB.",
        "Use it up to --amount=0.75. Above that, level, bass or peaks change by more "
        "than 6 dB.",
        "You can trust the knob, it makes as much of the change as it says; tried on "
        "33 clips that it had not heard.",
    ]
    hear, see = said.commands
    assert hear.startswith("  cak apply --effect='my runs/mine' --amount=0.")
    assert hear.endswith(" YOUR.wav  # hear it on a file of yours")
    _, *words_to_see = see.split()
    assert words_to_see == SEE.split()


@pytest.mark.parametrize(
    ("usable_to", "begin"),
    [(1.0, "Use all of the turn: "), (0.25, "Use it up to --amount=0.25. "),
     (0.0, "Use little of it: at a quarter of the turn ")],
)  # fmt: skip
def test_how_far_it_can_be_used(usable_to, begin):
    assert words(usable_to=usable_to).sentences[1].startswith(begin)


def test_faults_are_told():
    first, _, last = words(half=-0.1, full=-0.2, slope=-0.2, held_out=False).sentences
    assert first == (
        "At full turn a sound gets more tonal by 4 dB, at half a turn more tonal by "
        "2 dB, though the knob is to make it noisier."
    )
    assert last == (
        "Do not trust it, the knob falls short: -0.20 of what is asked; tried on 33 "
        "clips."
    )
    assert words(full=float("nan")).sentences[0] == heard.INFINITE


def test_a_taught_quality_is_told_in_its_points():
    first, *_ = words(reader={"attack": 1.0}).sentences
    assert first == (
        'At full turn a sound gets "warmth" +2 points, at half a turn "warmth" +1 '
        "points."
    )


def test_an_effect_without_a_quality_is_told_by_its_spectrum():
    fitted = {"slope": 0.4, "r2": 0.6}
    document = {
        "audit": {"relative": {"calibrated": fitted}},
        "bit_exact_at_0": True,
        "change": {"spectral_distance_db": [1.0, 4.2], "level_change_db": [0.5, -2.0]},
        "clips": 1,
    }
    effect = load_effect("published")
    said = last_words.of_effect(effect, document, "relative", True, FOLDER)
    assert said.sentences == [
        "At control 1 a sound's spectrum changes by 4.2 dB on average.",
        "Its level changes by -2.0 dB, which is taken back when the effect is applied.",
        "Use it with care, it makes 0.40 of what is asked, unevenly; tried on 1 clip "
        "that it had not heard.",
    ]
    assert "--control=0.8 YOUR.wav" in said.commands[0]


def test_a_generator_without_an_effect_has_its_report():
    said = last_words.of_generator(["It was trained."], FOLDER)
    assert said.sentences == ["It was trained."]
    assert [command.lstrip().split(" ", 1)[1] for command in said.commands] == [
        SEE.lstrip()
    ]
