"""A folder of sounds as training clips with labels and normalisation constants.

What was used, what was left out and why stands in the manifest. The prepared clips are
kept in a store on disk, memory-mapped, so that neither a long corpus nor a second run
costs memory or time.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cak_jax.audio.sound_file import guarded
from cak_jax.data import clip_store, clips, scan
from cak_jax.data.labels import make_labels
from cak_jax.data.manifest import describe, describe_files, describe_listing
from cak_jax.data.scan import CorpusError
from cak_jax.data.settings import CorpusSettings
from cak_jax.runtime import json_file
from cak_jax.runtime.text import printable

if TYPE_CHECKING:
    from cak_jax.model.spectrogram_settings import SpectrogramSettings

__all__ = ["Corpus", "CorpusError", "CorpusSettings"]
__all__ += ["corpus_from_clips", "draw_clips", "draw_corpus", "load_corpus"]

Progress = Callable[[int, int, str], None]
# Keeps the draw of clips apart from those of the batches, numbered by epoch.
CLIP_STREAM = 2**30


@dataclasses.dataclass
class Corpus:
    """Clips that are ready to train on, training clips first.

    Attributes:
      audio: `[clip, sample]` float32, faded, memory-mapped or in memory.
      content: `[clip, 2]` int32, first and last + 1 sample that is not padding.
      labels: `[clip]` float32 in [0, 1].
      held_out: `[clip]` bool.
      names: per clip, "relative/path.wav @ 15.0 s".
      low, high: normalisation constants, of the training clips.
      sha256: of the samples, the labels, the split and the settings.
      manifest: what `corpus.json` holds.
      drawn: `[clip]` bool, the training clips in use; None where all are.
    """

    audio: np.ndarray
    content: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    names: tuple[str, ...]
    low: float
    high: float
    sha256: str
    manifest: dict
    drawn: np.ndarray | None = None

    @property
    def training(self) -> np.ndarray:
        """Indices of the clips to train on."""
        return np.flatnonzero(~self.held_out if self.drawn is None else self.drawn)

    @property
    def evaluation(self) -> np.ndarray:
        """Indices of the held-out clips; of the training clips if there are none."""
        return np.flatnonzero(self.held_out) if self.held_out.any() else self.training


def load_corpus(
    settings: CorpusSettings,
    spectrogram: "SpectrogramSettings",
    alpha: float,
    progress: Progress | None = None,
) -> Corpus:
    """Prepare a folder, or open what an earlier call prepared.

    Args:
      settings: which folder, and how.
      spectrogram: its sample rate is the clips'; the rest is for the constants.
      alpha: gain before the logarithm.
      progress: called as `progress(done, total, what)`.

    Raises:
      CorpusError: nothing usable, or a setting that cannot work.
      LabelError: the labels cannot be had.
    """
    progress = progress or _silent
    folder = os.path.expanduser(settings.path)
    listing = scan.scan(folder)
    cache = clip_store.cache_folder(settings.cache)
    shape = clips.Shape(
        max(1, round(settings.seconds * spectrogram.sample_rate)),
        spectrogram.sample_rate,
        round(settings.fade_seconds * spectrogram.sample_rate),
        settings.short,
    )
    with guarded():
        sources = _probe(folder, listing, cache, progress)
        cuts = _plan(sources, settings, shape)
        prepared = clip_store.prepare(cuts, shape, cache, progress)
    listing.left_out += [tuple(pair) for pair in prepared.content["left_out"]]
    for cut in cuts:
        if not cut.starts:
            limit = settings.max_held_out if cut.held_out else settings.max_clips
            reason = f"not needed: the limit of {limit} clips is reached"
            listing.left_out.append((cut.source.name, reason))
    records = prepared.content["clips"]
    if not records:
        raise CorpusError(scan.nothing_usable(folder, listing))
    corpus = _assemble(
        prepared.audio, records, settings, spectrogram, alpha, progress, prepared.folder
    )
    corpus.manifest |= describe_files(
        records, corpus, {s.name: s for s in sources}, prepared.content["notes"]
    )
    name = os.path.basename(os.path.abspath(folder))
    corpus.manifest |= {"path_name": printable(name), **describe_listing(listing)}
    return corpus


def corpus_from_clips(
    audio: np.ndarray,
    names: Sequence[str],
    content: np.ndarray,
    settings: CorpusSettings,
    spectrogram: "SpectrogramSettings",
    alpha: float,
    group: Sequence | None = None,
) -> Corpus:
    """Make a corpus of clips in memory: fades, split, labels and constants alike.

    Args:
      audio: `[clip, sample]` float32, not faded yet; all clips are used, in order.
      names: one per clip.
      content: `[clip, 2]`, first and last + 1 sample that is not padding.
      settings: `path`, `clip`, `seconds`, `short`, `max_*` and `cache` do not matter.
      spectrogram, alpha: as for `load_corpus`.
      group: per clip what stands for its file; the split does not cut a group.
        Default: every clip for itself.

    Raises:
      ValueError: shapes that do not fit.
      LabelError: the labels cannot be had.
    """
    count = len(names)
    if audio.ndim != 2 or len(audio) != count or np.shape(content) != (count, 2):
        raise ValueError(
            f"audio must be [clip, sample] and content [clip, 2] for {count} names, "
            f"got {audio.shape} and {np.shape(content)}"
        )
    fade = round(settings.fade_seconds * spectrogram.sample_rate)
    gain = clips.fade_gain(audio.shape[1], fade)
    audio = np.stack([clip * gain for clip in audio.astype(np.float32, copy=False)])
    records = [
        {"file": name, "start": 0.0, "content": [int(c) for c in own]}
        | clip_store.summary(clip)
        for name, own, clip in zip(names, content, audio, strict=True)
    ]
    _split(records, list(range(count)) if group is None else list(group), settings)
    corpus = _assemble(audio, records, settings, spectrogram, alpha, _silent)
    corpus.manifest |= describe_files(records, corpus, {}, {})
    return corpus


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


def draw_corpus(
    corpus: Corpus,
    count: int,
    seed: int,
    spectrogram: "SpectrogramSettings",
    alpha: float,
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
    from cak_jax.data import statistics

    chosen = draw_clips(corpus.training, count, seed)
    if len(chosen) == len(corpus.training):
        return corpus
    peak = max(float(np.abs(corpus.audio[clip]).max()) for clip in chosen)
    everything = np.ones(len(chosen), bool)
    rows = _Rows(corpus.audio, chosen)
    found = statistics.measure(rows, everything, peak, spectrogram, alpha, _silent)
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


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Some rows of an array, read one at a time."""

    audio: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.audio[self.rows[index]]


