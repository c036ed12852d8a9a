"""The study of how many ratings are needed: its raters, readers and table."""

import importlib
import pathlib

import numpy as np
import pytest
from support.sounds import grain, put

EXPERIMENTS = pathlib.Path(__file__).parent.parent.parent / "experiments"


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(EXPERIMENTS)
    module = importlib.import_module("rating_count")
    monkeypatch.setattr(module, "DRAWS", 3)
    return module


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(60, 4))


def test_a_rater_without_noise_is_read(study, features):
    """Rounding is all that is left; pairs lack nothing but the scale."""
    generator = np.random.default_rng(1)
    mix = study.hidden_mix(features, generator)
    assert (mix.mean(), mix.std()) == pytest.approx((4.5, 2.0))
    files, others = np.arange(45), np.arange(45, 60)
    given = study.rate_singly(files, mix, (8, 40, 80), 0.0, generator)
    assert list(given) == [8, 40] and list(given[8]) == list(range(8))
    expected = np.clip(np.rint(mix[:40]), 0, 9)
    np.testing.assert_array_equal(list(given[40].values()), expected)
    correlation, r2, refused = study.judge(features, mix, given[40], others)
    assert correlation > 0.99 and r2 > 0.97 and not refused
    given = study.compare(files, mix, (8, 80), 0.0, generator)
    correlation, _, refused = study.judge(features, mix, given[80], others)
    assert correlation > 0.9 and not refused


def test_equal_ratings_teach_nothing(study, features):
    mix = study.hidden_mix(features, np.random.default_rng(1))
    assert study.judge(features, mix, {0: 5.0, 1: 5.0}, [2, 3]) == (0, 0, 1)


def test_the_table_has_every_count_that_the_folder_allows(study, features):
    rows = study.rows_of(features[:40], "small")
    assert [row[:3] for row in rows] == [
        ["small", noise, kind]
        for noise in study.NOISES
        for kind in ("ratings", "pairs")
    ]
    assert study.COUNTS[:4] == (8, 15, 25, 40)
    for row in rows:
        cells = row[3:]
        assert all(cells[:3]) and len(cells) == len(study.COUNTS)
        # 30 files are judged, in at most 30 ratings and 435 comparisons.
        assert any(cells[3:]) is all(cells[3:]) is (row[2] == "pairs")


def test_a_cell_sums_the_raters_up(study):
    results = [(0.5, 0.2, 1.0), (0.9, 0.8, 0.0)]
    assert study.summary(results) == "0.70 (0.54), 0.50, 50%"
    assert study.summary(None) == ""


def test_the_study_of_a_folder(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for index in range(12):
        put(tmp_path / "sounds", f"{index}.wav", grain(index, 1.5, 44100), 44100)
    study.main(str(tmp_path / "sounds"))
    lines = capsys.readouterr().out.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("| folder"))
    assert len(lines) == head + 2 + 2 * 2
    assert all(line.startswith("| sounds, 12 files |") for line in lines[head + 2 :])
