"""Render sound of any length block by block, in bounded memory.

A block reads all samples that its result depends on, also those of its neighbours. So
the result does not depend on where blocks end. Blocks are independent of each other,
and several run at a time, because much of a block's work uses one core.
"""

import collections
import concurrent.futures
import contextlib
import os
from collections.abc import Generator, Iterable

import numpy as np

from cak_jax.audio import sound_file
from cak_jax.effect.effect import Effect
from cak_jax.rendering import residual
from cak_jax.rendering.knob import Factors, Knob
from cak_jax.rendering.settings import RenderSettings

# Hops per block. With more, a short file costs as much as a long one; with fewer, the
# overlap of blocks costs more.
BLOCK_HOPS = 256
# Samples per channel in one part of a whole array.
SLICE = 1 << 16
THREADS = min(4, os.cpu_count() or 1)
# More frames than any sound has: the sound's end is not known yet.
ENDLESS = 1 << 60

Blocks = Iterable[np.ndarray]
Pair = tuple[np.ndarray, np.ndarray]


def slices(samples: np.ndarray, length: int = SLICE) -> Generator[np.ndarray]:
    """Yield `[channels, n]` in parts of at most `length` samples, without a copy."""
    for start in range(0, samples.shape[-1], length):
        yield samples[:, start : start + length]


def changed(
    effect: Effect,
    dry: Blocks,
    sample_rate: int,
    channels: int,
    knob: Knob,
    settings: RenderSettings,
) -> Generator[Pair]:
    """Yield a sound with and without the effect, before loudness is matched.

    Args:
      effect: the effect to apply.
      dry: blocks `[channels, n]` float, in order, each of any length.
      sample_rate: of the sound, Hz.
      channels: of the sound.
      knob: the knob.
      settings: how to render; loudness is ignored.

    Yields:
      `(dry, wet)`, both `[channels, m]` of the type of `dry`. They are the same array
      object where the knob or the mix is 0 for the whole sound.
    """
    factors = Factors(effect, knob)
    if factors.never or settings.mix == 0.0:
        yield from ((block, block) for block in dry)
        return
    # Dry blocks whose residual is not there yet.
    waiting: collections.deque[np.ndarray] = collections.deque()

    def remembered() -> Generator[np.ndarray]:
        for block in dry:
            waiting.append(block)
            yield block

    for part in added(effect, remembered(), sample_rate, channels, factors, settings):
        if settings.mix != 1.0:
            part = part * np.float32(settings.mix)
        while part.shape[-1]:
            block = waiting.popleft()
            count = min(block.shape[-1], part.shape[-1])
            if count < block.shape[-1]:
                waiting.appendleft(block[:, count:])
            yield block[:, :count], block[:, :count] + part[:, :count]
            part = part[:, count:]


def added(
    effect: Effect,
    blocks: Blocks,
    sample_rate: int,
    channels: int,
    factors: Factors,
    settings: RenderSettings,
) -> Generator[np.ndarray]:
    """Yield the residual, what the effect adds to a sound, at any sample rate.

    Args:
      effect: the effect to apply.
      blocks: `[channels, n]` float, in order, each of any length.
      sample_rate: of the sound, Hz.
      channels: of the sound.
      factors: of the knob, from the sound's beginning.
      settings: how to render; mix and loudness are ignored.

    Yields:
      `[channels, m]` float32; in total as many samples as `blocks` hold.
    """
    rate = effect.spectrogram.sample_rate
    count_in = 0

    def counted() -> Generator[np.ndarray]:
        nonlocal count_in
        for block in blocks:
            count_in += block.shape[-1]
            yield block.astype(np.float32)

    analysed = resampled(counted(), sample_rate, rate, channels)
    residuals = at_own_rate(effect, analysed, channels, factors, settings)
    resampled_back = resampled(residuals, rate, sample_rate, channels)
    count_out = 0
    with contextlib.closing(resampled_back):
        for block in resampled_back:
            # Cut, because a resampler may give one sample too many at the end.
            part = block[:, : count_in - count_out]
            count_out += part.shape[-1]
            yield part
    if count_out < count_in:
        yield np.zeros((channels, count_in - count_out), np.float32)


def resampled(
    blocks: Blocks, from_rate: int, to_rate: int, channels: int
) -> Generator[np.ndarray]:
    """Yield blocks `[channels, n]` at another sample rate."""
    if from_rate == to_rate:
        yield from blocks
        return
    step = sound_file.resampler(from_rate, to_rate, channels)
    for block in blocks:
        yield step(block)
    yield step(np.zeros((channels, 0), np.float32), last=True)


