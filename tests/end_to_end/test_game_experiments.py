"""The scripts on the game itself run, and say what is so."""

import importlib
import json
import pathlib

import numpy as np
import pytest
from support.heard_game import SMALL
from support.sounds import fill

from cak_jax.effect.effect import load_effect
from cak_jax.training import config

EXPERIMENTS = pathlib.Path(__file__).parent.parent.parent / "experiments"
# A game of seconds on the half-dozen short sounds below.
TINY = {
    "corpus.seconds": 1.0,
    "corpus.fade_seconds": 0.1,
    "corpus.held_out": 0.4,
    "spectrogram.sample_rate": 8000,
    "spectrogram.n_fft": 256,
    "spectrogram.hop_length": 64,
    "game.critic_widths": (2, 3, 4),
    "game.critic_steps": 1,
    "train.epochs": 2,
    "train.batch_size": 4,
    "train.crop_frames": 16,
    "train.crop_bins": 64,
}


@pytest.fixture
def script(monkeypatch):
    """Import a script by name."""
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module


@pytest.fixture
def sounds(tmp_path):
    """A folder of sounds."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    fill(folder, 6)
    return folder


def test_the_grid_is_whole(script):
    game = script("audit_game")
    settings = dict(game.grid_settings())
    assert len(settings) == 16
    assert all(len(fields) == 4 for fields in settings.values())
    assert len({tuple(fields.values()) for fields in settings.values()}) == 16


def test_a_corpus_may_have_fields(script):
    parse = script("audit_game").parse_corpus
    assert parse("a=/b c,corpus.seconds=2.0") == ("a", "/b c", {"corpus.seconds": 2.0})
    assert parse("a=b") == ("a", "b", {})


@pytest.mark.slow
def test_runs_are_kept_and_shown(script, sounds, tmp_path, capsys):
    game = script("audit_game")
    target = tmp_path / "out.jsonl"
    wanted = [("tiny", TINY, f"noise={sounds}", 0, 2)]
    game.run_all(target, wanted)
    game.run_all(target, wanted)
    lines = target.read_text("utf-8").splitlines()
    assert len(lines) == 1
    record = json.loads(lines[0])
    assert record["bit_exact_at_0"] and len(record["violation"]) == 2
    assert record["clips"] == 2
    capsys.readouterr()
    game.show(target, tmp_path / "figure.png")
    row = capsys.readouterr().out.splitlines()[2]
    assert row.startswith("| tiny | noise | 1 |") and "bit-exact" in row
    assert f"{record['calibrated']['slope']:.3f}" in row
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def test_pulls_are_the_gradients_of_the_terms(script, sounds, capsys):
    pulls = script("pulls")
    given = [f"{name}={value!r}" for name, value in TINY.items()]
    given.append("game.weight_reconstruction=0.0")
    pulls.main(str(sounds), *given)
    rows = [line for line in capsys.readouterr().out.splitlines() if line[0] == "|"]
    assert len(rows) == 2 + TINY["train.epochs"]
    audit, critic, shape, rebuilt = map(float, rows[2].split("|")[2:6])
    assert audit > 0 and critic >= shape and rebuilt == 0.0


@pytest.mark.slow
def test_own_effects_are_trained_and_compared(script, sounds, tmp_path, capsys):
    own = script("own_effects")
    own.RECIPES.clear()
    short = {"corpus.seconds": 1.0, "corpus.fade_seconds": 0.1, "corpus.held_out": 0.4}
    fields = {**SMALL, **short, "corpus.labels": "-spectral_flatness"}
    own.RECIPES["tiny-one"] = ("noise", fields, "made of noise")
    own.train(tmp_path, [f"noise={sounds}"])
    effect = load_effect(tmp_path / "tiny-one.json")
    assert effect.name == "tiny-one"
    assert effect.provenance["character"] == "made of noise"
    assert effect.quality.name == "-spectral_flatness"
    assert np.isfinite(effect.provenance["metrics"]["r2"])
    capsys.readouterr()
    first = next(iter(sorted(sounds.iterdir())))
    own.compare(tmp_path / "figure.png", [str(first)])
    table, distances = capsys.readouterr().out.split("\n\n", 1)
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert [row[1] for row in rows[:4]] == ["0.25", "0.5", "0.75", "1.0"]
    assert len(rows) == 4 * len(own.locate.names())
    # The distance to the dry sound, of each effect at full turn.
    assert all(float(row[10]) > 0.5 for row in rows[3::4])
    assert distances.splitlines()[-1].startswith("nearest: ")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_effects_are_taught_by_raters(script, monkeypatch, capsys):
    taught = script("taught_labels")
    bright = {"bright": {"spectral_centroid": 1.0}}
    monkeypatch.setattr(taught, "RATERS", bright)
    fields = {**SMALL, "corpus.synthetic_clips": 30}
    taught.main("", "12,0", *(f"{name}={value!r}" for name, value in fields.items()))
    rows = [line for line in capsys.readouterr().out.splitlines() if line[0] == "|"]
    assert len(rows) == 4
    for row, count in zip(rows[2:], (12, 24), strict=True):
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        assert cells[:2] == ["bright", str(count)]
        assert 0.2 < float(cells[2]) < 0.9  # the noise is half of the mix's spread
        assert float(cells[3]) > 0.8
        # Two epochs of a small game: it brightens.
        assert all(float(slope) > 0 for slope in cells[9].split(","))


def test_ratings_have_the_spread_and_noise_that_are_said(script):
    taught = script("taught_labels")
    measured = np.random.default_rng(0).standard_normal((5000, 4)) * [9, 1, 0.1, 0.2]
    weights = taught.hidden_weights(taught.RATERS["calm"], measured)
    assert (measured @ weights).std() == pytest.approx(1)
    assert weights[0] * 9 == pytest.approx(0.5 * weights[2] * 0.1, rel=0.1)
    points = taught.rate(measured, weights, 0)
    assert set(points) <= set(range(1, 8)) and points.mean() == pytest.approx(
        4, abs=0.1
    )
    left = points - 4 - (measured - measured.mean(axis=0)) @ weights
    # The noise, and the rounding to whole points.
    assert left.std() == pytest.approx((0.25 + 1 / 12) ** 0.5, abs=0.03)


def test_the_paper_of_figure_1_is_that_of_the_paper(script):
    film = script("film_against_cak")
    paper = config.build(config.load_file(config.find("paper")))
    for setting, factor in (("paper", 1), ("hot", 10), ("wide", 1)):
        own = film.settings_of("cak", setting, 0, 8, "")
        rates = ("learning_rate_generator", "learning_rate_critic")
        scaled = {rate: factor * paper.hparams[rate] for rate in rates}
        assert own.hparams == pytest.approx(paper.hparams | scaled)
        assert own.train.pairing == paper.train.pairing
        assert own.train.learning_rate_decay == paper.train.learning_rate_decay
        for field in ("audit", "request", "kernel_gain"):
            assert getattr(own.game, field) == getattr(paper.game, field)
    assert own.game.critic_widths == paper.game.critic_widths
    assert own.game.critic_steps == paper.game.critic_steps
    default = film.settings_of("cak", "relative", 0, 8, "")
    assert default.game.request == "gated"
    hot = film.settings_of("cak", "hot", 0, 8, "")
    assert hot.game.critic_widths == default.game.critic_widths
