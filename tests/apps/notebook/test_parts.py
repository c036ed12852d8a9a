"""What the notebooks' cells call: choosing, showing, training until stopped."""

import json
import os
import re
import signal
import sys
import types

import numpy as np
import pytest
import soundfile
from support.small_sweep import load as load_small

from cak_jax.apps.notebook import files as notebook_files, mirror, paper, show, train
from cak_jax.apps.notebook.errors import NotebookError, told
from cak_jax.effect.effect import load_effect
from cak_jax.sweep.planned_runs import plan_runs
from cak_jax.training import config as config_lib
from cak_jax.training.config import ConfigError


def test_errors_are_lines():
    with pytest.raises(NotebookError) as caught, told():
        raise ConfigError("train.epochs: must be 1 or more\ngate.threshold: must be")
    assert caught.value._render_traceback_() == [
        "error: train.epochs: must be 1 or more", "error: gate.threshold: must be"
    ]  # fmt: skip
    with pytest.raises(NotebookError, match=r"x\.wav: No such file"), told():
        raise FileNotFoundError(2, "No such file or directory", "x.wav")
    # A fault of the program keeps its traceback.
    with pytest.raises(ValueError, match="ours"), told():
        raise ValueError("ours")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: notebook_files.choose_folder("nowhere"), "there is no such folder"),
        (lambda: notebook_files.choose_folder("upload"), "give a path"),
        (lambda: notebook_files.choose_folder("drive/sounds"), "give a path"),
        (lambda: notebook_files.choose_mirror("drive/cak"), "give a path"),
        (lambda: notebook_files.choose_sound("nowhere.wav", 1.0), "nowhere.wav"),
        (lambda: notebook_files.choose_sound("embedded", 0.0), "seconds"),
        (lambda: notebook_files.choose_sound("embedded", float("nan")), "seconds"),
        (lambda: notebook_files.offer("nowhere.json"), "nowhere.json"),
        (lambda: show.effect("glas"), "did you mean glass"),
        (lambda: show.between("glass", "drone", 1), "at least 2"),
        (lambda: show.pictures("nowhere"), "holds no"),
        (lambda: train.configure("huge"), "SIZE: must be one of"),
        (lambda: train.configure("test", sed=1), "sed: there is no"),
        (
            lambda: train.configure("test", game__kernel=1),
            "game.kernel: there is no",
        ),
        (lambda: train.configure("test", seed="one"), "field"),
        (lambda: paper.configure("unet", "test"), "must be one of paper"),
        (lambda: paper.configure_sweep("huge"), "SIZE: must be one of"),
    ],
)
def test_mistakes(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotebookError, match=re.escape(said)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_sound_of_ones_own(tmp_path):
    path = tmp_path / "x.wav"
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (9000, 2))
    soundfile.write(path, sound, 8000, subtype="FLOAT")
    for seconds, samples in ((0.5, 4000), (60.0, 9000)):
        found, rate = notebook_files.choose_sound(str(path), seconds)
        assert rate == 8000 and found.dtype == np.float32
        np.testing.assert_array_equal(found, sound[:samples].T.astype(np.float32))


def test_embedded_phrase():
    short, rate = notebook_files.choose_sound("embedded", 1.0)
    assert rate == 44100 and short.shape == (1, 44100)
    assert np.abs(short).max() == pytest.approx(0.5)
    np.testing.assert_array_equal(short, notebook_files.phrase(1.0, 44100))


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """Something like Colab: it uploads two files, and mounts a folder as Drive."""
    files, drive = types.ModuleType("files"), types.ModuleType("drive")
    given = {"../../out.wav": b"one", "two.wav": b"two"}
    downloaded, mounted = [], []
    files.upload = lambda: given
    files.download = downloaded.append
    drive.mount = mounted.append
    module = types.ModuleType("google.colab")
    module.files, module.drive = files, drive
    google = types.ModuleType("google")
    google.colab = module
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notebook_files, "_MOUNT", tmp_path / "drive")
    (tmp_path / "drive" / "MyDrive" / "sounds").mkdir(parents=True)
    return types.SimpleNamespace(given=given, downloaded=downloaded, mounted=mounted)


def test_on_colab(colab, tmp_path):
    assert notebook_files.choose_folder("upload", "new") == "new"
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.wav")}
    assert found == {"new/out.wav", "new/two.wav"}
    place = tmp_path / "drive" / "MyDrive"
    assert notebook_files.choose_folder("drive/sounds") == str(place / "sounds")
    assert notebook_files.choose_mirror("drive/cak") == place / "cak"
    assert notebook_files.choose_mirror("") is None
    assert colab.mounted == [str(tmp_path / "drive")] * 2
    notebook_files.offer("new/two.wav")
    assert colab.downloaded == ["new/two.wav"]
    colab.given.clear()
    with pytest.raises(NotebookError, match="no file was chosen"):
        notebook_files.choose_folder("upload", "new")


def test_players_are_turned_down_alike():
    quiet, loud = np.full((1, 4000), 0.1), np.full((1, 4000), -4.0)
    page = show.players({"a<b": quiet, "c": loud}, 8000).data
    assert page.count("<audio ") == 2 and "a&lt;b" in page and "a<b" not in page
    assert "turned down by 12.0 dB" in page
    assert "turned down" not in show.players({"a": quiet}, 8000).data


