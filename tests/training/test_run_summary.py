"""The words and tables of a run: what is heard comes first in a heard run."""

import base64
import html
import io
import json
import re
import types

import numpy as np
import pyloudnorm
import pytest
import soundfile
from scipy import signal
from support.heard_game import CONFIGS, SMALL, settings_of

from cak_jax.audio.sound_file import decode_preview, encode_preview
from cak_jax.commands import train
from cak_jax.effect.effect import describe, load_effect
from cak_jax.evaluation import convergence, heard
from cak_jax.rendering.in_memory import render
from cak_jax.rendering.loudness import decibels, fitting_gain, matching_gain
from cak_jax.training import last_words, run_folder, run_report, run_summary
from cak_jax.training.run_corpus import prepare_corpus

RATE = 44100
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "heard"
    fields = SMALL | {"output.figures": True, "output.previews": 1, "train.epochs": 1}
    flags = [f"--config.{name}={value}" for name, value in fields.items()]
    config = f"--config={CONFIGS / 'default.py'}"
    assert train.main([config, f"--workdir={folder}", *flags]) == 0
    return folder


@pytest.fixture(scope="module")
def document(finished):
    return json.loads((finished / "evaluation.json").read_text("utf-8"))


def test_the_report_begins_with_what_is_heard(finished, document):
    effect = load_effect(finished)
    snapshot = types.SimpleNamespace(
        settings=settings_of(), epoch=1, steps_per_epoch=1, has_held_out=True
    )
    first, verdict, rest = run_summary.sentences(snapshot, effect, document)
    assert first == heard.sentence(document["heard"], held_out=True)
    assert verdict.startswith(convergence.sentence(document, "heard", True))
    assert rest.startswith("Eleven numbers were learned in 1 epoch of 1 step; ")
    assert "control 0 changes nothing at all. The heard audit reads " in rest
    assert document["trustworthy"] == convergence.trustworthy(document, "heard")


def test_the_last_words_are_those_of_the_evaluation(finished, document):
    sentences = run_folder.read_status(finished).summary
    effect = load_effect(finished)
    said = last_words.of_effect(effect, document, "heard", True, finished)
    assert sentences == said.sentences and len(sentences) == 3
    assert said.commands[0].split("#")[0].strip() == (
        run_summary.hear_command(finished, effect)
    )


def test_the_effect_keeps_what_is_heard(finished, document):
    effect = load_effect(finished / "effect.json")
    said = heard.sentence(document["heard"], held_out=True)
    assert effect.provenance["heard"] == said == describe(effect)[0]
    first, *_ = document["heard"]["quality"]["windows"].values()
    for name, value in effect.provenance["metrics"].items():
        assert value == first[name]


def test_the_page_shows_what_is_heard_first(finished, document):
    page = (finished / "report.html").read_text("utf-8")
    words = html.unescape(" ".join(re.sub(r"<[^>]*>", " ", page).split()))
    places = [
        words.index(text)
        for text in (
            "Listen Every sound of a clip is equally loud.",
            "play amount dry 0.25 0.5 0.75 1 0.0 s",
            " ".join(["What it does", *run_folder.read_status(finished).summary]),
            "What it changes",
            "The learned kernel",
            f"In numbers {heard.sentence(document['heard'], held_out=True)}",
            "Asked for noisier by",
            "Cells apart 2 bins, 2 frames",
            "What is heard Amount against",
            "What else changes at full turn",
            "Does it apply what is asked?",
            "Requested and heard",
        )
    ]
    assert places == sorted(places)
    names = {path.stem for path in (finished / "figures").glob("*.png")}
    assert names == {"heard", "kernel", "audit", "spectrograms", "labels", "history"}


def test_previews_are_at_even_turns(finished):
    """Of the first held-out clip, all of them turned down alike where one clips."""
    effect = load_effect(finished / "effect.json")
    corpus = prepare_corpus(settings_of())
    clip = np.asarray(corpus.audio[corpus.evaluation[0]])
    rate = effect.spectrogram.sample_rate
    turns = 0.0, 0.25, 0.5, 0.75, 1.0
    expected = [render(effect, clip, rate, amount=a) for a in turns]
    gain = fitting_gain(*expected)
    names = [path.name for path in sorted((finished / "previews").iterdir())]
    assert names == [f"01_a{round(100 * turn):03d}.wav" for turn in turns]
    for name, wet in zip(names, expected, strict=True):
        sound, _ = soundfile.read(finished / "previews" / name)
        np.testing.assert_allclose(sound, gain * wet, rtol=1e-3, atol=1e-6)
    page = (finished / "report.html").read_text("utf-8")
    embedded = re.findall(r"data:audio/mpeg;base64,([^\"]+)", page)
    loud = []
    for data in embedded:
        sound, at = soundfile.read(io.BytesIO(base64.b64decode(data)))
        loud.append(pyloudnorm.Meter(at).integrated_loudness(sound))
    assert len(loud) == len(turns) and max(loud) - min(loud) < 0.2


def test_sounds_of_a_page_are_equally_loud():
    """What MP3 leaves out of a bright sound is made up for; other sounds are kept."""
    noise = 0.05 * np.random.default_rng(0).standard_normal((1, 2 * RATE))
    low, high = (
        signal.sosfilt(signal.butter(8, 14000, kind, fs=RATE, output="sos"), noise)
        for kind in ("low", "high")
    )
    high *= matching_gain(low, high, RATE)

    def differ(encoded):
        (first, rate), (second, _) = map(decode_preview, encoded)
        return abs(decibels(matching_gain(first, second, rate)))

    plain = [encode_preview(sound, RATE) for sound in (low, high)]
    assert differ(plain) > 3.0
    assert differ(run_report.encode_alike([low, high], RATE)) < 0.05
    assert run_report.encode_alike([low, low], RATE) == [plain[0]] * 2


def test_the_tables_hold_the_measures(document):
    quality = document["heard"]["quality"]
    what, along, else_ = run_summary.heard_tables(document)
    asked = quality["companions"]
    assert asked and [row[:2] for row in along["rows"]] == [
        [name, change] for name, change in asked.items()
    ]
    changes = document["heard"]["changes"]
    assert [row[2] for row in along["rows"]] == [changes[name][-1] for name in asked]
    assert what["columns"] == [
        "amount",
        "heard, frames of 372",
        "heard, frames of 1488",
        "change (dB)",
    ]
    first, other = (fitted["measured"] for fitted in quality["windows"].values())
    for row, amount, one, two in zip(
        what["rows"], document["heard"]["amount"], first, other, strict=True
    ):
        assert row[:3] == [amount, one, two]
        assert row[3] == pytest.approx(quality["range"] * (one + two) / 2)
    level = document["heard"]["side_effects"]["level_db"]
    assert else_["rows"][0] == ["level", level, "dB"]
    assert run_summary.heard_tables({"heard": {}}) == []
    # The audit of the game stands above the others.
    assert run_summary.audit_table(document)["rows"][0][:2] == ["heard", "raw"]
