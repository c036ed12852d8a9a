"""A training in a notebook: its configuration, and one that is stopped and lost."""

import os
import re
import signal

import pytest
from support.small_sweep import load as load_small

from cak_jax.apps.notebook import mirror, train
from cak_jax.apps.notebook.show import NotebookError
from cak_jax.training import config as config_lib


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: train.configure("huge"), "SIZE: must be one of"),
        (lambda: train.configure("test", sed=1), "sed: there is no"),
        (
            lambda: train.configure("test", game__kernel=1),
            "game.kernel: there is no",
        ),
        (lambda: train.configure("test", seed="one"), "field"),
    ],
)
def test_mistakes(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotebookError, match=re.escape(said)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_shipped_sizes_are_configurations(tmp_path):
    for size in train.SIZES:
        config = train.configure(size, str(tmp_path), name="x", seed=3)
        assert config_lib.build(config).train.seed == 3
        assert config.corpus.path == str(tmp_path)


def small_run():
    """A configuration that trains in a second: four epochs of two iterations."""
    config = load_small(**{"train.epochs": 4, "output.previews": 0})
    with config.unlocked():
        del config["sweep"]
    return config


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_stopped_lost_and_resumed(tmp_path, monkeypatch, capsys):
    """The stop button, then a lost session: the archive restores the run."""
    show_epoch, before = (
        train.ProgressDisplay.show_epoch,
        signal.getsignal(signal.SIGINT),
    )

    def stop(display, snapshot, log):
        show_epoch(display, snapshot, log)
        # The callback runs after all files of its epoch are written.
        assert (
            display.folder / "effects" / f"epoch_{snapshot.epoch:03d}.json"
        ).is_file()
        assert len(log.of_kind("train")) == snapshot.epoch
        if snapshot.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(train.ProgressDisplay, "show_epoch", stop)
    run, there = tmp_path / "run", tmp_path / "drive"
    with pytest.raises(NotebookError, match="run this cell again to go on"):
        train.train(small_run(), str(run), there)
    assert signal.getsignal(signal.SIGINT) is before
    assert (run / "effect.json").is_file()
    assert mirror.archives("run", there)
    run.rename(tmp_path / "lost")
    monkeypatch.setattr(train.ProgressDisplay, "show_epoch", show_epoch)
    capsys.readouterr()
    assert train.train(small_run(), str(run), there) == run
    said = capsys.readouterr().out
    assert "restored from run.0000" in said and "resumed after epoch 2" in said
    for name in ("epoch_001.json", "epoch_002.json"):
        kept, lost = (place / "effects" / name for place in (run, tmp_path / "lost"))
        assert kept.read_bytes() == lost.read_bytes()
    assert len(list((run / "effects").iterdir())) == 4
    # If the mirror fails, the run goes on and a message says so.
    (tmp_path / "file").write_text("in the way")
    train.train(small_run(), str(run), tmp_path / "file")
    assert "not mirrored: " in capsys.readouterr().out
