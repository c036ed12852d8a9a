"""A folder of sounds as training clips with labels and normalisation constants."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cak_jax.audio.isolated_decoding.pool import guarded
from cak_jax.data import clip_store, clips, descriptors, scan, sound_zip, statistics
from cak_jax.data.clip_store import Store
from cak_jax.data.labels import Ratings, make_labels
from cak_jax.data.manifest import describe
from cak_jax.data.scan import CorpusError, Progress, no_progress
from cak_jax.data.settings import CorpusSettings, corpus_name
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.runtime import json_file

# Part of the seed; no epoch, which is part of the seed of a batch, has this number.
CLIP_STREAM = 2**30


@dataclasses.dataclass
class Corpus:
    """Clips that are ready for training, training clips first.

    Attributes:
      audio: `[clip, sample]` float32, faded, memory-mapped or in memory.
      content: `[clip, 2]` int32, first and last + 1 sample that is not padding.
      labels: `[clip]` float32 in [0, 1].
      held_out: `[clip]` bool.
      names: of each clip, such as "relative/path.wav @ 15.0 s".
      low, high: normalisation constants of the training clips.
      sha256: of the samples, the labels, the split and the settings.
      manifest: the content of `corpus.json`.
      drawn: `[clip]` bool, the training clips in use; None for all.
      ratings: the labels of a table in its own units; None without a table.
    """

    audio: np.ndarray
    content: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    names: tuple[str, ...]
    low: float
    high: float
    sha256: str
    manifest: dict[str, Any]
    drawn: np.ndarray | None = None
    ratings: Ratings | None = None

    @property
    def training(self) -> np.ndarray:
        """Return the indices of the clips to train on."""
        return np.flatnonzero(~self.held_out if self.drawn is None else self.drawn)

    @property
    def evaluation(self) -> np.ndarray:
        """Return the indices of the held-out clips; without any, the training clips."""
        return np.flatnonzero(self.held_out) if self.held_out.any() else self.training


def load_corpus(
    settings: CorpusSettings,
    spectrogram: SpectrogramSettings,
    alpha: float,
    progress: Progress = no_progress,
) -> Corpus:
    """Prepare the corpus of a folder, or open it if it was prepared before.

    Args:
      settings: the folder, and how it becomes a corpus.
      spectrogram: the clips get its sample rate; the constants are of its magnitudes.
      alpha: gain before the logarithm.
      progress: of the stages "reading", "decoding" and "measuring".

    Raises:
      CorpusError: the folder has no usable sound, or a setting does not fit it.
      LabelError: the labels cannot be made.
    """
    folder = os.path.expanduser(settings.path)
    cache = clip_store.cache_folder(settings.cache)
    try:
        listing = scan.scan(sound_zip.folder_of(folder, cache))
    except sound_zip.ZipError as error:
        raise CorpusError(f"corpus.path: {error}") from None
    shape = clips.Shape(
        max(1, round(settings.seconds * spectrogram.sample_rate)),
        spectrogram.sample_rate,
        round(settings.fade_seconds * spectrogram.sample_rate),
        settings.short,
    )
    with guarded():
        sources = _probe(listing, cache, progress)
        cuts = clips.plan(sources, settings, shape.seconds)
        store = clip_store.prepare(cuts, shape, cache, progress)
    listing.left_out += map(tuple, store.content["left_out"])
    for cut in cuts:
        if not cut.starts:
            limit = settings.max_held_out if cut.held_out else settings.max_clips
            reason = f"not needed: the limit of {limit} clips is reached"
            listing.left_out.append((cut.source.name, reason))
    if not store.content["clips"]:
        raise CorpusError(scan.nothing_usable(folder, listing))
    by_name = {source.name: source for source in sources}
    corpus = _assemble(store, by_name, settings, spectrogram, alpha, progress)
    corpus.manifest |= {
        "path_name": corpus_name(folder),
        "left_out": [{"file": n, "reason": r} for n, r in sorted(listing.left_out)],
        "ignored": dict(sorted(listing.ignored.items())),
    }
    return corpus


def corpus_from_clips(
    audio: np.ndarray,
    names: Sequence[str],
    content: np.ndarray,
    settings: CorpusSettings,
    spectrogram: SpectrogramSettings,
    alpha: float,
    progress: Progress = no_progress,
) -> Corpus:
    """Make a corpus of clips in memory, with fades, split, labels and constants.

    Args:
      audio: `[clip, sample]` float32, not faded yet; all clips are used, in order.
      names: of each clip.
      content: `[clip, 2]`, first and last + 1 sample that is not padding.
      settings: `path`, `clip`, `seconds`, `short`, `max_*` and `cache` are not used.
      spectrogram, alpha: as for `load_corpus`.
      progress: of the stage "measuring".

    Raises:
      ValueError: the shapes do not fit.
      LabelError: the labels cannot be made.
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
        {"file": name, "start": 0.0, "content": span} | clip_store.summary(clip)
        for name, span, clip in zip(names, content, audio, strict=True)
    ]
    # The split follows the same rule as that of files.
    keys = [
        clips.order_key(settings.seed, json_file.digest([record["sha256"]]))
        for record in records
    ]
    ordered = sorted(range(count), key=keys.__getitem__)
    kept = ordered[: clips.held_out_count(count, settings.held_out)]
    for number, record in enumerate(records):
        record["held_out"] = number in kept
    store = Store("", audio, {"clips": records, "notes": {}})
    return _assemble(store, {}, settings, spectrogram, alpha, progress)


