"""A whole sweep through the command line: what it leaves, resumes, marks, refuses."""

import base64
import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from support.small_sweep import ROOT, command, learned, load, rows, start

from cak_jax.commands import train
from cak_jax.effect import effect as effect_lib
from cak_jax.sweep import run_sweep, train_together
from cak_jax.sweep.grid import plan_runs
from cak_jax.sweep.run_axis import pack, stack
from cak_jax.training import run, run_folder
from cak_jax.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


@pytest.fixture
def finished(finished_sweep):
    return finished_sweep


def test_a_row_for_every_run(finished):
    with (finished / "table.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    lines = (finished / "table.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    planned = plan_runs(load())
    assert len(table) == len(records) == len(planned) == 6
    for row, record, run_ in zip(table, records, planned, strict=True):
        assert row["run"] == record["run"] == run_.name
        assert record["status"] == "done" and row["fault"] == ""
        for field, value in run_.values.items():
            assert float(row[field]) == record[field] == value
        document = json.loads(
            (finished / "runs" / record["run"] / "evaluation.json").read_text("utf-8")
        )
        audit = document["audit"]["relative"]["calibrated"]
        assert float(row["audit.relative.calibrated.r2"]) == audit["r2"]
        assert record["knob.gate.dead_zone"] == document["knob"]["gate"]["dead_zone"]
        assert record["bit_exact_at_0"] == 1.0
        assert record["training_clips"] == (run_.settings.train.clips or 6)
        batches = record["training_clips"] * 2 // 4
        assert record["steps"] == run_.settings.train.epochs * batches
        assert record["train_seconds"] > 0


def test_a_slice_is_the_single_run(finished):
    """The same numbers as training alone with a run's values, epoch by epoch."""
    planned = plan_runs(load())[0]
    assert planned.settings.train.clips == 3 and planned.settings.train.epochs == 5
    trainer = Trainer(planned.settings, run.prepare_corpus(planned.settings))
    epochs = [trainer.run_epoch(lambda metrics: None) for _ in range(5)]
    single, folder = trainer.snapshot().effect(), finished / "runs" / planned.name
    ours = effect_lib.load_effect(folder / "effect.json")
    for name in ("kernel", "bias", "scale"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(single, name), rtol=0, atol=1e-5
        )
    for name in ("threshold", "temperature", "spectrogram", "normalization"):
        assert getattr(ours, name) == getattr(single, name)
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    for line, expected in zip(lines, epochs, strict=True):
        record = json.loads(line)
        for name in ("violation", "scale", "reconstruction", "temperature"):
            assert record[name] == pytest.approx(expected[name], abs=1e-5)
    assert ours.provenance["config_sha256"] == planned.settings.config_sha256
    assert ours.provenance["corpus_sha256"] == trainer.corpus.sha256


def test_a_run_of_a_sweep_is_a_run_folder(finished):
    for folder in (finished / "runs").iterdir():
        document = json.loads((folder / "config.json").read_text("utf-8"))
        assert not any(field.startswith("sweep") for field in document["config"])
        assert document["config"]["name"] == f"small {folder.name}"
        corpus = json.loads((folder / "corpus.json").read_text("utf-8"))
        row = json.loads((folder / "run.json").read_text("utf-8"))
        assert corpus["sha256"] == row["corpus_sha256"]
        assert (folder / "effect.json").stat().st_size < 4096


def test_the_report_shows_and_sorts(finished):
    page = (finished / "report.html").read_text("utf-8")
    assert page.count("<tr") >= 7 and 'class="sortable stacked"' in page
    # The policy lets one script run: this one.
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "sortable" in script
    assert "\\u2212" in script and "\N{MINUS SIGN}" not in script
    names = {path.stem.rpartition("-")[0] for path in (finished / "figures").iterdir()}
    assert page.index("data:image/png") < page.index("<table")  # figures first
    # train.epochs only follows, seeds are the spread.
    assert names == {
        "curve_gate.threshold", "curve_train.clips", "map_gate.threshold_train.clips"
    }  # fmt: skip
    assert "http" not in page.replace("http-equiv", "")


def test_the_map_plays(finished):
    page = (finished / "zoo.html").read_text("utf-8")
    assert page.count("data:audio/mpeg") == 6 + 1 == page.count("<audio")
    assert page.count("<circle") == 6
    sounds = set(re.findall(r'data-sound="(\w+)"', page))
    assert sounds == set(re.findall(r'<audio id="(\w+)"', page))
    zoo = json.loads((finished / "zoo.json").read_text("utf-8"))
    places = np.array([effect["place"] for effect in zoo["effects"]])
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-9)


