"""The corpus of a run: a folder of sounds or the embedded one, whole or drawn from."""

import time

import numpy as np

from cak_jax.data.clips import Clips
from cak_jax.data.corpus import Corpus, corpus_from_clips, draw_corpus, load_corpus
from cak_jax.data.scan import Progress, no_progress
from cak_jax.data.settings import EMBEDDED
from cak_jax.data.synthetic import corpus as synth
from cak_jax.runtime.console import say
from cak_jax.runtime.text import counted
from cak_jax.training.config import Settings

# So many kinds of faults of files are shown.
SHOWN_FAULTS = 5
# Reasons for which the corpus leaves out a file that has no fault.
HARMLESS = ("not needed", "same content as", "silent", "folder: a training run")


def prepare_corpus(settings: Settings, bars: Progress = no_progress) -> Corpus:
    """Return the corpus that a run trains on, and print its size."""
    corpus = load_whole(settings, bars)
    if settings.train.clips:
        corpus = draw(corpus, settings)
        say(f"sounds: {len(corpus.training)} of these clips drawn to train on")
    return corpus


def draw(corpus: Corpus, settings: Settings) -> Corpus:
    """Return a corpus with the `train.clips` training clips that a run draws."""
    train = settings.train
    spectrogram, alpha = settings.spectrogram, settings.alpha
    return draw_corpus(corpus, train.clips, train.seed, spectrogram, alpha)


def load_whole(settings: Settings, bars: Progress = no_progress) -> Corpus:
    """Read the folder of sounds, or make the embedded corpus if no folder is named.

    What was read is printed; `bars` shows the progress.

    Raises:
      CorpusError, LabelError: nothing usable in the folder, or no labels for it.
    """
    began = time.perf_counter()
    if settings.corpus.path:
        spectrogram, alpha = settings.spectrogram, settings.alpha
        corpus = load_corpus(settings.corpus, spectrogram, alpha, bars)
    else:
        corpus = _make_embedded(settings, bars)
    say(f"sounds: {describe(corpus)}, {time.perf_counter() - began:.1f} s")
    for line in _faults(corpus):
        say(f"sounds: {line}")
    return corpus


def describe(corpus: Corpus) -> str:
    """Return how many clips there are, and how many files are left out and why."""
    reasons = [entry["reason"] for entry in corpus.manifest["left_out"]]
    harmless = sum(reason.startswith(HARMLESS) for reason in reasons)
    parts = [
        f"{counted(len(corpus.training), 'clip')} to train on",
        f"{int(corpus.held_out.sum())} held out",
    ]
    if unread := len(reasons) - harmless:
        parts.append(f"{counted(unread, 'file')} could not be read")
    if harmless:
        parts.append(f"{counted(harmless, 'file')} not needed (corpus.json says why)")
    return ", ".join(parts)


def _faults(corpus: Corpus) -> list[str]:
    """Return lines on files that are not read, and on odd ones."""
    manifest = corpus.manifest
    unread = [
        (entry["file"], entry["reason"])
        for entry in manifest["left_out"]
        if not entry["reason"].startswith(HARMLESS)
    ]
    odd = [
        (entry["file"], entry["note"])
        for entry in manifest["files"]
        if entry.get("note")
    ]
    lines = [f"not read: {line}" for line in _by_kind(unread)]
    others = {k: n for k, n in manifest["ignored"].items() if k != "hidden"}
    if others:
        kinds = ", ".join(kind or "no suffix" for kind in sorted(others)[:5])
        count = counted(sum(others.values()), "file")
        lines.append(f"{count} ignored, no sound by its name ({kinds})")
    return [*lines, *_by_kind(odd)]


def _by_kind(faults: list[tuple[str, str]]) -> list[str]:
    """Return a line for each of the first kinds of (file, fault)."""
    kinds: dict[str, list[str]] = {}
    for name, fault in faults:
        # Faults of one kind begin with the same three words, numbers left out.
        words = [word for word in fault.split() if not word.isdigit()]
        kind = " ".join(words[:3])
        kinds.setdefault(kind, []).append(f"{name}: {fault}")
    shown = list(kinds.values())[:SHOWN_FAULTS]
    lines = [f"{first}{_and_more(rest)}" for first, *rest in shown]
    if len(kinds) > SHOWN_FAULTS:
        lines.append(f"more, of {len(kinds) - SHOWN_FAULTS} other kinds")
    return lines


def _and_more(files: list[str]) -> str:
    return f" (and {len(files)} more)" if files else ""


def _make_embedded(settings: Settings, bars: Progress) -> Corpus:
    """Return the synthetic corpus, which needs no data."""
    audio, names = synth.synthesise(
        settings.synthetic_clips,
        settings.corpus.seconds,
        settings.spectrogram.sample_rate,
        settings.corpus.seed,
        lambda done: bars(done, settings.synthetic_clips, "making"),
    )
    content = np.tile(np.array([0, audio.shape[1]], np.int32), (len(names), 1))
    spectrogram, alpha = settings.spectrogram, settings.alpha
    corpus = corpus_from_clips(
        audio, names, content, settings.corpus, spectrogram, alpha, bars
    )
    corpus.manifest |= {"path_name": EMBEDDED, "left_out": [], "ignored": {}}
    return corpus


def clips_at(corpus: Corpus, indices: np.ndarray) -> Clips:
    """Return the clips of these indices `[clip]`, not copied."""
    return [np.asarray(corpus.audio[index]) for index in indices]


def files_of(corpus: Corpus, clips: np.ndarray) -> list[str]:
    """Return the file of each clip, from indices `[clip]`."""
    return [corpus.names[clip].rsplit(" @ ", 1)[0] for clip in clips]
