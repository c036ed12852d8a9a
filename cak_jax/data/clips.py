"""Choose the clips of a corpus and cut them out of its files.

Memory is bounded by a clip: files are read in blocks and only what is wanted is kept.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Sequence

import numpy as np

from cak_jax.audio import sound_file as audio
from cak_jax.audio.sound_file import AudioError, AudioInfo
from cak_jax.data.scan import Source

SILENCE = 1e-5
LOUDEST = 100.0
CANCELLED = 1e-6
NOTHING_LEFT = "channels cancel in their mean, and the first one is silent"
# The resampler's filter spans far less than this on either side.
_MARGIN_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Shape:
    """What every clip looks like.

    Attributes:
      samples: length of a clip.
      sample_rate: samples per second.
      fade: samples of the linear fade at either end.
      short: "centre" or "start", where a shorter file sits in the zero padding.
    """

    samples: int
    sample_rate: int
    fade: int
    short: str


@dataclasses.dataclass(frozen=True)
class Cut:
    """One file's clips: `starts` in frames of the file, and the split it is in."""

    source: Source
    starts: tuple[int, ...]
    held_out: bool


@dataclasses.dataclass(frozen=True)
class Clip:
    """A finished clip.

    Attributes:
      audio: `[sample]` float32, padded and faded; None if it is left out.
      content: first and last + 1 sample that is not padding.
      note: why it is left out, or what was done to it.
    """

    audio: np.ndarray | None
    content: tuple[int, int] = (0, 0)
    note: str = ""


def order(sources: Sequence[Source], seed: int) -> list[Source]:
    """Shuffle files by a hash of seed and content, whatever they are called."""
    return sorted(sources, key=lambda source: order_key(seed, source.sha256))


def order_key(seed: int, sha256: str) -> str:
    """Return what files, or what stands for them, are shuffled by."""
    return hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()


def held_out_count(files: int, share: float) -> int:
    """Return how many files are kept from training: some but never all of them."""
    if share <= 0 or files < 2:
        return 0
    return min(max(1, round(share * files)), files - 1)


def plan(
    sources: Sequence[Source], kind: str, seconds: float, limit: int, held_out: bool
) -> list[Cut]:
    """Choose the clips of files that come in the order of `order`.

    Args:
      sources: the files.
      kind: "centre", one clip from the middle of each file, or "all", consecutive
        clips of which the left-over is cut from both ends alike.
      seconds: length of a clip.
      limit: at most so many clips, evenly spaced over all; 0 for no limit.
      held_out: the split these files are in.

    Returns:
      One entry per file, possibly without starts.
    """
    starts = [_starts(source.info, kind, seconds) for source in sources]
    total = sum(map(len, starts))
    chosen = set(spread_clips(np.arange(total), limit).tolist())
    cuts, position = [], 0
    for source, own in zip(sources, starts, strict=True):
        kept = tuple(s for i, s in enumerate(own) if position + i in chosen)
        position += len(own)
        cuts.append(Cut(source, kept, held_out))
    return cuts


