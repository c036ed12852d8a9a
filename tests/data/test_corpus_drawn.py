"""Fewer clips of one corpus: nested draws, constants of those alone, one resident."""

import numpy as np
import pytest
from support.sounds import ALPHA, RATE, SPECTROGRAM, grain

from cak_jax.data.corpus import corpus_from_clips, draw_clips, draw_corpus
from cak_jax.data.scan import CorpusError
from cak_jax.data.settings import CorpusSettings

SETTINGS = CorpusSettings("", fade_seconds=0.0, held_out=0.25)


def made(indices):
    """A corpus of clips whose loudness differs widely."""
    clips = [grain(index) * 10 ** (-index % 5) for index in indices]
    content = np.tile(np.int32([0, RATE]), (len(clips), 1))
    names = [f"{index}" for index in indices]
    return corpus_from_clips(
        np.stack(clips), names, content, SETTINGS, SPECTROGRAM, ALPHA
    )


@pytest.fixture(scope="module")
def whole():
    return made(range(12))


def test_fewer_are_among_more():
    training = np.arange(3, 40)
    for seed in range(5):
        before = set()
        for count in (1, 5, 17, 36):
            drawn = draw_clips(training, count, seed)
            assert len(drawn) == count == len(set(drawn))
            assert np.all(np.diff(drawn) > 0) and before <= set(drawn.tolist())
            before = set(drawn.tolist())
        np.testing.assert_array_equal(drawn, draw_clips(training, count, seed))
    draws = [tuple(draw_clips(training, 5, seed)) for seed in range(5)]
    assert len(set(draws)) == 5


def test_every_clip_is_drawn_as_often():
    counts = np.zeros(10)
    for seed in range(1000):
        counts[draw_clips(np.arange(10), 3, seed)] += 1
    # Binomial, p 0.3: five standard deviations.
    assert np.all(np.abs(counts - 300) < 5 * np.sqrt(1000 * 0.3 * 0.7))


def test_all_of_them_is_the_corpus_itself(whole):
    count = len(whole.training)
    for own in (0, count):
        assert draw_corpus(whole, own, 3, SPECTROGRAM, ALPHA) is whole


def test_a_draw_shares_samples_and_keeps_what_is_held_out(whole):
    drawn = draw_corpus(whole, 4, 1, SPECTROGRAM, ALPHA)
    assert drawn.audio is whole.audio and drawn.names == whole.names
    assert len(drawn.training) == 4 and set(drawn.training) < set(whole.training)
    np.testing.assert_array_equal(drawn.evaluation, whole.evaluation)
    np.testing.assert_array_equal(drawn.labels, whole.labels)
    assert drawn.sha256 != whole.sha256
    other = draw_corpus(whole, 4, 2, SPECTROGRAM, ALPHA)
    assert other.sha256 != drawn.sha256
    names = [whole.names[clip] for clip in drawn.training]
    assert drawn.manifest["training_clips_drawn"] == names
    assert drawn.manifest["sha256"] == drawn.sha256


def test_constants_are_those_of_the_drawn_clips_alone(whole):
    drawn = draw_corpus(whole, 3, 0, SPECTROGRAM, ALPHA)
    alone = corpus_from_clips(
        whole.audio[drawn.training],
        [whole.names[clip] for clip in drawn.training],
        whole.content[drawn.training],
        CorpusSettings("", fade_seconds=0.0, held_out=0.0),
        SPECTROGRAM,
        ALPHA,
    )
    assert (drawn.low, drawn.high) == (alone.low, alone.high)
    assert drawn.high != whole.high


def test_more_than_there_are_is_refused(whole):
    with pytest.raises(CorpusError, match=r"^train\.clips: 13 is more than the 9 "):
        draw_corpus(whole, 13, 0, SPECTROGRAM, ALPHA)
