"""Ratings are read from the sound, or refused; the game asks for what is read."""

import csv
import dataclasses

import numpy as np
import pytest
from support.heard_game import config_of, settings_of

from cak_jax.data.labels import Ratings
from cak_jax.effect.effect import Quality
from cak_jax.effect.quality import measurable, reader
from cak_jax.evaluation import heard
from cak_jax.training import hearing, taught
from cak_jax.training.config import ConfigError
from cak_jax.training.run_corpus import files_of, prepare_corpus
from cak_jax.training.trainer import Trainer

# Points per unit of each quality: what a person hears without knowing.
HIDDEN = np.array([0.1, -1.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def settings():
    return settings_of(**{"corpus.synthetic_clips": 30})


@pytest.fixture(scope="module")
def corpus(settings):
    return prepare_corpus(settings)


@pytest.fixture(scope="module")
def opinions(settings, corpus):
    """Ratings of all clips by the hidden mix, measured with NumPy."""
    rate = settings.spectrogram.sample_rate
    measured = [list(heard.measure(c, rate, 1024).values()) for c in corpus.audio]
    return 5 + np.array(measured) @ HIDDEN


def rated(corpus, values, name="warmth"):
    return dataclasses.replace(corpus, ratings=Ratings(name, np.asarray(values)))


def test_a_hidden_mix_is_recovered(settings, corpus, opinions):
    generator = np.random.default_rng(0)
    noisy = opinions + 0.1 * opinions.std() * generator.standard_normal(len(opinions))
    quality = hearing.request_of(settings, rated(corpus, noisy)).quality
    assert (quality.name, quality.unit) == ("warmth", "points")
    assert 0.8 < quality.r2 < 1
    assert measurable(quality)
    crops, clips = hearing.crops_of_clips(settings, corpus, hearing.RATED)
    rate = settings.spectrogram.sample_rate
    values = np.array([list(heard.measure(c, rate, 1024).values()) for c in crops])
    read, hidden = values @ list(quality.reader.values()), values @ HIDDEN
    assert np.corrcoef(read, hidden)[0, 1] > 0.97
    whole = [hidden[clips == clip].mean() for clip in np.unique(clips)]
    expected = np.subtract(*np.percentile(whole, [90, 10]))
    assert quality.range == pytest.approx(expected, rel=0.15)
    # In units of the range.
    np.testing.assert_allclose(
        reader(quality), np.array(list(quality.reader.values())) / quality.range
    )


def test_exact_ratings_give_the_exact_weights():
    generator = np.random.default_rng(1)
    features = generator.standard_normal((60, 4)) * [10, 0.5, 0.2, 0.1]
    weights = np.array([0.3, -2.0, 0.0, 5.0])
    files = [str(i // 3) for i in range(60)]
    reading = taught.fit_reader(features, 7 + features @ weights, files)
    np.testing.assert_allclose(reading.weights, weights, atol=2e-3)
    assert reading.r2 > 0.999 and reading.files == 20


def test_files_are_unseen_as_a_whole():
    """Clips of a file are alike, so that a leak between folds would look like skill."""
    generator = np.random.default_rng(2)
    features = np.repeat(generator.standard_normal((10, 4)), 8, axis=0)
    ratings = np.repeat(generator.standard_normal(10), 8)
    files = [str(i // 8) for i in range(80)]
    assert taught.fit_reader(features, ratings, files).r2 < 0.2
    single = taught.fit_reader(features, np.arange(80.0), ["a"] * 80)
    assert single.files == 1 and np.isnan(single.r2)


def test_random_ratings_are_refused_unless_asked(settings, corpus):
    values = np.random.default_rng(3).uniform(1, 7, len(corpus.names))
    random = rated(corpus, values)
    with pytest.raises(ConfigError) as caught:
        hearing.request_of(settings, random)
    message = str(caught.value)
    assert message.startswith('corpus.labels: "warmth" cannot be read from the sound')
    assert "corpus.unread_labels=train" in message and "\n" not in message
    going_on = dataclasses.replace(settings, unread_labels="train")
    quality = Trainer(going_on, random).quality
    assert quality.r2 < taught.LEAST_R2 and quality.range > 0
    assert "it cannot be read" in taught.sentence(quality)


def test_few_files_are_refused_unless_asked(settings, corpus, opinions):
    first = [f"file {i % 5} @ {i}.0 s" for i in range(len(corpus.names))]
    few = dataclasses.replace(rated(corpus, opinions), names=tuple(first))
    with pytest.raises(
        ConfigError, match=r"^corpus\.labels: 5 rated files .* are too few"
    ):
        hearing.request_of(settings, few)
    going_on = dataclasses.replace(settings, unread_labels="train")
    assert hearing.request_of(going_on, few).quality.reader is not None
    one = dataclasses.replace(few, names=tuple("a @ 0.0 s" for _ in corpus.names))
    with pytest.raises(ConfigError, match=r"1 rated files .* rate 8 or more"):
        hearing.request_of(settings, one)
    assert hearing.request_of(going_on, one).quality.r2 is None


@pytest.mark.parametrize("value", [3.0, 0.0, -1e-9])
def test_equal_ratings_are_refused_always(settings, corpus, value):
    same = rated(corpus, np.full(len(corpus.names), value))
    going_on = dataclasses.replace(settings, unread_labels="train")
    for chosen in (settings, going_on):
        with pytest.raises(ConfigError, match='all ratings of "warmth" are'):
            hearing.request_of(chosen, same)


def test_a_column_may_have_any_name(settings, corpus, opinions):
    for name, shown in (
        ("attack", "attack"),
        ("-more", "-more"),
        ("a\nb", "a\\nb"),
        ("", "rating"),
        ("x" * 500, "x" * taught.NAME_CHARACTERS),
    ):
        quality = hearing.request_of(settings, rated(corpus, opinions, name)).quality
        assert quality.name == shown
        assert Trainer(settings, rated(corpus, opinions, name)).snapshot().effect()


@pytest.mark.slow
def test_a_run_on_a_table_keeps_what_it_read(tmp_path, settings, corpus, opinions):
    """From a table to effect, evaluation and report."""
    from cak_jax.effect.effect import load_effect
    from cak_jax.runtime import json_file
    from cak_jax.training.run import run

    table = tmp_path / "ratings.csv"
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "warmth"])
        files = files_of(corpus, np.arange(len(corpus.names)))
        writer.writerows(zip(files, 100 * opinions, strict=True))
    config = config_of(
        **{"corpus.synthetic_clips": 30, "corpus.labels": str(table)},
        **{"train.epochs": 1},
    )
    folder = run(config, str(tmp_path / "run"))
    effect = load_effect(folder / "effect.json")
    quality = effect.quality
    assert quality.name == "warmth" and quality.r2 > 0.8 and len(quality.reader) == 4
    # The person's own units.
    direct = hearing.request_of(settings, rated(corpus, 100 * opinions)).quality
    assert quality.range == pytest.approx(direct.range, rel=1e-4)
    measured = json_file.read(folder / "evaluation.json")["heard"]["quality"]
    assert measured["r2"] == quality.r2 and measured["reader"] == quality.reader
    page = (folder / "report.html").read_text("utf-8")
    assert "is read from the sound with R2" in page
    assert effect.provenance["config"]["corpus.labels"] == table.name


def test_the_sentence_is_about_taught_qualities():
    with pytest.raises(ValueError, match="attack is not taught"):
        taught.sentence(Quality("attack", "natural log", 1.0))
    text = taught.sentence(
        Quality("warmth", "points", 1.5, {"spectral_centroid": -2.0}, 0.61)
    )
    assert text == (
        '"warmth" is read from the sound with R2 0.61 on unseen files; full turn asks '
        "for +1.5 points (-2 per octaves of spectral_centroid)"
    )


def test_unrated_files_are_trained_on_and_not_read(settings, corpus, opinions):
    """The reader is that of the rated files alone; the range is that of all."""
    some = opinions.copy()
    some[corpus.training[::3]] = np.nan
    quality = hearing.request_of(settings, rated(corpus, some)).quality
    crops, clips = hearing.crops_of_clips(settings, corpus, hearing.RATED)
    measured = hearing.measure_crops(settings, crops)
    known = [clip for clip in corpus.training if np.isfinite(some[clip])]
    features = np.stack([measured[clips == clip].mean(axis=0) for clip in known])
    alone = taught.fit_reader(features, some[known], files_of(corpus, known))
    np.testing.assert_allclose(list(quality.reader.values()), alone.weights, rtol=1e-5)
    whole = [measured[clips == clip].mean(axis=0) for clip in corpus.training]
    span = np.subtract(*np.percentile(whole @ alone.weights, [90, 10]))
    assert quality.range == pytest.approx(span, rel=1e-5)
    training = corpus.training
    ratings = Ratings("warmth", some)
    line = taught.coverage(ratings, training, files_of(corpus, training))
    assert line.startswith(f"{len(known)} of {len(training)} files to train on are")
    ratings = Ratings("warmth", opinions)
    assert taught.coverage(ratings, training, files_of(corpus, training)) == ""


def test_games_that_use_the_labels_need_all(settings, corpus, opinions):
    some = opinions.copy()
    some[0] = np.nan
    game = dataclasses.replace(settings.game, audit="relative")
    other = dataclasses.replace(settings, game=game)
    assert hearing.request_of(other, rated(corpus, opinions)) is None
    with pytest.raises(ConfigError, match="some files have no label"):
        hearing.request_of(other, rated(corpus, some))
    assert settings.corpus.partial_labels
    none = np.full(len(opinions), np.nan)
    none[corpus.evaluation] = 1.0
    with pytest.raises(ConfigError, match="all rated files are held out"):
        hearing.request_of(settings, rated(corpus, none))
