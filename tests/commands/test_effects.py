"""`cak effects`: the table, the details, and what it refuses."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import pytest
from support.applying import EFFECT, HEARD, effect_file

from cak_jax.commands import cli, effects
from cak_jax.effect import locate
from cak_jax.effect.effect import dumps, load_effect, save_effect

ROOT = pathlib.Path(__file__).parent.parent.parent
TRAINED = {
    "character": "glassy",
    "corpus": {"name": "bells", "clips": 12, "held_out": 3, "sha256": "0" * 64},
    "metrics": {"slope": 1.01612, "r2": 0.99899, "mae": None, "other": 3},
    "usable_to": 0.75,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "effect_files"
    folder.mkdir()
    odd = {"corpus": "?", "metrics": [1], "usable_to": "far"}
    made = {"a-trained": TRAINED, "b": {}, "c": odd}
    for name, provenance in made.items():
        effect = dataclasses.replace(EFFECT, name=name, provenance=provenance)
        save_effect(effect, folder / f"{name}.json")
    monkeypatch.setattr(locate, "FOLDER", folder)
    return folder


def test_the_table(folder, capsys):
    assert cli.main(["effects"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "name       does    use up to  more of it is  trained on",
        "a-trained  glassy       0.75  -              bells",
        "b          -               -  -              -",
        "c          -               -  -              -",
    ]
    assert any("cak apply --effect=NAME" in line for line in lines[4:])


def test_what_version_2_adds_is_shown(folder, capsys):
    save_effect(dataclasses.replace(HEARD, name="d"), folder / "d.json")
    assert effects.main([]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[4].split() == ["d", "-", "-", "more", "sustained", "-"]
    assert effects.main(["d"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "d",
        "more sustained: less attack, by 0.75 natural log at amount 1",
        "even knob: amount 0.5 is 60% of the pattern, amount 1 120%",
        "cells 4 bins and 3 frames apart",
    ]
    shown = dict(line.split(maxsplit=1) for line in lines[10:] if line)
    assert shown["spectrogram.spacing"] == "[4, 3]"
    assert shown["quality.name"] == "-attack" and shown["quality.range"] == "0.75"
    assert shown["knob"] == "0 0.3 0.5 0.55 0.6 0.65 0.7 0.8 1.2"
    assert effects.main(["b"]) == 0
    said = capsys.readouterr().out
    assert "apart" not in said and "quality" not in said and "knob" not in said


def test_what_was_heard_is_shown_first(folder, capsys):
    sentence = "Noisier by 11 dB at full turn, level +0.6 dB."
    effect = dataclasses.replace(HEARD, name="e", provenance={"heard": sentence})
    save_effect(effect, folder / "e.json")
    assert effects.main(["e"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["e", sentence]


@pytest.mark.parametrize("value", [3, ["a"], None, "a\nb\x1b[2J" + 1000 * "c"])
def test_what_was_heard_may_be_anything(folder, capsys, value):
    effect = dataclasses.replace(HEARD, name="e", provenance={"heard": value})
    save_effect(effect, folder / "e.json")
    assert effects.main(["e"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.isprintable()
    start = "a\\nb\\x1b[2Jccc" if isinstance(value, str) else "more sustained: less"
    assert line.startswith(start) and len(line) < 420


def test_an_empty_folder_is_an_empty_table(folder, capsys):
    for path in folder.iterdir():
        path.unlink()
    assert effects.main([]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "name  does  use up to  more of it is  trained on"


def test_the_shipped_ones_are_listed(capsys):
    assert effects.main([]) == 0
    rows = capsys.readouterr().out.split("\n\n")[0].splitlines()[1:]
    assert [row.split()[0] for row in rows] == locate.names()


def test_the_details(folder, capsys):
    assert effects.main(["a-trained"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "a-trained",
        "",
        "         frame -1   frame 0   frame +1",
        "bin -1   0.050000  0.100000  -0.020000",
        " bin 0   0.120000  0.300000   0.070000",
        "bin +1  -0.040000  0.110000   0.060000",
    ]
    rows = dict(line.split(maxsplit=1) for line in lines[7:])
    assert (
        rows
        | {
            "bias": "-0.03",
            "scale": "0.8",
            "gate.temperature": "5",
            "spectrogram.n_fft": "256",
            "normalization.high": "3",
            "provenance.corpus.name": "bells",
            "provenance.metrics.mae": "null",
            "provenance.character": "glassy",
        }
        == rows
    )


def test_the_document(folder, tmp_path, capsys):
    path = effect_file(tmp_path)
    for given in (path, str(pathlib.Path(path).parent)):  # a file, a run folder
        assert effects.main([given, "--json"]) == 0
        assert capsys.readouterr().out == dumps(EFFECT)
    assert effects.main(["--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    paths = [folder / f"{name}.json" for name in locate.names()]
    assert listed == [json.loads(path.read_text("utf-8")) for path in paths]


def test_a_strangers_text_steers_no_terminal(tmp_path, capsys):
    provenance = {"character\n": "a\x1b[2J\nb", "list": ["\x1b"], "high": "\udcff"}
    path = effect_file(tmp_path, dataclasses.replace(EFFECT, provenance=provenance))
    assert effects.main([path]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "a\\x1b[2J\\nb" in out
    assert [line for line in out.splitlines() if line.startswith("prov")] == [
        line for line in out.splitlines()[-3:]
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("publishd", "publishd: there is no such file, and no effect of that name"),
        ("no/where.json", "no/where.json: there is no such file"),
        ("x" * 300, "File name too long"),
        ("a\nb", "a\\nb: there is no such file"),
        (__file__, "is not a JSON effect file"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_is_refused_is_one_line(given, said, flags, capsys):
    assert effects.main([given, *flags]) == 2
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert out == "" and line.startswith("error: ") and said in line


@pytest.mark.parametrize("arguments", [["--typo"], ["a", "b"], ["--js"]])
def test_wrong_flags_leave_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        effects.main(arguments)
    assert caught.value.code == 2 and capsys.readouterr().out == ""


def test_from_another_folder(tmp_path):
    command = [sys.executable, "-m", "cak_jax", "effects", "published", "--json"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == dumps(load_effect("published"))
