"""Runs that are too small, at other rates, or were killed early."""

import json

import pytest

from cak_jax.commands import train
from cak_jax.training import run_folder

SMALL = (
    "--config=smoke",
    "--config.spectrogram.sample_rate=8000",
    "--config.spectrogram.n_fft=256",
    "--config.spectrogram.hop_length=64",
    "--config.output.figures=False",
)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("--config.train.batch_size=16", "train.batch_size: a batch of 16 is more"),
        ("--config.corpus.held_out=0.99", "corpus: 1 training clip; at least 2"),
    ],
)
def test_too_few_clips_are_one_line(tmp_path, capsys, setting, said):
    folder = tmp_path / "run"
    assert train.main([*SMALL, setting, f"--workdir={folder}"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"error: {said}")
    assert not folder.exists()


@pytest.mark.slow
def test_a_rate_that_mp3_does_not_know(tmp_path):
    rate = "--config.spectrogram.sample_rate=88200"
    folder = tmp_path / "run"
    assert train.main([*SMALL, rate, f"--workdir={folder}"]) == 0
    assert "data:audio/mpeg" in (folder / "report.html").read_text("utf-8")


def test_a_folder_of_leftovers_is_free(tmp_path, capsys):
    """Of a run that was killed while it read the sounds."""
    run_folder.write_status(tmp_path, run_folder.Status("decoding", 3, 8))
    (tmp_path / ".lock").touch()
    (tmp_path / ".mkabc.tmp").write_text("half")
    none = "--config.train.epochs=0"
    assert train.main([*SMALL, none, f"--workdir={tmp_path}"]) == 0
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))["config"]
    assert config["train.epochs"] == 0