def spread_clips(clips: np.ndarray, count: int) -> np.ndarray:
    """Return `count` of the clips, spread evenly over their order.

    Args:
      clips: indices `[clip]`.
      count: 0 for all of them, as is a count above their number.

    >>> spread_clips(np.arange(10), 3).tolist()
    [1, 5, 8]
    """
    if not 0 < count < len(clips):
        return clips
    return clips[(2 * np.arange(count) + 1) * len(clips) // (2 * count)]


def _starts(info: AudioInfo, kind: str, seconds: float) -> range:
    length = clip_frames(info, seconds)
    count = max(1, info.frames // length) if kind == "all" else 1
    first = max(0, info.frames - count * length) // 2
    return range(first, first + count * length, length)


def clip_frames(info: AudioInfo, seconds: float) -> int:
    """Return a clip's length in frames of a file."""
    return max(1, round(seconds * info.sample_rate))


def cut_file(cut: Cut, shape: Shape, stop=None) -> Iterator[tuple[int, Clip]]:
    """Decode a file once, in order, and yield its clips with their number.

    Clips equal those of the whole file resampled at once. Where the channels cancel
    in their mean, the first channel stands for it, and the clip's note says so: half
    of such a sound is all of it.

    Args:
      cut: the file and where its clips start.
      shape: of the clips.
      stop: an event; once set, nothing more is yielded.

    Raises:
      AudioError: damaged, or holding NaN, infinity or absurdly loud samples. Clips
        that were yielded before should then be dropped as well.
    """
    info = cut.source.info
    length = min(clip_frames(info, shape.samples / shape.sample_rate), info.frames)
    margin = _margin(info.sample_rate, shape.sample_rate)
    for number, window in enumerate(_windows(cut, length, margin)):
        if stop is not None and stop.is_set():
            return
        yield number, _finish(window, cut, shape, margin)


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
    """A stretch of a file as it fills up: the channels' mean, and the first one."""

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
        self.mean[place] = audio.mono(part)
        self.first[place] = part[:, 0]
        if part.shape[1] > 1:
            self.energy += float(np.vdot(part, part)) / part.shape[1]

    def close(self, position: int, margin: int, may_shrink: bool) -> None:
        """End at the file's true end; what lies beyond it stays zero."""
        missing = self.stop - margin - position
        if missing > 0 and may_shrink:
            self.mean, self.first = self.mean[:-missing], self.first[:-missing]
        self.complete = missing <= 0 or (may_shrink and len(self.mean) > 2 * margin)

    def samples(self) -> tuple[np.ndarray, bool]:
        """Return `[n]`, and whether it is the first channel for want of a mean."""
        own = float(np.vdot(self.mean, self.mean))
        cancelled = own < CANCELLED * self.energy
        return (self.first if cancelled else self.mean), cancelled


def _margin(from_rate: int, to_rate: int) -> int:
    """Return frames beside a clip for the resampler, a whole number of its cycles."""
    if from_rate == to_rate:
        return 0
    cycle = from_rate // math.gcd(from_rate, to_rate)
    return cycle * math.ceil(_MARGIN_SECONDS * from_rate / cycle)


def _windows(cut: Cut, length: int, margin: int) -> Iterator[_Window]:
    """Yield each clip's stretch, `margin` frames wider on both sides, in order."""
    waiting = list(cut.starts)
    active: list[_Window] = []
    position = 0
    for block in audio.blocks(cut.source.path):
        _check_samples(block, cut)
        while waiting and waiting[0] - margin < position + len(block):
            size = length + 2 * margin
            start = waiting.pop(0) - margin
            zeros = (np.zeros(size, np.float32) for _ in range(2))
            active.append(_Window(start, *zeros))
        for window in active:
            window.add(block, position)
        position += len(block)
        while active and active[0].stop <= position:
            active[0].complete = True
            yield active.pop(0)
        if not active and not waiting:
            return
    for window in active:
        window.close(position, margin, may_shrink=length == cut.source.info.frames)
        yield window
    for start in waiting:
        yield _Window(start, np.zeros(0, np.float32), np.zeros(0, np.float32))


def _check_samples(block: np.ndarray, cut: Cut) -> None:
    # Two reductions without a temporary; NaN fails both comparisons.
    if block.max() <= LOUDEST and block.min() >= -LOUDEST:
        return
    if np.isfinite(block).all():
        reason = f"samples reach {np.abs(block).max():.3g}, full scale is 1"
    else:
        reason = "holds NaN or infinity"
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
    if frames == clip_frames(cut.source.info, shape.samples / shape.sample_rate):
        count = shape.samples
    sound = audio.resample(raw, rate, shape.sample_rate)[begin : begin + count]
    if np.abs(sound).max(initial=0.0) < SILENCE:
        return Clip(None, note=NOTHING_LEFT if cancelled else "silent")
    clip = np.zeros(shape.samples, np.float32)
    offset = (shape.samples - len(sound)) // 2 if shape.short == "centre" else 0
    content = (offset, offset + len(sound))
    clip[slice(*content)] = sound
    clip *= fade_gain(shape.samples, shape.fade)
    note = "channels cancel in their mean: first channel used" if cancelled else ""
    return Clip(clip, content, note)
