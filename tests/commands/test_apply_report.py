"""The report of a batch: what it says is what is in the files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.applying import outputs, run, snapshot
from support.sounds import noise, put, sound

import cak_jax
from cak_jax.commands import apply
from cak_jax.effect import effect as effect_lib
from cak_jax.rendering import in_memory


def spoil(folder):
    """Add one input that is no sound and one that is damaged behind its header."""
    (folder / "kick/text.wav").write_text("hello, this is no sound")
    good = put(folder, "kick/cut.flac", noise(5000), format="FLAC", subtype="PCM_16")
    good.write_bytes(good.read_bytes()[:9000])


def report_of(text):
    document = json.loads(text)
    assert document["cak_jax"] == cak_jax.__version__ and document["effect"] == "small"
    states = [record["status"] for record in document["inputs"]]
    counts = {state: states.count(state) for state in document["counts"]}
    assert document["counts"] == counts and sum(counts.values()) == len(states)
    return document


def test_the_report_says_what_is_in_the_files(drums, effect, capsys):
    spoil(drums)
    options = {
        "output": "out",
        "json": "r.json",
        "loudness": "none",
        "peaks": "none",
        "dither": "none",
    }
    assert run(effect, drums, drums / "a.wav", control="0.5", **options) == 1
    shown, err = capsys.readouterr()
    document = report_of(Path("r.json").read_text())
    assert document["settings"] == {
        "control": 0.5,
        "mode": "residual",
        "channels": "linked",
        "mix": 1.0,
        "loudness": "none",
        "peaks": "none",
        "limit": "dry",
        "floor": -60.0,
        "size": [1, 1],
        "flip": "none",
        "tilt": 0.0,
        "dither": "none",
    }
    assert document["counts"] == {"done": 4, "failed": 2, "skipped": 1, "planned": 0}
    records = {record["input"]: record for record in document["inputs"]}
    done = [r for r in document["inputs"] if r["status"] == "done"]
    assert [r["output"] for r in done] == shown.splitlines()
    for record in done:
        info = soundfile.info(record["output"])
        names = ("format", "subtype", "frames", "channels")
        assert [record[name] for name in names] == [getattr(info, n) for n in names]
        assert record["sample_rate"] == info.samplerate
        assert record["seconds"] > 0 and record["notes"] == []
        assert record["reason"] is None and record["clip_gain_db"] == 0
    for name in ("text.wav", "cut.flac"):
        record = records[f"drums/kick/{name}"]
        assert record["status"] == "failed" and record["output"] is None
        assert f"error: drums/kick/{name}: {record['reason']}\n" in err
    again = document["inputs"][-1]
    assert again["status"] == "skipped" and again["reason"].endswith(" drums/a.wav")


def test_the_report_says_the_gain(drums, effect):
    loud = np.clip(3 * sound(1.0, 8000, 2), -0.99, 0.99)
    put(Path("."), "x.wav", loud, 8000, subtype="PCM_16")
    dry = soundfile.read("x.wav")[0].T
    loaded = effect_lib.load_effect(effect)
    wet, plain = (
        in_memory.render(loaded, dry, 8000, 0.8, loudness=loudness, peaks="none")
        for loudness in ("lufs", "none")
    )
    peak, gain = np.abs(wet).max(), np.std(wet) / np.std(plain)
    assert run(effect, "x.wav", json="r.json", peaks="gain") == 0
    [record] = report_of(Path("r.json").read_text())["inputs"]
    assert record["ceiling_gain_db"] == 0
    assert record["clip_gain_db"] == pytest.approx(-20 * np.log10(peak), abs=1e-5)
    assert record["loudness_gain_db"] == pytest.approx(20 * np.log10(gain), abs=1e-3)


def test_a_report_on_standard_output_is_alone_there(drums, effect, capsys):
    spoil(drums)
    assert run(effect, drums, output="out", json="-") == 1
    out, err = capsys.readouterr()
    assert len(report_of(out)["inputs"]) == 6 and err.count("error: ") == 2
    # Also where there are names that are no text.
    name = os.fsdecode(b"\xff\n\xe2\x99\xaa.wav")
    put(Path("."), "x.wav", sound(0.1), subtype="PCM_16").rename(name)
    assert run(effect, name, json="-") == 0
    [record] = report_of(capsys.readouterr().out)["inputs"]
    assert record["input"] == "\\udcff\\n\u266a.wav"


def test_settings_from_an_amount(drums, effect, capsys):
    arguments = [f"--effect={effect}", "--amount=0.5", "drums/a.wav", "--json=-"]
    assert apply.main(arguments) == 0
    document = report_of(capsys.readouterr().out)
    settings = document["settings"]
    assert settings["amount"] == 0.5 and "control" not in settings
    assert document["inputs"][0]["output"] == "drums/a__small_a050.wav"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("", "--json: is empty"),
        ("drums/a.wav", "would take the place of an input"),
        ("out/a__small_c080.wav", "would take the place of an input"),
        ("effects/effect.json", "would take the place of an input"),
        ("drums", "is a folder"),
        ("x.wav", "would take the place of an input"),
        ("missing/r.json", "the folder does not exist"),
        ("fifo", "is no ordinary file"),
        ("there.json", "exists; add --overwrite"),
    ],
)
def test_a_report_is_refused_before_the_work(drums, effect, given, word, capsys):
    Path("there.json").write_text("precious")
    os.mkfifo("fifo")
    before = snapshot(Path("."))
    overwrite = {} if given == "there.json" else {"overwrite": True}
    assert run(effect, drums, output="out", json=given, **overwrite) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --json") and word in line
    assert snapshot(Path(".")) == before and not Path("out").exists()


def test_a_report_that_cannot_be_written_is_a_failure(
    drums, effect, monkeypatch, capsys
):
    def fail(path, document):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cak_jax.runtime.json_file.write", fail)
    assert run(effect, "drums/a.wav", json="r.json") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line == "error: --json=r.json: cannot be written (No space left on device)"
    assert Path("drums/a__small_c080.wav").exists()


def test_a_dry_run_as_a_document(drums, effect, capsys):
    assert run(effect, drums, dry_run=True, json="-") == 0
    document = report_of(capsys.readouterr().out)
    assert document["dry_run"] and document["counts"]["planned"] == 4
    assert len(outputs(drums)) == 4
    for record in document["inputs"]:
        assert record["frames"] == 800 and record["seconds"] is None
    assert run(effect, drums, dry_run=True, json="r.json") == 2
    assert "--dry-run writes no file; take --json=-" in capsys.readouterr().err
    assert not Path("r.json").exists()
    assert run(effect, "nothing*", dry_run=True) == 2
