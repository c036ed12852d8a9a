"""The command `evaluate`: which clips, what it writes, and what it refuses."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest
from support.applying import EFFECT, SMALL_FILLER, effect_file
from support.sounds import grain, put

from cak_jax.commands import cli, evaluate, train
from cak_jax.effect import locate
from cak_jax.effect.effect import load_effect
from cak_jax.evaluation import convergence, heard
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.quality_names import WORDS
from cak_jax.report import evaluation_text
from cak_jax.runtime import json_file
from cak_jax.training import evaluation_clips

SMALL = (
    "--config=smoke",
    "--config.spectrogram.sample_rate=8000",
    "--config.spectrogram.n_fft=256",
    "--config.spectrogram.hop_length=64",
    "--config.corpus.seconds=1",
    "--config.corpus.fade_seconds=0.1",
    "--config.output.figures=False",
    "--config.output.previews=0",
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    for index in range(10):
        put(folder, f"{index}.wav", grain(index))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, sounds):
    """A run on the sounds, 2 of 10 files held out."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        path = f"--config.corpus.path={sounds}"
        assert train.main([*SMALL, path, f"--workdir={folder}"]) == 0
    return folder


def run(effect, folder, *options):
    return evaluate.main([f"--effect={effect}", f"--corpus={folder}", *options])


def chosen(effect, folder, limit=0):
    path = locate.locate(effect)
    return evaluation_clips.choose(
        load_effect(path), path, str(folder), limit, lambda *stage: None
    )


def strict(path):
    def refuse(name):
        raise AssertionError(name)

    return json.loads(path.read_text("utf-8"), parse_constant=refuse)


def keys(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys(item)


def undocumented(document):
    """The fields that the page of fields does not name between backticks."""
    page = pathlib.Path(convergence.__file__).with_name("FIELDS.md").read_text("utf-8")
    named = {
        part for word in re.findall(r"`([^`]+)`", page) for part in word.split(".")
    }
    by_name = {*AUDITS, *WORDS}
    return {k for k in keys(document) if k not in named | by_name and not k.isdigit()}


def test_a_runs_own_held_out_clips(trained, sounds, capsys, tmp_path):
    target = tmp_path / "out.json"
    assert run(trained, sounds, f"--json={target}") == 0
    document = strict(target)
    manifest = json.loads((trained / "corpus.json").read_text("utf-8"))
    assert document["corpus"]["sha256"] == manifest["sha256"]
    assert document["corpus"]["held_out"] is True
    assert document["corpus"]["chosen"] == "held out in training"
    assert document["clips"] == manifest["held_out_clips"] == 2
    assert all(key == key.lower() and " " not in key for key in keys(document))
    # The quick evaluation of the run itself measured the same clips.
    own = json.loads((trained / "evaluation.json").read_text("utf-8"))
    assert undocumented(document) == undocumented(own) == set()
    for knob in ("raw", "calibrated"):
        found, expected = (d["audit"]["relative"][knob] for d in (document, own))
        for name in ("slope", "r2", "mae"):
            assert found[name] == pytest.approx(expected[name], rel=1e-6)
    out = capsys.readouterr().out.splitlines()
    assert out == evaluation_text.lines(document)
    assert out[-1] == evaluation_text.sentence(document)
    assert "held out in training" in out[1] and "bit for bit" in "\n".join(out)


def test_the_clips_are_the_very_ones(trained, sounds):
    clips = chosen(trained / "effects" / "epoch_001.json", sounds)
    manifest = json.loads((trained / "corpus.json").read_text("utf-8"))
    held = [f["file"] for f in manifest["files"] if f["clips"][0]["held_out"]]
    assert sorted(clips.files) == sorted(held) and clips.audit == "relative"
    assert len(chosen(trained, sounds, 1).files) == 1


def test_a_run_that_held_nothing_out_is_said_loudly(tmp_path, sounds, capsys):
    folder = tmp_path / "run"
    nothing = ("--config.corpus.held_out=0", f"--config.corpus.path={sounds}")
    assert train.main([*SMALL, *nothing, f"--workdir={folder}"]) == 0
    capsys.readouterr()
    assert run(folder, sounds, "--clips=2") == 0
    out, err = capsys.readouterr()
    assert err.startswith("CAUTION: NOT held out: trained on")
    assert "NOT held out" in out.splitlines()[1]


def test_files_that_were_trained_on_are_known_elsewhere(trained, sounds, tmp_path):
    """Under other names and among others, by content."""
    manifest = json.loads((trained / "corpus.json").read_text("utf-8"))
    parts = {True: [], False: []}
    for entry in manifest["files"]:
        parts[entry["clips"][0]["held_out"]].append(entry["file"])
    mixed, fresh = tmp_path / "mixed", tmp_path / "fresh"
    for folder in (mixed, fresh):
        put(folder, "new.wav", grain(99))
        shutil.copy(sounds / parts[True][0], folder / "kept.wav")
    shutil.copy(sounds / parts[False][0], mixed / "other name.wav")
    clips = chosen(trained, mixed)
    assert clips.held_out is False
    assert clips.chosen == "NOT held out: 1 of 3 files were trained on"
    clips = chosen(trained, fresh)
    assert clips.held_out is None and len(clips.files) == 2
    assert clips.chosen.startswith("not known to be held out")


def test_an_effect_alone_knows_nothing(trained, sounds, tmp_path):
    alone = tmp_path / "effect.json"
    shutil.copy(trained / "effect.json", alone)
    assert chosen(alone, sounds).chosen == "not known to be held out"
    # Nor does a folder whose run made another effect.
    shutil.copytree(trained, tmp_path / "other")
    effect_file(tmp_path)
    shutil.copy(tmp_path / "effects" / "effect.json", tmp_path / "other")
    assert chosen(tmp_path / "other", sounds).chosen == "not known to be held out"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": 3}', '{"config": {}}',
                                     '{"config": {"train.epochs": -1}}'])  # fmt: skip
