"""Choose the clips of a corpus and cut them out of its files.

Files are read in blocks, and only the samples of a clip are kept in memory.
"""

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cak_jax.audio import sound_file
from cak_jax.audio.formats import AudioError, AudioInfo, mono
from cak_jax.data.scan import Source
from cak_jax.data.settings import CorpusSettings

SILENCE = 1e-5
"""Clips whose samples stay below this are left out; full scale is 1."""
LOUDEST = 100.0
"""Files with larger samples are left out; full scale is 1."""
CANCELLED = 1e-6
"""The channels cancel if their mean has less than this share of their energy."""
NOTHING_LEFT = "channels cancel in their mean, and the first one is silent"
# Returns clip i, `[sample]` float32.
Rows = Callable[[int], np.ndarray]
# `[sample]` float32 each.
Clips = Sequence[np.ndarray]
# Longer than one side of the resampler's filter, so that clips join seamlessly.
_MARGIN_SECONDS = 0.1


class Shape(NamedTuple):
    """The shape that all clips have.

    Attributes:
      samples, sample_rate: length of a clip, and samples per second.
      fade: samples of the linear fade at each end.
      short: place of a shorter file within the zero padding, "centre" or "start".
    """

    samples: int
    sample_rate: int
    fade: int
    short: str

    @property
    def seconds(self) -> float:
        """Return the length of a clip in seconds."""
        return self.samples / self.sample_rate


class Cut(NamedTuple):
    """The starts of the clips of one file, in its frames; may be held out."""

    source: Source
    starts: tuple[int, ...]
    held_out: bool


class Clip(NamedTuple):
    """A finished clip.

    Attributes:
      audio: `[sample]` float32, padded and faded; None if it is left out.
      content: first and last + 1 sample that is not padding.
      note: why it is left out, or what was done to it; may be empty.
    """

    audio: np.ndarray | None
    content: tuple[int, int] = (0, 0)
    note: str = ""


def order_key(seed: int, sha256: str) -> str:
    """Return the key by which files, or clips in memory, are shuffled."""
    return hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()


def held_out_count(files: int, share: float) -> int:
    """Return the number of files to hold out: none, or at least 1 but not all."""
    if share <= 0 or files < 2:
        return 0
    return min(max(1, round(share * files)), files - 1)


def plan(
    sources: Sequence[Source], settings: CorpusSettings, seconds: float
) -> list[Cut]:
    """Split the files and choose their clips.

    Args:
      sources: the files; their names do not matter.
      settings: of the corpus. `clip` "centre" takes one clip from the middle of each
        file; "all" takes consecutive clips and leaves out the rest of the file at both
        ends alike. Above a limit, the clips are evenly spaced over all.
      seconds: length of a clip.

    Returns:
      One entry per file, possibly without starts; training clips first.
    """
    if len(sources) == 1 and settings.held_out > 0:
        return _split_in_time(sources[0], settings, seconds)
    ordered = sorted(sources, key=lambda file: order_key(settings.seed, file.sha256))
    split = held_out_count(len(ordered), settings.held_out)
    cuts = []
    for files, held_out, limit in (
        (ordered[split:], False, settings.max_clips),
        (ordered[:split], True, settings.max_held_out),
    ):
        starts = [_starts(file, settings.clip, seconds) for file in files]
        total = sum(map(len, starts))
        chosen = set(spread_clips(np.arange(total), limit).tolist())
        number = itertools.count()
        for file, frames in zip(files, starts, strict=True):
            kept = tuple(start for start in frames if next(number) in chosen)
            cuts.append(Cut(file, kept, held_out))
    return cuts


def _split_in_time(file: Source, settings: CorpusSettings, seconds: float) -> list[Cut]:
    """Hold out the end of the only file, if it has 3 clips or more."""
    starts = np.array(_starts(file, settings.clip, seconds))
    count = min(max(1, round(settings.held_out * len(starts))), len(starts) - 2)
    kept = len(starts) - max(0, count)
    parts = (starts[:kept], False, settings.max_clips)
    ends = (starts[kept:], True, settings.max_held_out)
    return [
        Cut(file, tuple(spread_clips(part, limit).tolist()), held_out)
        for part, held_out, limit in (parts, ends)
        if len(part)
    ]