def draw_clips(training: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw `count` of the training clips `[clip]`, in their order; 0 for all.

    With the same seed, a larger draw contains the smaller one.

    Raises:
      CorpusError: `count` is larger than the number of clips.
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
    spectrogram: SpectrogramSettings,
    alpha: float,
) -> Corpus:
    """Return a corpus of some of the training clips and all held-out ones.

    The samples are shared, and each clip keeps its label. The normalisation constants
    are measured on the drawn clips alone. `count` and `seed` are those of `draw_clips`.

    Raises:
      CorpusError: `count` is larger than the number of training clips.
    """
    chosen = draw_clips(corpus.training, count, seed)
    if len(chosen) == len(corpus.training):
        return corpus
    peak = max(float(np.abs(corpus.audio[clip]).max()) for clip in chosen)
    measured = statistics.measure(
        lambda index: corpus.audio[chosen[index]],
        np.ones(len(chosen), bool),
        peak,
        spectrogram,
        alpha,
        no_progress,
    )
    changed: dict[str, Any] = {
        "low": measured.low,
        "high": measured.high,
        "sha256": json_file.digest([corpus.sha256, chosen.tolist()]),
    }
    names = [corpus.names[clip] for clip in chosen]
    manifest = corpus.manifest | {"training_clips_drawn": names} | changed
    drawn = np.isin(np.arange(len(corpus.names)), chosen)
    return dataclasses.replace(corpus, drawn=drawn, manifest=manifest, **changed)


def _probe(listing: scan.Listing, cache: str, progress: Progress) -> list[scan.Source]:
    """Probe the listed files; the cache keeps their hashes for the next run."""
    folder = listing.folder
    real = os.fsencode(os.path.realpath(folder))
    key = f"{hashlib.sha256(real).hexdigest()[:32]}-{clip_store.VERSION}"
    path = os.path.join(cache, f"files-{key}.json")
    known = json_file.read_sealed(path) or {}
    before = dict(known)
    sources, unusable = scan.probe(folder, listing.names, known, progress)
    listing.left_out += unusable
    if not sources:
        raise CorpusError(scan.nothing_usable(folder, listing))
    if known != before:
        clip_store.save_note(path, known)
    return sources


def _assemble(
    store: Store,
    sources: Mapping[str, scan.Source],
    settings: CorpusSettings,
    spectrogram: SpectrogramSettings,
    alpha: float,
    progress: Progress,
) -> Corpus:
    """Measure, label, hash and describe the clips of a corpus."""
    records = store.content["clips"]
    held_out = np.array([record["held_out"] for record in records])
    if held_out.all():
        held_out[:] = False
    measured = _statistics(store, ~held_out, spectrogram, alpha, progress)
    files = [record["file"] for record in records]
    source, column = settings.labels, settings.label_column
    labels, origin, ratings = make_labels(
        source,
        column,
        files,
        measured.descriptors,
        settings.seed,
        partial=settings.partial_labels,
    )
    content = np.array([record["content"] for record in records], np.int32)
    hashed = {
        "clips": [record["sha256"] for record in records],
        "content": content.tolist(),
        "held_out": held_out.tolist(),
        "labels": hashlib.sha256(labels.astype("<f4").tobytes()).hexdigest(),
        "seconds": settings.seconds,
        "spectrogram": dataclasses.asdict(spectrogram),
        "alpha": float(alpha),
    }
    corpus = Corpus(
        audio=store.audio,
        content=content,
        labels=labels,
        held_out=held_out,
        names=tuple(f"{clip['file']} @ {clip['start']:.1f} s" for clip in records),
        low=measured.low,
        high=measured.high,
        sha256=json_file.digest(hashed),
        manifest={},
        ratings=ratings,
    )
    corpus.manifest = describe(corpus, origin, store, sources, settings)
    return corpus


def _statistics(
    store: Store,
    training: np.ndarray,
    spectrogram: SpectrogramSettings,
    alpha: float,
    progress: Progress,
) -> statistics.Statistics:
    """Measure the clips, or read what an earlier run measured of the same store."""
    key = dataclasses.asdict(spectrogram) | {"alpha": float(alpha)}
    key["version"] = clip_store.VERSION
    key["descriptors"] = list(descriptors.DESCRIPTORS)
    path = os.path.join(store.folder, f"statistics-{json_file.digest(key)[:16]}.json")
    known = json_file.read_sealed(path) if store.folder else None
    if known is not None:
        return statistics.Statistics(**known)
    pairs = zip(store.content["clips"], training, strict=True)
    peak = max(record["peak"] for record, is_training in pairs if is_training)
    measured = statistics.measure(
        store.audio.__getitem__, training, peak, spectrogram, alpha, progress
    )
    if store.folder:
        clip_store.save_note(path, measured._asdict())
    return measured