def _silent(done: int, total: int, what: str) -> None:
    del done, total, what


def _probe(folder: str, listing, cache: str, progress: Progress) -> list[scan.Source]:
    """Probe what was listed, remembering hashes from run to run."""
    real = os.fsencode(os.path.realpath(folder))
    path = os.path.join(
        cache,
        f"files-{hashlib.sha256(real).hexdigest()[:32]}-{clip_store.VERSION}.json",
    )
    known = json_file.read_sealed(path) or {}
    before = dict(known)
    sources, unusable = scan.probe(folder, listing.names, known, progress)
    listing.left_out += unusable
    if not sources:
        raise CorpusError(scan.nothing_usable(folder, listing))
    if known != before:
        clip_store.save_note(path, known)
    return sources


def _plan(sources, settings: CorpusSettings, shape: clips.Shape) -> list[clips.Cut]:
    """Split by file and choose clips; training first."""
    ordered = clips.order(sources, settings.seed)
    kept = clips.held_out_count(len(ordered), settings.held_out)
    seconds = shape.samples / shape.sample_rate
    training = clips.plan(
        ordered[kept:], settings.clip, seconds, settings.max_clips, held_out=False
    )
    return training + clips.plan(
        ordered[:kept], settings.clip, seconds, settings.max_held_out, held_out=True
    )


def _split(records: list[dict], group: list, settings: CorpusSettings) -> None:
    """Mark whole groups as held out, by the same rule as files."""
    members: dict = {}
    for record, own in zip(records, group, strict=True):
        members.setdefault(own, []).append(record)
    hashes = {
        own: json_file.digest([record["sha256"] for record in those])
        for own, those in members.items()
    }
    ordered = sorted(
        members, key=lambda own: clips.order_key(settings.seed, hashes[own])
    )
    kept = set(ordered[: clips.held_out_count(len(ordered), settings.held_out)])
    for record, own in zip(records, group, strict=True):
        record["held_out"] = own in kept


def _assemble(
    audio, records, settings, spectrogram, alpha, progress, folder=""
) -> Corpus:
    """Measure and label clips that are ready, and hash the outcome."""
    held_out = np.array([record["held_out"] for record in records])
    if held_out.all():
        held_out[:] = False
    found = _statistics(audio, records, ~held_out, spectrogram, alpha, progress, folder)
    files = [record["file"] for record in records]
    labels, source = make_labels(
        settings.labels, settings.label_column, files, found.descriptors, settings.seed
    )
    content = np.array([record["content"] for record in records], np.int32)
    what = {
        "clips": [record["sha256"] for record in records],
        "content": content.tolist(),
        "held_out": held_out.tolist(),
        "labels": hashlib.sha256(labels.astype("<f4").tobytes()).hexdigest(),
        "seconds": settings.seconds,
        "spectrogram": dataclasses.asdict(spectrogram),
        "alpha": float(alpha),
    }
    names = tuple(f"{record['file']} @ {record['start']:.1f} s" for record in records)
    corpus = Corpus(
        audio,
        content,
        labels,
        held_out,
        names,
        found.low,
        found.high,
        json_file.digest(what),
        {},
    )
    corpus.manifest = describe(corpus, settings.seconds, settings.held_out, source)
    return corpus


def _statistics(audio, records, training, spectrogram, alpha, progress, folder):
    """Measure, or read what an earlier run measured of the same store."""
    # Here, since it brings JAX: what only looks for errors should stay quick.
    from cak_jax.data import statistics

    what = dataclasses.asdict(spectrogram) | {"alpha": float(alpha)}
    what["version"] = clip_store.VERSION
    path = os.path.join(folder, f"statistics-{json_file.digest(what)[:16]}.json")
    known = json_file.read_sealed(path) if folder else None
    if known is not None:
        return statistics.Statistics(**known)
    pairs = zip(records, training, strict=True)
    peak = max(record["peak"] for record, is_training in pairs if is_training)
    found = statistics.measure(audio, training, peak, spectrogram, alpha, progress)
    if folder:
        clip_store.save_note(path, dataclasses.asdict(found))
    return found
