"""A FiLM run through the real command line: what it leaves, and what it does not."""

import json

import pytest

from cak_jax.commands import train
from cak_jax.model.audits.table import AUDITS
from cak_jax.training import metrics_log

pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

SMALL = (
    "--config=smoke",
    "--config.game.generator=film",
    "--config.output.previews=0",
    "--config.spectrogram.sample_rate=8000",
    "--config.spectrogram.n_fft=256",
    "--config.spectrogram.hop_length=64",
    "--config.train.learning_rate_decay=none",
)
NO_EFFECT = "There is no effect file"


def command(workdir, *arguments):
    return train.main([*SMALL, *arguments, f"--workdir={workdir}"])


def records(folder):
    lines = metrics_log.read_lines(folder / "metrics.jsonl")
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.mark.slow
def test_a_run_that_was_stopped_and_resumed(tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert command(whole) == 0
    said = capsys.readouterr().out
    assert sum(line.startswith(NO_EFFECT) for line in said.splitlines()) == 1
    names = {path.name for path in whole.iterdir() if path.name[0] != "."}
    assert names - {"tensorboard"} == {
        "config.json", "corpus.json", "metrics.jsonl", "checkpoints",
        "evaluation.json", "figures", "report.html", "status.json",
    }  # fmt: skip
    drawn = {path.stem for path in (whole / "figures").iterdir()}
    assert drawn == {"audit", "labels", "history"}
    assert NO_EFFECT in (whole / "report.html").read_text("utf-8")
    bare = "--config.output.figures=False"
    assert command(parts, bare, "--config.train.epochs=1") == 0
    assert command(parts, bare) == 0
    assert "resumed after epoch 1" in capsys.readouterr().out
    assert records(parts) == records(whole)
    texts = [(f / "evaluation.json").read_text("utf-8") for f in (whole, parts)]
    assert texts[0] == texts[1]
    document = json.loads(texts[0])
    last = records(whole)[-1]
    assert document["note"].startswith(NO_EFFECT) and document["generator"] == "film"
    assert document["residual_at_zero"]["mean"] == last["residual_at_zero"] > 0
    assert document["held_out"] == {k: last[k] for k in ("violation", "reconstruction")}
    assert document["audit"]["relative"]["raw"]["slope"] == last["audit_slope"]
    assert set(document["audit"]) == {n for n, a in AUDITS.items() if not a.HEARS}


def test_previews_of_no_effect_are_refused(tmp_path, capsys):
    assert command(tmp_path / "run", "--config.output.previews=2") == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["error: output.previews: FiLM makes no effect to render; set 0: 2"]
    assert not (tmp_path / "run").exists()