def stamps(folder):
    files = [*(folder / "runs").rglob("*.json"), *folder.glob("zoo.*")]
    return {path: path.stat().st_mtime_ns for path in files}


def test_finished_runs_are_not_repeated(finished, monkeypatch, capsys):
    def refuse(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(run_sweep, "train_group", refuse)
    before = stamps(finished)
    assert start(finished, "--config.sweep.probe_clips=1") == 0
    assert "6 of 6 runs are finished already" in capsys.readouterr().out
    assert stamps(finished) == before


# Killed before the fourth run is written down: in the middle of the second two.
KILLED = """
import os, signal, sys
from cak_jax.commands import train as main
names = []
def hear(event, arguments):
    if event == "os.rename" and os.fspath(arguments[1]).endswith("run.json"):
        names.append(arguments[1])
        if len(names) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hear)
main.main(sys.argv[1:])
"""


def test_a_killed_sweep_goes_on(tmp_path, finished, capsys):
    folder = tmp_path / "killed"
    two = "--config.sweep.runs_at_once=2"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", KILLED, *command(folder, two)]
    done = subprocess.run(line, env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    before = rows(folder)
    assert len(before) == 3
    kept = {p: stamp for p, stamp in stamps(folder).items() if p.parent.name in before}
    assert start(folder, two) == 0
    assert f"{len(before)} of 6 runs are finished already" in capsys.readouterr().out
    assert kept.items() <= stamps(folder).items()
    ours, expected = learned(folder), learned(finished)
    assert ours.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(ours[name], values, atol=1e-5, err_msg=name)


def test_a_diverged_run_is_marked_and_harms_no_other(
    tmp_path, finished, monkeypatch, capsys
):
    folder, gather = tmp_path / "sick", train_together.gather

    def poison(trainers):
        bad = jax.tree.map(
            lambda x: x * np.nan if x.dtype == np.float32 else x,
            pack(trainers[1].state),
        )
        states = [pack(trainer.state) for trainer in trainers]
        poisoned = stack([states[0], bad, *states[2:]])
        return gather(trainers)._replace(state=poisoned)

    monkeypatch.setattr(train_together, "gather", poison)
    assert start(folder) == 0
    finished_rows = rows(folder)
    sick = [name for name, row in finished_rows.items() if row["status"] == "diverged"]
    assert len(sick) == 1 and len(finished_rows) == 6
    assert re.match(r"step 0: \w+ is nan", finished_rows[sick[0]]["fault"])
    assert not (folder / "runs" / sick[0] / "effect.json").exists()
    assert f"{sick[0]}: DIVERGED" in capsys.readouterr().out
    ours, expected = learned(folder), learned(finished)
    assert set(expected) - set(ours) == set(sick)
    for name, values in ours.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    page = (folder / "report.html").read_text("utf-8")
    assert f"{sick[0]}: diverged, step 0" in page


def faulty(capsys, code, *flags):
    assert start(*flags) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    return lines[0]


def test_what_a_sweep_refuses(tmp_path, finished, capsys):
    said = faulty(capsys, 2, finished, "--config.game.weight_compliance=3.0")
    assert "game.weight_compliance: 20.0 -> 3.0" in said
    said = faulty(capsys, 2, tmp_path / "a", "--config.sweep.vectorise=both")
    assert said.startswith("error: sweep.vectorise: must be one of")
    few = "--config.sweep.parts.gate.grid.train.clips=(3, 60)"
    said = faulty(capsys, 2, tmp_path / "a", few)
    assert "clips60" in said and "more than the 6 training clips" in said
    assert not (tmp_path / "a" / "runs").exists()
    said = faulty(capsys, 2, tmp_path / "b", f"--profile={tmp_path}")
    assert "--profile: traces a single run" in said
    with run_folder.locked(finished):
        assert "is in use by process" in faulty(capsys, 2, finished)


def test_a_sweep_and_a_run_share_no_folder(finished, capsys):
    flags = ("--config=smoke", f"--workdir={finished}")
    assert train.main(list(flags)) == 2
    assert "cannot share a folder" in capsys.readouterr().err


def test_another_corpus_is_refused(tmp_path, finished, capsys):
    import shutil

    folder = tmp_path / "moved"
    shutil.copytree(finished, folder)
    for path in list((folder / "runs").glob("*/run.json"))[:1]:
        path.unlink()
    for path in (folder / "runs").glob("*/run.json"):
        row = json.loads(path.read_text("utf-8")) | {"whole_corpus_sha256": "0" * 64}
        path.write_text(json.dumps(row))
    assert "was trained on another corpus" in faulty(capsys, 2, folder)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--cluster=local:0",), "--cluster=local:0: must be local:N with N workers"),
        (("--cluster=local:x",), "--cluster=local:x: must be local:N"),
        (("--cluster=tls://a",), "--cluster=tls://a: must be local:N or a scheduler's"),
        (("--cluster=10.0.0.1:8786",), "is not encrypted, and whoever reaches it"),
        (("--cluster=tcp://10.0.0.1:1",), "start the scheduler with tls://"),
        (("--cluster=tls://a:1", "--cluster_key=/none"), "--cluster_key=/none: is no"),
        (("--cluster=local:2", "--cluster_key=x"), "local workers make a key of their"),
        (("--cluster_key=x",), "--cluster_key: needs --cluster=ADDRESS"),
        (("--cluster=local:1", "--cluster_device=abacus"), "must be one of cpu, gpu,"),
    ],
)
def test_flags_of_a_cluster(tmp_path, capsys, flags, said):
    assert said in faulty(capsys, 2, tmp_path / "sweep", *flags)
    assert not (tmp_path / "sweep").exists()


