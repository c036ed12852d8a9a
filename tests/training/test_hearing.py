"""The range and the knob of a heard game, measured on its training clips."""

import dataclasses
import doctest

import numpy as np
import pytest
from scipy import stats
from support.heard_game import settings_of

from cak_jax.data import batch
from cak_jax.effect.effect import Quality
from cak_jax.effect.quality import reader, target
from cak_jax.evaluation import heard
from cak_jax.model.quality_names import WORDS
from cak_jax.training import even_knob, hearing
from cak_jax.training.config import ConfigError
from cak_jax.training.run_corpus import prepare_corpus
from cak_jax.training.trainer import Trainer


@pytest.fixture(scope="module")
def settings():
    return settings_of()


@pytest.fixture(scope="module")
def corpus(settings):
    return prepare_corpus(settings)


def test_the_range_is_that_of_the_clips(settings, corpus):
    """Measured again with NumPy, at another window."""
    quality = hearing.request_of(settings, corpus).quality
    crops = hearing.training_crops(settings, corpus, hearing.CROPS)
    rate = settings.spectrogram.sample_rate
    values = [
        heard.measure(c[400:-400], rate, 1536)["spectral_flatness"] for c in crops
    ]
    expected = np.subtract(*np.percentile(values, [90, 10]))
    assert quality.range == pytest.approx(expected, rel=0.1)
    assert (quality.name, quality.unit) == ("spectral_flatness", "dB")


def test_less_of_it_has_the_sign_in_the_reader(settings, corpus):
    more = hearing.request_of(settings, corpus).quality
    less = dataclasses.replace(more, name="-spectral_flatness")
    weights = np.array(reader(less))
    assert weights[list(WORDS).index("spectral_flatness")] == pytest.approx(
        -1 / more.range
    )
    assert np.count_nonzero(weights) == 1


def test_the_trainer_asks_for_the_range(settings, corpus):
    counts = []
    trainer = Trainer(settings, corpus, progress=lambda *count: counts.append(count))
    crops = hearing.training_crops(settings, corpus, hearing.CROPS)
    total = len(crops)
    assert counts == [(done + 1, total, "hearing") for done in range(total)]
    expected = np.float32(reader(trainer.quality))
    np.testing.assert_array_equal(trainer.hparams.reader, expected)
    assert trainer.hparams.target == np.float32(target(trainer.quality))
    assert trainer.snapshot().quality == trainer.quality


def test_clips_that_are_all_alike_are_refused(settings, corpus):
    same = np.broadcast_to(corpus.audio[corpus.training[0]], corpus.audio.shape)
    content = np.broadcast_to(corpus.content[0], corpus.content.shape)
    one = dataclasses.replace(corpus, audio=same, content=content)
    one_crop = dataclasses.replace(
        settings, train=dataclasses.replace(settings.train, crop_frames=0)
    )
    with pytest.raises(ConfigError, match="the same spectral_flatness"):
        hearing.request_of(one_crop, one)
    silent = dataclasses.replace(corpus, audio=np.zeros_like(corpus.audio))
    with pytest.raises(ConfigError, match="pauses only"):
        hearing.request_of(settings, silent)


def test_crops_lie_within_the_clips(settings, corpus):
    crops = hearing.training_crops(settings, corpus, 2)
    frames, spectrogram = settings.train.crop_frames, settings.spectrogram
    assert crops.shape[1] == batch.crop_samples(frames, spectrogram)
    assert len(crops) <= 2 * len(corpus.training)


def test_the_knob_inverts_the_curve():
    assert doctest.testmod(even_knob).failed == 0
    curve = 1.2 * (1 - np.exp(-3 * even_knob.SHARES))
    reached, knob = even_knob.fit_knob(curve)
    measured = 1.2 * (1 - np.exp(-3 * np.array(knob)))
    assert reached == 1.0
    np.testing.assert_allclose(measured, even_knob.AMOUNTS, atol=0.02)


