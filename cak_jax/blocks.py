"""Sound of any length, block by block, in bounded memory.

Blocks overlap by exactly what their results depend on, so that no result depends on
where one block ends. They are independent of each other and run two at a time: much
of a block runs on one core.
"""

import collections
import concurrent.futures
import contextlib
import os
from collections.abc import Iterable, Iterator

import numpy as np

from cak_jax import audio as audio_lib, residual
from cak_jax.controls import Factors
from cak_jax.effect import Effect
from cak_jax.render_settings import RenderSettings

# Hops per block: large enough that the overlap costs little, small enough that a short
# file does not pay for a long one.
BLOCK_HOPS = 256
# Samples per channel that whole arrays are handed on by.
SLICE = 1 << 16
THREADS = min(4, os.cpu_count() or 1)

Blocks = Iterable[np.ndarray]


def slices(samples: np.ndarray, length: int = SLICE) -> Iterator[np.ndarray]:
    """Yield `[channels, n]` in parts of at most `length` samples, without a copy."""
    for start in range(0, samples.shape[-1], length):
        yield samples[:, start : start + length]


def changed(
    effect: Effect,
    dry: Blocks,
    sample_rate: int,
    channels: int,
    factors: Factors,
    settings: RenderSettings,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield sound and what becomes of it before its loudness is matched.

    Args:
      effect: what to apply.
      dry: `[channels, n]` float, in order; any lengths.
      sample_rate: theirs.
      channels: theirs.
      factors: the knob.
      settings: how; loudness does not count.

    Yields:
      `(dry, wet)`, both `[channels, m]` of the type of `dry`; one and the same array
      where the knob or the mix is 0 from beginning to end.
    """
    if factors.never or settings.mix == 0.0:
        yield from ((block, block) for block in dry)
        return
    waiting = collections.deque()

    def heard():
        for block in dry:
            waiting.append(block)
            yield block

    for part in added(effect, heard(), sample_rate, channels, factors, settings):
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
) -> Iterator[np.ndarray]:
    """Yield what the effect adds to sound at any sample rate, all of its length.

    Args are as of `changed`; mix does not count.

    Yields:
      `[channels, m]` float32, as many samples in all as came in.
    """
    rate = effect.spectrogram.sample_rate
    count = 0

    def narrow():
        nonlocal count
        for block in blocks:
            count += block.shape[-1]
            yield block.astype(np.float32)

    analysed = resampled(narrow(), sample_rate, rate, channels)
    found = resampled(
        at_own_rate(effect, analysed, channels, factors, settings),
        rate,
        sample_rate,
        channels,
    )
    given = 0
    with contextlib.closing(found):
        for block in found:
            # A resampler may give a sample more than came in; none is lost below.
            block = (
                block[:, : count - given] if given + len(block[0]) > count else block
            )
            given += block.shape[-1]
            yield block
    if given < count:
        yield np.zeros((channels, count - given), np.float32)


def resampled(
    blocks: Blocks, from_rate: int, to_rate: int, channels: int
) -> Iterator[np.ndarray]:
    """Yield blocks `[channels, n]` at another sample rate."""
    if from_rate == to_rate:
        yield from blocks
        return
    step = audio_lib.resampler(from_rate, to_rate, channels)
    for block in blocks:
        yield step(block)
    yield step(np.zeros((channels, 0), np.float32), last=True)


def at_own_rate(
    effect: Effect,
    blocks: Blocks,
    channels: int,
    factors: Factors,
    settings: RenderSettings,
) -> Iterator[np.ndarray]:
    """Yield what the effect adds to sound at its own sample rate.

    Args and what is yielded are as of `added`; the blocks are float32.
    """
    numbers = residual.numbers_of(effect, settings)
    layout = residual.layout_of(effect, settings)
    hops, hop = BLOCK_HOPS, effect.spectrogram.hop_length
    window = _Window(channels)
    pending = collections.deque()

    def submit(pool, first, frames):
        start, stop = residual.segment_span(first, hops, layout)
        segment = window.cut(start, stop)
        window.forget(residual.segment_span(first + hops, hops, layout)[0])
        reach = layout.overlap + layout.look
        index = np.arange(first - reach, first + hops + reach)
        inside = slice(layout.look, len(index) - layout.look)
        wanted = factors(index[inside][0], len(index[inside]))
        exists = (index >= 0) & (index < frames)
        if not wanted[exists[inside]].any():
            pending.append(np.zeros((channels, hops * hop), np.float32))
            return
        power = residual.inverse_power(
            first * hop, (first + hops) * hop, frames, effect.spectrogram
        )
        arguments = segment, wanted, exists.astype(np.float32), power, numbers
        pending.append(pool.submit(_block, arguments, layout))

    def finished():
        result = pending.popleft()
        return result if isinstance(result, np.ndarray) else result.result()

    first = 0
    pool = concurrent.futures.ThreadPoolExecutor(THREADS)
    try:
        for block in blocks:
            factors.feed(block)
            window.add(block)
            while window.end >= residual.segment_span(first, hops, layout)[1]:
                # Every frame that this block reads has its centre in what came.
                submit(pool, first, 1 << 60)
                first += hops
                if len(pending) > THREADS:
                    yield finished()
        total = window.end
        while first * hop < total:
            submit(pool, first, effect.spectrogram.frames(total))
            first += hops
        given = (first - len(pending) * hops) * hop
        while pending:
            block = finished()[:, : total - given]
            given += block.shape[-1]
            yield block
    finally:
        # After Ctrl-C, or when nobody wants the rest.
        pool.shutdown(wait=True, cancel_futures=True)


def _block(arguments, layout) -> np.ndarray:
    return np.asarray(residual.block(*arguments, layout=layout))


class _Window:
    """The latest samples of a sound that arrives in parts, in memory that stays."""

    def __init__(self, channels: int):
        self._memory = np.zeros((channels, 0), np.float32)
        # Where the samples stand in it, and which is the first of them.
        self._left, self._right, self._start = 0, 0, 0

    @property
    def end(self) -> int:
        """One past the last sample that came."""
        return self._start + self._right - self._left

    def add(self, block: np.ndarray) -> None:
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
        """Return a copy, `[channels, stop - start]`; what does not exist is 0."""
        found = np.zeros((len(self._memory), stop - start), np.float32)
        first, last = max(start, self._start), min(stop, self.end)
        shift = self._left - self._start
        if first < last:
            found[:, first - start : last - start] = self._memory[
                :, first + shift : last + shift
            ]
        return found

    def forget(self, start: int) -> None:
        """Keep nothing before a sample."""
        spare = min(start, self.end) - self._start
        if spare > 0:
            self._left, self._start = self._left + spare, self._start + spare