def at_own_rate(
    effect: Effect,
    blocks: Blocks,
    channels: int,
    factors: Factors,
    settings: RenderSettings,
) -> Generator[np.ndarray]:
    """Yield the residual of a sound at the effect's own sample rate.

    Args:
      effect: the effect to apply.
      blocks: `[channels, n]` float32 at that rate, in order, each of any length.
      channels: of the sound.
      factors: of the knob, from the sound's beginning.
      settings: how to render; mix and loudness are ignored.

    Yields:
      `[channels, m]` float32; in total as many samples as `blocks` hold.
    """
    hop, length = effect.spectrogram.hop_length, BLOCK_HOPS
    window, count_out, first = _Window(channels), 0, 0
    with contextlib.closing(_Workers(effect, factors, settings)) as workers:
        for block in blocks:
            factors.feed(block)
            window.add(block)
            while window.end >= workers.span(first, length)[1]:
                # The sound goes on beyond every frame that this block reads.
                workers.submit(window, first, length, ENDLESS)
                first += length
                if workers.are_busy:
                    part = workers.next()
                    count_out += part.shape[-1]
                    yield part
        frames = effect.spectrogram.frames(window.end)
        while first * hop < window.end:
            workers.submit(window, first, length, frames)
            first += length
        while count_out < window.end:
            part = workers.next()[:, : window.end - count_out]
            count_out += part.shape[-1]
            yield part


class _Workers:
    """Threads that render blocks and return them in their order."""

    def __init__(self, effect: Effect, factors: Factors, settings: RenderSettings):
        self._numbers = residual.numbers_of(effect, settings)
        self._layout = residual.layout_of(effect, settings)
        self._factors = factors
        self._pending: collections.deque[concurrent.futures.Future[np.ndarray]]
        self._pending = collections.deque()
        self._pool = concurrent.futures.ThreadPoolExecutor(THREADS)

    def close(self) -> None:
        """Drop the blocks that wait: after Ctrl-C, or when the caller stops early."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def are_busy(self) -> bool:
        """Whether more blocks wait than threads can render at once."""
        return len(self._pending) > THREADS

    def span(self, first: int, hops: int) -> tuple[int, int]:
        """Return the samples that a block reads, `(start, stop)`."""
        return residual.segment_span(first, hops, self._layout)

    def submit(self, window: "_Window", first: int, hops: int, frames: int) -> None:
        """Start to render `hops` hops from `first` on.

        Args:
          window: holds the samples that the block reads.
          first, hops: the block.
          frames: of the whole sound; `ENDLESS` before its end is known.
        """
        layout = self._layout
        segment = window.cut(*self.span(first, hops))
        window.forget(self.span(first + hops, hops)[0])
        reach = layout.overlap + layout.look
        index = np.arange(first - reach, first + hops + reach)
        exists = (index >= 0) & (index < frames)
        inside = slice(layout.look, len(index) - layout.look)
        factors = self._factors(index[inside][0], len(index[inside]))
        hop = layout.spectrogram.hop_length
        if not factors[exists[inside]].any():
            shape = len(segment), hops * hop
            self._pending.append(self._pool.submit(np.zeros, shape, np.float32))
            return
        power = residual.inverse_power(
            first * hop, (first + hops) * hop, frames, layout.spectrogram
        )
        arguments = segment, factors, exists.astype(np.float32), power
        self._pending.append(self._pool.submit(self._render, *arguments))

    def _render(self, *arguments: np.ndarray) -> np.ndarray:
        return np.asarray(
            residual.block(*arguments, self._numbers, layout=self._layout)
        )

    def next(self) -> np.ndarray:
        """Wait for the oldest block, `[channels, samples]`."""
        return self._pending.popleft().result()


class _Window:
    """The latest samples of a sound that arrives in parts.

    Columns `left` to `right` of one array hold them, from sample `start` of the sound
    on. The array grows when it must and is reused.
    """

    def __init__(self, channels: int):
        self._memory = np.zeros((channels, 0), np.float32)
        self._left, self._right, self._start = 0, 0, 0

    @property
    def end(self) -> int:
        """One past the last sample that arrived."""
        return self._start + self._right - self._left

    def add(self, block: np.ndarray) -> None:
        """Append `[channels, n]`."""
        count, kept = block.shape[-1], self._right - self._left
        if self._right + count > self._memory.shape[-1]:
            samples, memory = self._memory[:, self._left : self._right], self._memory
            if kept + count > memory.shape[-1] // 2:
                memory = np.empty((len(block), 2 * (kept + count)), np.float32)
            memory[:, :kept] = samples
            self._memory, self._left, self._right = memory, 0, kept
        self._memory[:, self._right : self._right + count] = block
        self._right += count

    def cut(self, start: int, stop: int) -> np.ndarray:
        """Return a copy `[channels, stop - start]`, 0 outside the sound."""
        segment = np.zeros((len(self._memory), stop - start), np.float32)
        first, last = max(start, self._start), min(stop, self.end)
        shift = self._left - self._start
        if first < last:
            segment[:, first - start : last - start] = self._memory[
                :, first + shift : last + shift
            ]
        return segment

    def forget(self, start: int) -> None:
        """Drop the samples before `start`."""
        spare = min(start, self.end) - self._start
        if spare > 0:
            self._left, self._start = self._left + spare, self._start + spare