def test_an_encrypted_cluster_without_its_key(tmp_path, capsys, monkeypatch):
    """The line comes before any sound is read."""
    monkeypatch.setattr(run_sweep, "load_groups", None)
    assert start(tmp_path / "x", "--cluster=tls://127.0.0.1:1") == 2
    wanted = "error: --cluster=tls://127.0.0.1:1: is encrypted; name the file with its "
    assert capsys.readouterr().err == wanted + "key by --cluster_key\n"


def test_only_sweeps_are_made_by_workers(tmp_path, capsys):
    flags = ("--config=smoke", f"--workdir={tmp_path}", "--cluster=local:2")
    assert train.main(list(flags)) == 2
    assert "only a sweep is made by workers" in capsys.readouterr().err


def test_a_worker_makes_the_same_runs(tmp_path, finished, capsys):
    """All of it, but with one worker process; `test_cluster.py` has several."""
    folder = tmp_path / "cluster"
    assert start(folder, "--cluster=local:1") == 0
    said = capsys.readouterr().out
    (number,) = re.findall(
        r"^worker tls://127\.0\.0\.1:\d+: process (\d+) ", said, re.M
    )
    assert int(number) != os.getpid()
    ours, expected = learned(folder), learned(finished)
    assert ours.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(ours[name], values, atol=1e-5, err_msg=name)
    for name, row in rows(folder).items():
        assert row["key"] == rows(finished)[name]["key"]
        files = {path.name for path in (folder / "runs" / name).iterdir()}
        assert files == {path.name for path in (finished / "runs" / name).iterdir()}
