"""A training's settings, and the sentences that the page shows, from its run folder."""

import json
import math
import re
import threading

import numpy as np
import pytest

from cak_jax.apps.page import training_process
from cak_jax.apps.page.request_checks import RequestError
from cak_jax.apps.page.training_process import Training, TrainingSlot
from cak_jax.effect import locate
from cak_jax.training import config as config_lib, config_checks, run_folder

SETTINGS = training_process.check("mine", "attack", 3, 0, 1024, 1)


@pytest.mark.parametrize("n_fft", ["2048", 2047, True, None, [2048], math.nan])
def test_no_frame(n_fft):
    with pytest.raises(RequestError, match="samples a frame"):
        training_process.check("x", "attack", 1, 0, n_fft, 1.0)


@pytest.mark.parametrize("quality", ["loudness", "--attack", "", None, 1.0, ["attack"]])
def test_no_quality(quality):
    with pytest.raises(RequestError, match="the quality must be one of"):
        training_process.check("x", quality, 1, 0, 1024, 1.0)


@pytest.mark.parametrize("n_fft", training_process.FRAMES)
def test_clips_that_the_page_takes_can_be_trained_on(n_fft):
    """Of every length that it offers; others are refused with the shortest."""
    lengths = np.arange(1, 61) * training_process.STEP
    for seconds in lengths.tolist():
        try:
            flat = training_process.check("x", "attack", 1, 0, n_fft, seconds)
        except RequestError as error:
            shortest = float(re.search(r"must be ([\d.]+) or more", str(error))[1])
            assert seconds < shortest <= 0.75
            assert training_process.check("x", "attack", 1, 0, n_fft, shortest)
        else:
            config = config_lib.load_file(config_lib.find("default"))
            config.update_from_flattened_dict(flat)
            assert config_checks.faults(config) == []
            whole = 1 + int(seconds * 44100) // (n_fft // 4)
            # One and a half seconds, as by default.
            crop = -(-130 * 512 // (n_fft // 4))
            assert flat["train.crop_frames"] == (crop if whole > crop else 0)


class FakeProcess:
    """A process that runs until the test sets its exit code."""

    def __init__(self, command, stdout, **options):
        self.command, self.returncode, self.log = command, None, stdout
        self.ended, self.terminated = threading.Event(), threading.Event()

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        assert self.ended.wait(timeout)

    def terminate(self):
        self.terminated.set()

    def end(self, code):
        self.returncode = code
        self.ended.set()


def test_flags_of_a_training(tmp_path, monkeypatch):
    """A name stays one argument, even if it looks like a flag."""
    monkeypatch.setattr(training_process.subprocess, "Popen", FakeProcess)
    settings = training_process.check("--workdir=/ x", "-attack", 8, 3, 2048, 15)
    started = Training(tmp_path, settings, "/my sounds", 600.0)
    end(started, 0)
    assert {
        "--config.name=--workdir=/ x",
        "--config.corpus.path=/my sounds",
        "--config.corpus.cache=",
        "--config.corpus.fade_seconds=2.0",
        "--config.spectrogram.hop_length=512",
        "--config.corpus.labels=-attack",
        "--config.train.crop_frames=130",
    } <= set(started._process.command)


@pytest.fixture
def training(tmp_path, monkeypatch):
    """A training of uploaded sounds whose run folder the test writes."""
    monkeypatch.setattr(training_process.subprocess, "Popen", FakeProcess)
    (tmp_path / "sounds").mkdir()
    started = Training(tmp_path, SETTINGS, str(tmp_path / "sounds"), 600.0)
    yield started
    started._process.end(0)
    started.wait()


def end(training, code):
    training._process.end(code)
    training.wait()


def told(training):
    """The sentences without the time that the training has taken."""
    return [re.sub(r"\d+ s( so far)?$", "TIME", line) for line in training.sentences()]


def test_sentences_follow_the_status_and_the_metrics(training):
    run = training.folder / "run"
    assert told(training) == ["Part 1 of 4: starting", "TIME"]
    run.mkdir()
    run_folder.write_status(run, run_folder.Status("training", 24, 30, 8.0))
    record = {"kind": "train", "epoch": 2, "step": 20, "violation": 0.25}
    held_out = {"kind": "held_out", "epoch": 2, "step": 20, "audit_r2": 0.5}
    lines = [json.dumps(r) + "\n" for r in (record, held_out)]
    (run / "metrics.jsonl").write_text("".join(lines))
    assert training.passes == 2
    assert told(training) == [
        "Part 3 of 4: training",
        "24 of 30 steps, pass 3 of 3, about 10 s left of this part, TIME",
        "In pass 2 the knob was off by 25 % of a full turn.",
    ]
    training.stop()
    said = "stopping: the effect is kept as it is now"
    assert told(training) == [said, "TIME"]
    assert training._process.terminated.wait(10)
    run_folder.write_status(run, run_folder.Status("decoding", 3, 8))
    assert told(training) == ["stopping", "TIME"]


def test_the_summary_is_shown_at_the_end(training):
    """Without paths of this machine, and the uploaded sounds are deleted."""
    run = training.folder / "run"
    run.mkdir()
    summary = ["Use it up to --amount=0.75.", f"It lies in {run / 'effect.json'}."]
    run_folder.write_status(run, run_folder.Status("finished", summary=summary))
    end(training, 0)
    assert told(training) == [
        "finished",
        "pass 0 of 3 done, it took TIME",
        "Use it up to amount 0.75.",
        "It lies in the run/effect.json.",
    ]
    assert not (training.folder / "sounds").exists()


def test_error_lines_of_the_log_are_shown_only_after_a_failure(training):
    sounds = training.folder / "sounds"
    log = f"cak_jax on cpu\nerror: {sounds}/a.wav: is damaged\nWarning: error: no\n"
    (training.folder / "log.txt").write_text(log)
    assert training.sentences()[0] == "Part 1 of 4: starting"
    end(training, 2)
    assert training.sentences() == ["error: your sounds/a.wav: is damaged"]
    (training.folder / "log.txt").write_text("")
    assert training.sentences()[0].startswith("error: the training ended without")


def test_stopped(training):
    training.stop()
    end(training, -15)
    assert training.sentences()[0] == "stopped: it was too early for an effect"
    (training.folder / "run").mkdir()
    (training.folder / "run" / "effect.json").write_text("{}")
    assert training.sentences()[0] == "stopped: the effect is kept as it was then"


def test_one_training_at_a_time(tmp_path, monkeypatch):
    """Only its token finds it, and a failed extraction leaves nothing."""
    monkeypatch.setattr(training_process.subprocess, "Popen", FakeProcess)
    slot = TrainingSlot(tmp_path, 600.0, local=True)

    def fail(folder):
        raise RequestError("this is no zip")

    with pytest.raises(RequestError, match="no zip"):
        slot.start(SETTINGS, "", fail)
    assert list(tmp_path.iterdir()) == []
    training = slot.start(SETTINGS, "")
    with pytest.raises(RequestError, match="another training is running"):
        slot.start(SETTINGS, "")
    assert slot.find([training.token]) is training
    last = training.token[:-1] + ("0" if training.token[-1] != "0" else "1")
    wrong = ([], [""], ["f" * 32], ["\u00e9"], None, 5, training.token, [5], {}, [last])
    for tokens in (*wrong, [training.token, last]):
        assert slot.find(tokens) is None
    end(training, 0)
    other = slot.start(SETTINGS, "")
    assert slot.find([training.token]) is None
    assert slot.find([training.token, other.token]) is other
    end(other, 0)


def put_effect(folder, name):
    folder.mkdir(parents=True)
    document = locate.read("bright") | {"name": name}
    (folder / "effect.json").write_text(json.dumps(document))
    return folder / "effect.json"


def test_trained_effects_are_offered_by_their_names(tmp_path, monkeypatch):
    """To this machine all, also of an earlier page; to a visitor the own ones."""
    monkeypatch.setattr(training_process.subprocess, "Popen", FakeProcess)
    slots = [TrainingSlot(tmp_path / "runs", 60.0, local) for local in (True, False)]
    assert [slot.trained([]) for slot in slots] == [[], []]
    token = f"20261130-091500-{'a' * 32}"
    files = {
        token: put_effect(tmp_path / "runs" / token / "run", "drums"),
        "tape": put_effect(tmp_path / "runs" / "tape", "tape hiss"),
    }
    (tmp_path / "runs" / "torn").mkdir()
    (tmp_path / "runs" / "torn" / "effect.json").write_text("{")
    put_effect(tmp_path / "secret", "secret")
    here, elsewhere = slots
    named = {choice: name.split(" - ")[0] for name, choice in here.trained([])}
    assert named == {f"trained:{token}": "drums", "trained:tape": "tape hiss"}
    assert {t: here.trained_effect(t) for t in files} == files
    assert elsewhere.trained([]) == []
    ((name, choice),) = elsewhere.trained([token, "tape"])
    assert name.startswith("drums - trained ") and choice == f"trained:{token}"
    assert elsewhere.trained_effect("tape") is None
    for slot in slots:
        for name in ("../secret", "..", ".", "", "/", f"{token}/run", "x\0", "torn/.."):
            assert slot.trained_effect(name) is None


def test_an_effect_is_not_offered_while_it_trains(tmp_path, monkeypatch):
    """Its file changes then under its name."""
    monkeypatch.setattr(training_process.subprocess, "Popen", FakeProcess)
    slot = TrainingSlot(tmp_path, 600.0, local=True)
    training = slot.start(SETTINGS, "")
    put_effect(training.folder / "run", "drums")
    assert slot.trained([training.token]) == []
    assert slot.trained_effect(training.token) is None
    end(training, 0)
    assert [choice for _, choice in slot.trained([])] == [f"trained:{training.token}"]
