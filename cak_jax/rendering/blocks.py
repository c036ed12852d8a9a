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

from cak_jax.audio import sound_file as audio_lib
from cak_jax.effect.effect import Effect
from cak_jax.rendering import residual
from cak_jax.rendering.knob import Factors, Knob
from cak_jax.rendering.settings import RenderSettings

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
    knob: Knob,
    settings: RenderSettings,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield sound and what becomes of it before its loudness is matched.

    Args:
      effect: what to apply.
      dry: `[channels, n]` float, in order; any lengths.
      sample_rate: theirs.
      channels: theirs.
      knob: where it stands.
      settings: how; loudness does not count.

    Yields:
      `(dry, wet)`, both `[channels, m]` of the type of `dry`; one and the same array
      where the knob or the mix is 0 from beginning to end.
    """
    factors = Factors(effect, knob)
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

    Args are as of `changed`, with the knob's factors from the sound's beginning; mix
    does not count.

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
    hop, length = effect.spectrogram.hop_length, BLOCK_HOPS
    window, given, first = _Window(channels), 0, 0
    with contextlib.closing(_Workers(effect, factors, settings)) as workers:
        for block in blocks:
            factors.feed(block)
            window.add(block)
            while window.end >= workers.span(first, length)[1]:
                # Every frame that this block reads has its centre in what came.
                workers.submit(window, first, length, 1 << 60)
                first += length
                if workers.are_busy:
                    found = workers.next()
                    given += found.shape[-1]
                    yield found
        frames = effect.spectrogram.frames(window.end)
        while first * hop < window.end:
            workers.submit(window, first, length, frames)
            first += length
        while given < window.end:
            found = workers.next()[:, : window.end - given]
            given += found.shape[-1]
            yield found


class _Workers:
    """Blocks on their way through the effect, given back in their order."""

    def __init__(self, effect: Effect, factors: Factors, settings: RenderSettings):
        self._numbers = residual.numbers_of(effect, settings)
        self._layout = residual.layout_of(effect, settings)
        self._factors = factors
        self._pending = collections.deque()
        self._pool = concurrent.futures.ThreadPoolExecutor(THREADS)

    def close(self) -> None:
        """Begin nothing more: after Ctrl-C, or when nobody wants the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def are_busy(self) -> bool:
        return len(self._pending) > THREADS

    def span(self, first: int, hops: int) -> tuple[int, int]:
        return residual.segment_span(first, hops, self._layout)

    def submit(self, window: "_Window", first: int, hops: int, frames: int) -> None:
        """Begin with the hops from `first` on of a sound of `frames` frames."""
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
            still = concurrent.futures.Future()
            still.set_result(np.zeros((len(segment), hops * hop), np.float32))
            self._pending.append(still)
            return
        power = residual.inverse_power(
            first * hop, (first + hops) * hop, frames, layout.spectrogram
        )
        arguments = segment, factors, exists.astype(np.float32), power, self._numbers
        self._pending.append(self._pool.submit(self._render, arguments))

    def _render(self, arguments) -> np.ndarray:
        return np.asarray(residual.block(*arguments, layout=self._layout))

    def next(self) -> np.ndarray:
        """Wait for the oldest block, `[channels, samples]`."""
        return self._pending.popleft().result()


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
