"""Fewer of a corpus's clips, without preparing the corpus again."""

import dataclasses

import numpy as np

from cak_jax.data import statistics
from cak_jax.data.corpus import Corpus, CorpusError
from cak_jax.runtime import json_file

# Keeps this draw apart from those of the batches, numbered by epoch.
CLIP_STREAM = 2**30


def draw_clips(training: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw `count` of the training clips, in their order.

    The clips of a smaller count are among those of a larger one of the same seed.

    Args:
      training: indices `[clip]`.
      count: 0 for all of them.
      seed: the draw is a function of it.

    Raises:
      CorpusError: for more clips than there are.
    """
    if count > len(training):
        raise CorpusError(
            f"train.clips: {count} is more than the {len(training)} training clips of "
            "the corpus; make it smaller, or add sounds or corpus.max_clips"
        )
    if count in (0, len(training)):
        return training
    order = np.random.default_rng((seed, CLIP_STREAM)).permutation(len(training))
    return np.sort(training[order[:count]])


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Some rows of an array, read one at a time."""

    audio: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.audio[self.rows[index]]


def draw_corpus(
    corpus: Corpus, count: int, seed: int, spectrogram, alpha: float
) -> Corpus:
    """Return a corpus of some of the training clips and all held-out ones.

    The samples are shared. Each clip keeps its label; the constants of the
    normalisation are those of the clips that were drawn, as if there were no others.

    Args:
      corpus: that is drawn from.
      count, seed: as for `draw_clips`.
      spectrogram, alpha: of the constants.

    Raises:
      CorpusError: for more clips than there are.
    """
    chosen = draw_clips(corpus.training, count, seed)
    if len(chosen) == len(corpus.training):
        return corpus
    peak = max(float(np.abs(corpus.audio[clip]).max()) for clip in chosen)
    everything = np.ones(len(chosen), bool)
    rows = _Rows(corpus.audio, chosen)
    found = statistics.measure(
        rows, everything, peak, spectrogram, alpha, lambda *progress: None
    )
    drawn = np.isin(np.arange(len(corpus.names)), chosen)
    sha256 = json_file.digest([corpus.sha256, chosen.tolist()])
    manifest = corpus.manifest | {
        "training_clips_drawn": [corpus.names[clip] for clip in chosen],
        "low": found.low,
        "high": found.high,
        "sha256": sha256,
    }
    return dataclasses.replace(
        corpus,
        drawn=drawn,
        low=found.low,
        high=found.high,
        sha256=sha256,
        manifest=manifest,
    )