def test_full_turn_is_what_the_effect_reaches():
    """The curve turns back, so more of the pattern than its top is never used."""
    curve = 0.6 * np.sin(2 * even_knob.SHARES)
    reached, knob = even_knob.fit_knob(curve)
    assert reached == curve.max() and knob[-1] == pytest.approx(0.75, abs=1e-4)
    measured = 0.6 * np.sin(2 * np.array(knob))
    np.testing.assert_allclose(measured, reached * even_knob.AMOUNTS, atol=0.02)


@pytest.mark.parametrize(
    "curve",
    [
        0.5 * even_knob.SHARES / 2,
        0 * even_knob.SHARES,
        -even_knob.SHARES,
        np.sin(3 * even_knob.SHARES),
        100 * even_knob.SHARES,
    ],
)
def test_the_knob_rises_whatever_was_measured(curve):
    _, shares = even_knob.fit_knob(curve)
    knob = np.array(shares)
    assert knob[0] == 0 and (np.diff(knob) > 0).all() and knob[-1] <= 1


def test_full_turn_leads_beyond_the_mean_by_a_range(settings, corpus):
    more = hearing.request_of(settings, corpus).quality
    turned = dataclasses.replace(settings.corpus, labels="-spectral_flatness")
    settings_less = dataclasses.replace(settings, corpus=turned)
    less = hearing.request_of(settings_less, corpus).quality
    mean = more.target - more.range
    assert less.range == more.range and less.target is None
    assert even_knob.within_reach(less, 0.5, 1.0).target is None
    crops = hearing.training_crops(settings, corpus, hearing.CROPS)
    rate = settings.spectrogram.sample_rate
    flat = [heard.measure(c[400:-400], rate, 1536)["spectral_flatness"] for c in crops]
    assert mean == pytest.approx(np.mean(flat), abs=0.1 * more.range)


def test_what_goes_with_a_quality_is_asked_for_as_well(settings, corpus):
    """By a line through the crops, whose slope SciPy finds as well."""
    request = hearing.request_of(settings, corpus)
    along = request.quality.companions
    crops = hearing.training_crops(settings, corpus, hearing.CROPS)
    values = hearing.measure_crops(settings, crops)
    for place, name in enumerate(WORDS):
        line = stats.linregress(values[:, 0], values[:, place])
        goes = name != "spectral_flatness" and line.rvalue**2 >= hearing.LEAST_TRUST
        assert goes == (name in along)
        if not goes:
            assert request.trust[place] == 0
            continue
        assert along[name] == pytest.approx(line.slope * request.quality.range)
        span = np.subtract(*np.percentile(values[:, place], [90, 10]))
        assert request.trust[place] == pytest.approx(line.rvalue**2 / span)
    assert along
    asked = request.hparams()
    assert [along.get(name, 0.0) for name in WORDS] == asked["along"]
    nearer = even_knob.within_reach(request.quality, 0.5, 0.0)
    assert nearer.companions == {name: 0.5 * change for name, change in along.items()}


def test_without_a_direction_nothing_else_is_asked_for(settings, corpus):
    hparams = settings.hparams | {"weight_direction": 0.0}
    alone = hearing.request_of(dataclasses.replace(settings, hparams=hparams), corpus)
    assert alone.quality.companions is None and not alone.trust.any()


def test_the_target_lies_a_range_beyond_the_clips_that_the_knob_is_fitted_on():
    quality = Quality("warmth", "points", 4.0, {"attack": 2.0}, 0.7, target=9.0)
    nearer = even_knob.within_reach(quality, 0.25, 1.5)
    assert (nearer.range, nearer.target) == (1.0, 7.0)


def test_a_fitted_target_is_that_of_the_loudest_parts(settings, corpus):
    """Read again with NumPy; the effect changes hardly anything, so all of it stays."""
    trainer = Trainer(settings, corpus)
    snapshot = even_knob.with_knob(trainer.snapshot())
    quality, rate = snapshot.quality, settings.spectrogram.sample_rate
    flat = [
        heard.measure(corpus.audio[clip], rate, 1024)["spectral_flatness"]
        for clip in corpus.training
    ]
    assert quality.target - quality.range == pytest.approx(
        np.mean(flat), abs=0.1 * trainer.quality.range
    )
