"""A whole run through the real command line: what it leaves, resumes and refuses."""

import itertools
import json
import os
import pathlib
import re

import numpy as np
import pyloudnorm
import pytest
import soundfile

from cak_jax.commands import train
from cak_jax.effect import effect as effect_lib
from cak_jax.rendering.in_memory import render
from cak_jax.runtime import json_file
from cak_jax.training import metrics_log, run_folder, run_summary

pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

# The smoke configuration at an eighth of its rate: seconds are compilation.
SMALL = (
    "--config=smoke",
    "--config.spectrogram.sample_rate=8000",
    "--config.spectrogram.n_fft=256",
    "--config.spectrogram.hop_length=64",
)
BARE = (*SMALL, "--config.output.previews=0", "--config.output.figures=False")


def command(workdir, *arguments):
    return train.main([*arguments, f"--workdir={workdir}"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    assert command(folder, *SMALL) == 0
    return folder


def content(folder):
    """Every file's bytes but the log of orbax and the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", ".holder")
    }


def numbers(effect):
    return (effect.kernel, effect.bias, effect.scale, effect.threshold,
            effect.temperature, effect.normalization)  # fmt: skip


def test_the_folder_holds_what_the_design_says(finished):
    names = {path.name for path in finished.iterdir()} - {
        ".lock",
        ".holder",
        "tensorboard",
    }
    assert names == {
        "config.json", "metrics.jsonl", "checkpoints", "effect.json", "effects",
        "corpus.json", "evaluation.json", "figures", "previews", "report.html",
        "status.json",
    }  # fmt: skip
    assert sorted(p.name for p in (finished / "effects").iterdir()) == [
        "epoch_001.json",
        "epoch_002.json",
    ]
    steps = {p.name for p in (finished / "checkpoints").iterdir() if p.name.isdigit()}
    assert steps == {"3", "6"}  # steps done
    pictures = [p.read_bytes() for p in (finished / "figures").glob("*.png")]
    assert len(pictures) == 5
    assert all(data.startswith(b"\x89PNG") for data in pictures)
    assert "<html" in (finished / "report.html").read_text("utf-8").lower()
    assert not list(finished.rglob("*.tmp"))


def test_json_is_strict(finished):
    def refuse(name):
        raise AssertionError(name)

    for path in [*finished.glob("*.json"), *finished.glob("effects/*.json")]:
        json.loads(path.read_text("utf-8"), parse_constant=refuse)
    for line in (finished / "metrics.jsonl").read_text("utf-8").splitlines():
        json.loads(line, parse_constant=refuse)


def test_the_configuration_is_recorded(finished):
    written = json.loads((finished / "config.json").read_text("utf-8"))
    flat = written["config"]
    assert flat["spectrogram.n_fft"] == 256 and flat["train.epochs"] == 2
    assert re.fullmatch("[0-9a-f]{64}", written["config_sha256"])
    corpus = json.loads((finished / "corpus.json").read_text("utf-8"))
    provenance = effect_lib.load_effect(finished / "effect.json").provenance
    assert provenance["config_sha256"] == written["config_sha256"]
    assert provenance["corpus_sha256"] == corpus["sha256"]
    assert provenance["epochs"] == 2


def test_metrics(finished):
    lines = (finished / "metrics.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    kinds = [(record["kind"], record["epoch"]) for record in records]
    assert kinds == [("train", 1), ("held_out", 1), ("train", 2), ("held_out", 2)]
    # 8 clips, 20% of which (2, rounded) are held out: 12 items, 3 batches of 4.
    assert [record["step"] for record in records] == [3, 3, 6, 6]
    for record in records:
        expected = {"train": {"critic_loss", "generator_loss", "violation", "scale"},
                  "held_out": {"audit_slope", "audit_r2", "audit_mae"}}  # fmt: skip
        assert expected[record["kind"]] <= set(record)
        values = [v for v in record.values() if isinstance(v, float)]
        assert np.isfinite(values).all()
    trained = [record for record in records if record["kind"] == "train"]
    for record in trained:
        path = finished / "effects" / f"epoch_{record['epoch']:03d}.json"
        effect = effect_lib.load_effect(path)
        assert record["scale"] == effect.scale and record["bias"] == effect.bias
        assert record["kernel_sum"] == pytest.approx(np.sum(effect.kernel), rel=1e-5)
    # The gate of the smoke run rises over one epoch: 2, then 20.
    assert [record["temperature"] for record in trained] == [2.0, 20.0]


def test_the_effect_is_the_last_epochs(finished):
    effect = effect_lib.load_effect(finished / "effect.json")
    last = effect_lib.load_effect(finished / "effects" / "epoch_002.json")
    first = effect_lib.load_effect(finished / "effects" / "epoch_001.json")
    assert numbers(effect) == numbers(last) != numbers(first)
    assert effect.name == "smoke" and effect.spectrogram.sample_rate == 8000
    assert (finished / "effect.json").stat().st_size < 4096
    audio = np.random.default_rng(0).normal(size=(2, 3000)).astype(np.float32)
    np.testing.assert_array_equal(render(effect, audio, 8000, 0.0), audio)
    measured = json.loads((finished / "evaluation.json").read_text("utf-8"))
    audit = measured["audit"]["relative"]["calibrated"]
    for name, value in effect.provenance["metrics"].items():
        assert audit[name] == value


def test_previews_can_be_heard(finished):
    files = sorted((finished / "previews").iterdir())
    turns = ("000", "025", "050", "075", "100")
    assert [path.name for path in files] == [f"01_c{turn}.wav" for turn in turns]
    sounds = [soundfile.read(path) for path in files]
    assert all(rate == 8000 and len(data) == 16000 for data, rate in sounds)
    dry, *wets = (data for data, _ in sounds)
    assert dry.any() and (wets[-1] != dry).any()
    meter = pyloudnorm.Meter(8000)
    for wet in wets:
        loudness = meter.integrated_loudness(wet)
        assert loudness == pytest.approx(meter.integrated_loudness(dry), abs=0.009)


def test_the_status_is_written_at_every_stage(tmp_path, monkeypatch, capsys):
    """In order, and at the end with the sentences that were printed."""
    folder, statuses = tmp_path / "run", []
    assert run_folder.read_status(folder) == ("", 0, 0, None, ())
    written = json_file.write

    def noted(path, document):
        written(path, document)
        if path.name == "status.json":
            statuses.append(run_folder.read_status(folder))

    monkeypatch.setattr(json_file, "write", noted)
    # Every look at the clock is a second later, so that every count is written.
    clock = itertools.count()
    monkeypatch.setattr(run_folder, "monotonic", lambda: next(clock))
    assert command(folder, *BARE) == 0
    stages = [stage for stage, _ in itertools.groupby(s.stage for s in statuses)]
    assert stages == [
        *("making", "measuring", "compiling", "training", "checking", "training"),
        *("evaluating", "report", "finished"),
    ]
    unseen = {"reading", "decoding", "hearing"}
    assert set(stages) | unseen == set(run_folder.STAGES)
    counted = {
        stage: [(s.done, s.total) for s in statuses if s.stage == stage]
        for stage in stages
    }
    assert counted["making"] == [(n, 8) for n in range(1, 9)]
    assert counted["measuring"] == [(n, 8) for n in range(9)]
    # The three steps of an epoch are one dispatch, counted when its metrics are there.
    assert dict.fromkeys(counted["training"]) == dict.fromkeys([(0, 6), (3, 6), (6, 6)])
    left = [s.seconds_left for s in statuses if s.stage == "making"]
    assert left == [None, *range(6, -1, -1)]  # a clip a second
    assert counted["checking"] == [(1, 2), (2, 2)]
    assert counted["evaluating"] == [(0, 0), (1, 4), (2, 4)]
    summary = run_folder.read_status(folder).summary
    *_, first, second, third, blank, hear, see = capsys.readouterr().out.splitlines()
    assert [first, second, third] == summary and blank == ""
    assert hear.split("#")[0].strip() == run_summary.hear_command(
        folder, effect_lib.load_effect(folder)
    )
    assert f"-m webbrowser {folder / 'report.html'}" in see


def test_a_rerun_does_nothing_more(finished, capsys):
    before = content(finished)
    assert command(finished, *SMALL) == 0
    assert "resumed after epoch 2" in capsys.readouterr().out
    after = content(finished)
    assert set(after) == set(before)
    changed = {name for name in before if before[name] != after[name]}
    # What is drawn anew may carry its date; what was learned may not change.
    assert all(name.startswith(("figures", "report")) for name in changed)


def test_another_configuration_is_refused(finished, capsys):
    before = content(finished)
    assert command(finished, *SMALL, "--config.game.weight_compliance=3.0") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: --workdir=")
    assert "game.weight_compliance: 20.0 -> 3.0" in lines[0]
    assert content(finished) == before


def test_another_program_holds_the_folder(finished, capsys):
    before = content(finished)
    with run_folder.locked(finished):
        assert command(finished, *SMALL) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and f"is in use by process {os.getpid()}" in lines[0]
    assert content(finished) == before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_run_folder_is_refused(kind, tmp_path, capsys):
    where = tmp_path / "mine"
    if kind == "folder":
        where.mkdir()
    (where if kind == "file" else where / "thesis.txt").write_text("years of work")
    assert command(where, *SMALL) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and str(where) in lines[0]
    kept = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert [p.read_text("utf-8") for p in kept] == ["years of work"]


def test_resumed_equals_uninterrupted(tmp_path):
    constant = "--config.train.learning_rate_decay=none"
    for name, epochs in (("whole", (2,)), ("parts", (1, 2))):
        for count in epochs:
            flag = f"--config.train.epochs={count}"
            assert command(tmp_path / name, *BARE, constant, flag) == 0
            if count == 1:
                # As a killed run leaves it: records that no checkpoint stands behind,
                # and files that were not renamed yet.
                with (tmp_path / name / "metrics.jsonl").open("a") as file:
                    file.write('{"kind": "train", "epoch": 2, "step": 6}\n{"kind": "tr')
                for place in (".", "effects"):
                    (tmp_path / name / place / ".mk01_xyz.tmp").write_text("{")
    whole, parts = (tmp_path / name for name in ("whole", "parts"))
    assert not list(parts.rglob("*.tmp"))
    for epoch in (1, 2):
        path = pathlib.Path("effects") / f"epoch_{epoch:03d}.json"
        ours, theirs = (effect_lib.load_effect(f / path) for f in (parts, whole))
        assert repr(numbers(ours)) == repr(numbers(theirs))
    records = [metrics_log.read_lines(f / "metrics.jsonl") for f in (parts, whole)]
    for ours, theirs in zip(*records, strict=True):
        assert {k: v for k, v in ours.items() if k != "seconds"} == {
            k: v for k, v in theirs.items() if k != "seconds"
        }


def test_a_torn_last_line_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    good = [{"kind": "train", "epoch": e, "step": 3 * e, "x": 0.5} for e in (1, 2, 3)]
    lines = [json.dumps(record) for record in good]
    for torn in (lines[2][:-7], lines[2][: len(lines[2]) // 2], "\xff\x00"):
        path.write_text("\n".join([*lines[:2], torn]), encoding="latin-1")
        log = metrics_log.MetricsWriter(tmp_path, 2)
        log.write(good[2])
        log.close()
        assert metrics_log.read_lines(path) == good
    # Nothing of epochs that no checkpoint stands behind.
    log = metrics_log.MetricsWriter(tmp_path, 1)
    log.close()
    assert metrics_log.read_lines(path) == good[:1] == log.of_kind("train")
