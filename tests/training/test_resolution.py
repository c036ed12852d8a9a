"""Resolution and spacing are chosen by what unseen files follow best."""

import pytest
from support.heard_game import config_of

from cak_jax.runtime import json_file
from cak_jax.runtime.signals import Stops
from cak_jax.training import resolution, run
from cak_jax.training.config import ConfigError, build
from cak_jax.training.config_checks import flatten
from cak_jax.training.resolution import Place
from cak_jax.training.run_folder import RunError

SMALL = (Place(256, (2, 2)), Place(512, (1, 2)))


@pytest.fixture
def scored(monkeypatch):
    """Score places by a table, without training; return what was tried."""
    tried = []

    def score(config):
        tried.append((config.spectrogram.n_fft, config.game.spacing))
        return {256: 0.4, 512: 0.7}[config.spectrogram.n_fft]

    monkeypatch.setattr(resolution, "GRID", SMALL)
    monkeypatch.setattr(resolution, "score", score)
    return tried


def chosen(config, folder):
    return resolution.choose(config, folder, Stops())


def test_the_best_place_is_taken(tmp_path, scored, capsys):
    config = config_of(**{"spectrogram.n_fft": 0})
    taken = flatten(chosen(config, tmp_path))
    assert scored == [(256, (2, 2)), (512, (1, 2))]
    # 80 frames of a hop of 128 samples stay as long.
    assert [taken[field] for field in resolution.FIELDS] == [512, 128, [1, 2], 80]
    assert config.spectrogram.n_fft == 0
    said = capsys.readouterr().out
    assert "trial: frames of 256, cells 2 bins and 2 frames apart: R2 0.40" in said
    assert said.endswith("chosen: frames of 512, cells 1 bins and 2 frames apart\n")
    others = set(taken) - set(resolution.FIELDS)
    plain = flatten(config)
    assert all(taken[field] == plain[field] for field in others)


def test_a_run_that_goes_on_keeps_its_choice(tmp_path, scored):
    config = config_of(**{"spectrogram.n_fft": 0})
    held = flatten(chosen(config, tmp_path)) | {"spectrogram.n_fft": 256}
    json_file.write(tmp_path / "config.json", {"config": held})
    scored.clear()
    assert chosen(config, tmp_path).spectrogram.n_fft == 256 and not scored


@pytest.mark.parametrize("name", ["config.json", "notes.json"])
def test_another_folder_is_refused_before_any_trial(tmp_path, scored, name):
    json_file.write(tmp_path / name, {"config": "no run"})
    with pytest.raises(RunError, match=r"cannot be read|holds no run"):
        chosen(config_of(**{"spectrogram.n_fft": 0}), tmp_path)
    assert not scored


def test_what_is_set_is_not_chosen(tmp_path, scored):
    config = config_of()
    assert chosen(config, tmp_path) is config and not scored


def test_other_audits_refuse_to_choose(tmp_path, scored):
    config = config_of(
        **{"spectrogram.n_fft": 0, "game.audit": "relative", "game.spacing": (1, 1)}
    )
    with pytest.raises(ConfigError, match=r"spectrogram\.n_fft: must be from 16"):
        build(chosen(config, tmp_path))
    assert not scored


def test_crops_last_as_long_at_every_place():
    config = config_of(**{"train.crop_frames": 81})
    finer = resolution.at(config, SMALL[0])
    assert (finer.spectrogram.hop_length, finer.train.crop_frames) == (64, 162)
    whole = resolution.at(config_of(**{"train.crop_frames": 0}), SMALL[0])
    assert whole.train.crop_frames == 0


@pytest.mark.slow
def test_a_run_chooses_for_itself(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(resolution, "GRID", SMALL)
    monkeypatch.setattr(resolution, "EPOCHS", 2)
    folder = tmp_path / "run"
    config = config_of(**{"spectrogram.n_fft": 0})
    run.run(config, str(folder))
    held = json_file.read(folder / "config.json")["config"]
    assert held["spectrogram.n_fft"] in (256, 512)
    assert f"chosen: frames of {held['spectrogram.n_fft']}" in capsys.readouterr().out
    # The same command goes on, and does not choose again.
    run.run(config, str(folder))
    assert "trial" not in capsys.readouterr().out