def test_a_run_folder_that_is_none(tmp_path, sounds, content):
    effect = effect_file(tmp_path)
    for name in ("config.json", "corpus.json"):
        (tmp_path / "effects" / name).write_text(content)
    clips = chosen(effect, sounds, 4)
    assert clips.chosen == "not known to be held out" and len(clips.files) == 4


def test_broken_files_are_named_and_left_out(tmp_path, capsys):
    folder = tmp_path / "sounds"
    for index in range(3):
        put(folder, f"{index}.wav", grain(index))
    put(folder, "double.wav", grain(0))
    put(folder, "silent.wav", np.zeros(8000))
    (folder / "broken.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVEjunk")
    (folder / "notes.txt").write_text("no sound")
    target = tmp_path / "out.json"
    assert run(effect_file(tmp_path), folder, f"--json={target}") == 1
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and err.startswith("error: broken.wav: ")
    assert out.startswith("1 sound file")
    document = strict(target)
    assert document["clips"] == document["corpus"]["files"] == 3
    assert document["corpus"]["unusable_files"] == 1
    assert document["corpus"]["folder"] == "sounds"
    assert document["effect"]["name"] == EFFECT.name
    assert str(tmp_path) not in target.read_text("utf-8")


def test_one_clip_has_no_auditor(tmp_path, sounds, capsys):
    target = tmp_path / "o.json"
    effect = effect_file(tmp_path)
    assert run(effect, sounds, "--clips=1", f"--json={target}") == 0
    assert strict(target)["auditor"]["raw"] is None
    assert "needs clips of two files" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--clips=0"], "--clips=0: must be 1 or more"),
        (["--clips=-3"], "--clips=-3: must be 1 or more"),
        (["--corpus="], "--corpus: is empty"),
        (["--corpus={tmp}/none"], "--corpus: {tmp}/none does not exist"),
        (["--corpus={tmp}/old.json"], "--corpus: {tmp}/old.json is not a folder"),
        (["--corpus={tmp}/empty"], "--corpus: {tmp}/empty holds no usable sound file"),
        (["--corpus={tmp}/text"], "--corpus: {tmp}/text holds no usable sound file"),
        (["--effect={tmp}/none.json"], "{tmp}/none.json: there is no such file"),
        (["--effect={tmp}/empty"], "{tmp}/empty/effect.json: there is no such file"),
        (["--effect={tmp}/old.json"], "{tmp}/old.json: "),
        (["--json="], "--json: is empty"),
        (["--json={tmp}/old.json"], "--json={tmp}/old.json: exists; add --overwrite"),
        (["--json={tmp}/no/o.json"], "--json={tmp}/no/o.json: the folder does not"),
        (["--json={tmp}/empty"], "--json={tmp}/empty: is a folder"),
        (["--json=/dev/null", "--overwrite"], "--json=/dev/null: is no ordinary file"),
        (["--json={tmp}/effects/effect.json", "--overwrite"], "--json={tmp}/effects/"),
        (["--json={tmp}/s.wav", "--overwrite"], "--json={tmp}/s.wav: would take the"),
    ],
)
def test_refused_in_one_line_before_the_work(
    tmp_path, sounds, flags, said, capsys, monkeypatch
):
    from cak_jax.evaluation import evaluate as evaluation

    def work(*arguments):
        raise AssertionError("it began")

    monkeypatch.setattr(evaluation, "evaluate_in_full", work)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("a")
    (tmp_path / "old.json").write_text("{}")
    effect = effect_file(tmp_path)
    flags = [flag.format(tmp=tmp_path) for flag in flags]
    assert run(effect, sounds, *flags) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"error: {said.format(tmp=tmp_path)}")
    assert (tmp_path / "old.json").read_text() == "{}"
    assert load_effect(effect) == EFFECT