def spread_clips(clips: np.ndarray, count: int) -> np.ndarray:
    """Return `count` of the clips `[clip]`, spread evenly; 0 or too many: all of them.

    >>> spread_clips(np.arange(10), 3).tolist()
    [1, 5, 8]
    """
    if not 0 < count < len(clips):
        return clips
    return clips[(2 * np.arange(count) + 1) * len(clips) // (2 * count)]


def _starts(file: Source, kind: str, seconds: float) -> range:
    length = clip_frames(file.info, seconds)
    count = max(1, file.frames // length) if kind == "all" else 1
    first = max(0, file.frames - count * length) // 2
    return range(first, first + count * length, length)


def clip_frames(info: AudioInfo, seconds: float) -> int:
    """Return the length of a clip in frames of a file."""
    return max(1, round(seconds * info.sample_rate))


def cut_file(
    cut: Cut, shape: Shape, note: Callable[[str], None] | None = None
) -> Iterator[Clip]:
    """Decode a file once, in order, and yield its clips.

    The clips equal those of the whole file resampled at once. A clip is the mean of the
    channels. If they cancel each other, it is the first channel, and its note says so.

    Args:
      note: called at the end with each thing that is odd about the file. For that the
        file is decoded to its end; without it, to the end of the last clip.

    Raises:
      AudioError: the file is damaged, or holds NaN, infinity or samples above
        `LOUDEST`. Clips that were yielded before should then be dropped, too.
    """
    info = cut.source.info
    length = min(clip_frames(info, shape.seconds), cut.source.frames)
    margin = _margin(info.sample_rate, shape.sample_rate)
    for window in _windows(cut, length, margin, note):
        yield _finish(window, cut, shape, margin)


def fade_gain(samples: int, fade: int) -> np.ndarray:
    """Return `[samples]` float32: a linear rise from 0 to 1, ones, and its mirror."""
    fade = min(fade, samples // 2)
    gain = np.ones(samples, np.float32)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    gain[:fade] = ramp
    gain[samples - fade :] = ramp[::-1]
    return gain


@dataclasses.dataclass
class _Window:
    """A stretch of a file as it fills up: the mean of the channels, and the first."""

    start: int
    mean: np.ndarray
    first: np.ndarray
    complete: bool = False
    energy: float = 0.0

    @property
    def stop(self) -> int:
        return self.start + len(self.mean)

    def add(self, block: np.ndarray, position: int) -> None:
        begin = max(self.start, position)
        part = block[begin - position : max(0, self.stop - position)]
        if not len(part):
            return
        place = slice(begin - self.start, begin - self.start + len(part))
        self.mean[place] = mono(part)
        self.first[place] = part[:, 0]
        if part.shape[1] > 1:
            self.energy += float(np.vdot(part, part)) / part.shape[1]

    def close(self, position: int, margin: int, may_shrink: bool) -> None:
        """End the stretch at the end of the file; the samples behind it stay zero."""
        missing = self.stop - margin - position
        if missing > 0 and may_shrink:
            self.mean, self.first = self.mean[:-missing], self.first[:-missing]
        self.complete = missing <= 0 or (may_shrink and len(self.mean) > 2 * margin)

    def samples(self) -> tuple[np.ndarray, bool]:
        """Return `[n]`, and whether the channels cancel and it is the first one."""
        energy = float(np.vdot(self.mean, self.mean))
        cancelled = energy < CANCELLED * self.energy
        return (self.first if cancelled else self.mean), cancelled


def _margin(from_rate: int, to_rate: int) -> int:
    """Return frames on each side of a clip for the resampler, whole cycles of it."""
    if from_rate == to_rate:
        return 0
    cycle = from_rate // math.gcd(from_rate, to_rate)
    return cycle * math.ceil(_MARGIN_SECONDS * from_rate / cycle)


def _windows(
    cut: Cut, length: int, margin: int, note: Callable[[str], None] | None
) -> Iterator[_Window]:
    """Yield the stretch of each clip in order, `margin` frames wider on both sides."""
    waiting = list(cut.starts)
    active: list[_Window] = []
    position = 0
    blocks = sound_file.blocks(cut.source.path, note=note or (lambda text: None))
    for block in blocks:
        _check_samples(block, cut)
        while waiting and waiting[0] - margin < position + len(block):
            size = length + 2 * margin
            start = waiting.pop(0) - margin
            active.append(_Window(start, *np.zeros((2, size), np.float32)))
        for window in active:
            window.add(block, position)
        position += len(block)
        while active and active[0].stop <= position:
            active[0].complete = True
            yield active.pop(0)
        if not active and not waiting:
            if note is not None:
                _read_on(blocks, note)
            return
    for window in active:
        window.close(position, margin, may_shrink=length == cut.source.frames)
        yield window
    for start in waiting:
        yield _Window(start, *np.zeros((2, 0), np.float32))


def _read_on(blocks: Iterator[np.ndarray], note: Callable[[str], None]) -> None:
    """Decode the rest of a file, at whose end its notes come."""
    try:
        for _ in blocks:
            pass
    except AudioError as error:
        note(f"{error.reason}, behind the last clip")


def _check_samples(block: np.ndarray, cut: Cut) -> None:
    # Two reductions without a copy; NaN fails both comparisons.
    if block.max() <= LOUDEST and block.min() >= -LOUDEST:
        return
    reason = "holds NaN or infinity"
    if np.isfinite(block).all():
        reason = f"samples reach {np.abs(block).max():.3g}, full scale is 1"
    raise AudioError(cut.source.path, reason)


def _finish(window: _Window, cut: Cut, shape: Shape, margin: int) -> Clip:
    """Resample, check, pad and fade one stretch."""
    if not window.complete:
        return Clip(None, note="the file ends before it declares")
    raw, cancelled = window.samples()
    rate = cut.source.info.sample_rate
    begin = margin * shape.sample_rate // rate
    frames = len(raw) - 2 * margin
    count = min(shape.samples, math.ceil(frames * shape.sample_rate / rate))
    if frames == clip_frames(cut.source.info, shape.seconds):
        count = shape.samples
    sound = sound_file.resample(raw, rate, shape.sample_rate)[begin : begin + count]
    if np.abs(sound).max(initial=0.0) < SILENCE:
        return Clip(None, note=NOTHING_LEFT if cancelled else "silent")
    clip = np.zeros(shape.samples, np.float32)
    offset = (shape.samples - len(sound)) // 2 if shape.short == "centre" else 0
    content = (offset, offset + len(sound))
    clip[slice(*content)] = sound
    clip *= fade_gain(shape.samples, shape.fade)
    note = "channels cancel in their mean: first channel used" if cancelled else ""
    return Clip(clip, content, note)