def test_between():
    way = show.between("glass", "drone", 3)
    assert list(way)[1] == "50% glass, 50% drone"
    for name in ("glass", "drone"):
        effect, end = (
            way[next(n for n in way if f"100% {name}" in n)],
            load_effect(name),
        )
        found, wanted = (np.array(e.kernel) * e.scale for e in (effect, end))
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_saved_sound_is_turned_down_not_clipped(tmp_path, capsys):
    sound = np.sin(np.arange(800.0))[None] * 2.0
    path = show.save(str(tmp_path / "x.wav"), sound, 8000)
    written, _ = soundfile.read(path)
    np.testing.assert_allclose(written, sound[0] / np.abs(sound).max(), atol=2**-22)
    assert "turned down by 6.0 dB" in capsys.readouterr().out


def test_shipped_sizes_are_configurations(tmp_path):
    for size in train.SIZES:
        config = train.configure(size, str(tmp_path), name="x", seed=3)
        assert config_lib.build(config).train.seed == 3
        assert config.corpus.path == str(tmp_path)
    for kind in paper.SIZES:
        for size in ("test", "minutes", "full"):
            built = config_lib.build(paper.configure(kind, size))
            assert built.game.generator == ("film" if kind == "film" else "cak")
            if size == "full" and kind == "paper":
                assert built.changes == config_lib.build(
                    config_lib.load_file(config_lib.find("paper"))
                ).changes | {"train.devices": 0}


@pytest.mark.parametrize(
    ("size", "count"), [("test", 6), ("minutes", 9), ("full", 180)]
)
def test_sweeps_at_every_size(size, count):
    planned = plan_runs(paper.configure_sweep(size))
    assert len(planned) == count
    values = [run.point.values for run in planned]
    assert len({(v["train.clips"], v["gate.temperature_final"]) for v in values}) > 5
    if size != "full":
        # About as many iterations for every corpus size, and the gate warm in time.
        batch = planned[0].settings.train.batch_size
        for own in values:
            each = max(1, own["train.clips"] // batch)
            assert own["train.epochs"] * each == pytest.approx(
                paper.STEPS[size], rel=0.1
            )
            assert own["gate.anneal_epochs"] < own["train.epochs"]


def test_published_history_is_the_published_one(golden_dir):
    golden = json.loads((golden_dir / "published_model.json").read_text("utf-8"))
    found = paper.published_history()
    names = {"g_loss": "generator_loss", "c_loss": "critic_loss",
             "wasserstein_d": "wasserstein", "violations": "violation"}  # fmt: skip
    assert [record["epoch"] for record in found] == list(range(1, 101))
    for name, series in golden["history"].items():
        assert [record[names.get(name, name)] for record in found] == series
    assert len(found[0]) == 1 + len(golden["history"])


def test_residual_is_minus_infinity_for_none():
    effect = load_effect("published")
    clips = np.random.default_rng(0).normal(0, 0.1, (2, 20000)).astype(np.float32)
    assert paper.residual(effect, clips, 0.0, "residual") == -np.inf
    heard = paper.residual(effect, clips, 1.0, "residual")
    assert -40 < heard < 10
    assert np.isfinite(paper.residual(effect, clips, 0.0, "published"))


def small_run():
    """A configuration that trains in a second: four epochs of two iterations."""
    config = load_small(**{"train.epochs": 4, "output.previews": 0})
    with config.unlocked():
        del config["sweep"]
    return config


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_stopped_lost_and_resumed(tmp_path, monkeypatch, capsys):
    """The stop button, then a lost session: what was learned until then is not lost."""
    show_epoch, before = (
        train.Board.show_epoch,
        signal.getsignal(signal.SIGINT),
    )

    def stop(board, trainer, log):
        show_epoch(board, trainer, log)
        # All that an epoch leaves is there when its callback is called.
        assert (board.folder / "effects" / f"epoch_{trainer.epoch:03d}.json").is_file()
        assert len(log.of_kind("train")) == trainer.epoch
        if trainer.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(train.Board, "show_epoch", stop)
    run, there = tmp_path / "run", tmp_path / "drive"
    with pytest.raises(NotebookError, match="run this cell again to go on"):
        train.train(small_run(), str(run), there)
    assert signal.getsignal(signal.SIGINT) is before
    assert (run / "effect.json").is_file()
    assert mirror.archives("run", there)
    run.rename(tmp_path / "lost")
    monkeypatch.setattr(train.Board, "show_epoch", show_epoch)
    capsys.readouterr()
    assert train.train(small_run(), str(run), there) == run
    said = capsys.readouterr().out
    assert "restored from run.0000" in said and "resumed after epoch 2" in said
    for name in ("epoch_001.json", "epoch_002.json"):
        kept, lost = (place / "effects" / name for place in (run, tmp_path / "lost"))
        assert kept.read_bytes() == lost.read_bytes()
    assert len(list((run / "effects").iterdir())) == 4
    # What cannot be mirrored costs the run nothing, and is said.
    (tmp_path / "file").write_text("in the way")
    train.train(small_run(), str(run), tmp_path / "file")
    assert "not mirrored: " in capsys.readouterr().out