def test_a_folder_that_cannot_be_written(tmp_path, sounds, capsys, monkeypatch):
    monkeypatch.setattr(evaluate.os, "access", lambda path, mode: False)
    target = f"--json={tmp_path / 'o.json'}"
    assert run(effect_file(tmp_path), sounds, target) == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_overwrite_replaces_and_a_link_stays(tmp_path, sounds):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("{}")
    link.symlink_to(real)
    effect = effect_file(tmp_path)
    options = ("--clips=2", f"--json={link}", "--overwrite")
    assert cli.main(["evaluate", f"--effect={effect}", f"--corpus={sounds}",
                     *options]) == 0  # fmt: skip
    assert link.is_symlink() and strict(real)["clips"] == 2


@pytest.mark.parametrize("missing", ["--effect", "--corpus"])
def test_what_must_be_given(missing, capsys):
    given = [f"{f}=x" for f in ("--effect", "--corpus") if f != missing]
    with pytest.raises(SystemExit) as caught:
        evaluate.main(given)
    assert caught.value.code == 2 and missing in capsys.readouterr().err


def section(lines, title):
    """The lines below a title, up to the next blank one."""
    [start] = [n for n, line in enumerate(lines) if line.startswith(title)]
    return lines[start + 1 : [*lines, ""].index("", start)]


def test_what_is_heard_comes_first(tmp_path, sounds, capsys):
    target = tmp_path / "o.json"
    effect = effect_file(tmp_path, SMALL_FILLER)
    assert run(effect, sounds, "--clips=3", f"--json={target}") == 0
    document = strict(target)
    lines = capsys.readouterr().out.splitlines()
    titles = [
        line for line, before in zip(lines[1:], lines, strict=False) if not before
    ]
    assert titles[0].startswith("Heard: ") and titles[1].startswith("Audit: ")
    assert undocumented(document) == set()
    found = document["heard"]
    assert found["quality"]["name"] == "spectral_flatness" and found["clips"] == 3
    rows = [line.split() for line in section(lines, "Heard: ")]
    assert rows[0] == ["amount", "0.25", "0.5", "0.75", "1"]
    for size, fitted in found["quality"]["windows"].items():
        label = ["frames", "of", f"{size},", "share", "of", "the", "range"]
        assert [*label, *(f"{share:.2f}" for share in fitted["measured"])] in rows
        numbers = (fitted[name] for name in ("slope", "r2", "mae"))
        assert ["frames", "of", size, *(f"{number:.2f}" for number in numbers)] in rows
    level = found["side_effects"]["level_db"]
    assert ["level,", "dB", f"{level:.2f}"] in rows
    centroid = found["changes"]["spectral_centroid"][-1]
    assert ["spectral_centroid,", "octaves", f"{centroid:.2f}"] in rows
    # The end: what is heard in a sentence, and the verdict by it.
    said = heard.sentence(found, held_out=False)
    assert said in lines and "it has not heard" not in said
    assert lines[-1] == convergence.sentence(document, "heard", None)
    assert evaluation_text.judged_by(document) == "heard"


def test_an_effect_without_a_quality_is_heard_too(tmp_path, sounds, capsys):
    target = tmp_path / "o.json"
    assert run(effect_file(tmp_path), sounds, "--clips=2", f"--json={target}") == 0
    found, lines = strict(target)["heard"], capsys.readouterr().out.splitlines()
    rows = [line.split() for line in section(lines, "Heard: ")]
    assert rows[0] == ["at", "amount", "1", "change"] and len(rows) == 9
    assert heard.sentence(found, held_out=False) in lines
    assert lines[-1].endswith("by the auditor.")


def test_infinite_samples_are_said_and_not_tabled():
    document = {"heard": {"side_effects": {"level_db": None}, "changes": {}}}
    lines = evaluation_text.heard_section(document)
    assert lines[1:] == [f"  {heard.INFINITE}"]


def test_the_last_sentence():
    def document(own, other):
        audit = {"calibrated": {"slope": 1.0, "r2": own}}
        return {
            "effect": {"audit": None},
            "audit": {"relative": audit},
            "auditor": {"calibrated": None if other is None else {"r2": other}},
        }

    said = {
        (0.99, 0.9): "The knob does what it says:",
        (0.99, None): "The knob does what it says:",
        (
            0.99,
            0.6,
        ): "The knob does what it says, and the auditor roughly agrees",
        (0.99, 0.3): "Only the relative audit",
        (0.7, 0.9): "The knob goes the right way",
        (0.1, 0.9): "The auditor hears how far the knob is turned",
        (-1.0, 0.1): "The knob does not do what it says",
    }
    for (own, other), start in said.items():
        assert evaluation_text.sentence(document(own, other)).startswith(start)


def test_tables_are_aligned():
    found = evaluation_text.table(
        ["", "a", "bb"], [["name", 1.0, None], ["n", -0.001, 23.456]]
    )
    assert found == [
        "           a     bb",
        "  name  1.00      -",
        "  n     0.00  23.46",
    ]
    assert json_file.finite(found) == found
