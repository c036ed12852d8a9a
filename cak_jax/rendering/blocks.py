"""Render sound of any length block by block, in bounded memory.

A block reads all samples that its result depends on, also those of its neighbours. So
the result does not depend on where blocks end. Blocks are independent of each other,
and several run at a time, because much of a block's work uses one core.

The blocks of a short sound run in NumPy as they are, those of a longer one compiled by
JAX. Both agree to 1e-6. JAX is up to 2.5 times as fast once it has started, but to
start it takes longer than all the rest (`experiments/rendering.md`).
"""

import collections
import concurrent.futures
import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np

from cak_jax.audio import sound_file
from cak_jax.effect.effect import Effect
from cak_jax.model import compiler
from cak_jax.rendering import ceiling, residual
from cak_jax.rendering.knob import Factors, Knob
from cak_jax.rendering.settings import RenderSettings

# Hops per block. With more, a short file costs as much as a long one; with fewer, the
# overlap of blocks costs more.
BLOCK_HOPS = 256
# Samples per channel in one part of a whole array.
SLICE = 1 << 16
THREADS = min(4, os.cpu_count() or 1)
# Over all channels.
SHORT_SECONDS = 30.0
# More frames than any sound has: the sound's end is not known yet.
ENDLESS = 1 << 60

# Channels and layouts whose program is compiled.
_PREPARED: set[tuple[int, residual.Layout]] = set()
block_program = compiler.jit(residual.block, static_argnames="layout")

Blocks = Iterable[np.ndarray]
Pair = tuple[np.ndarray, np.ndarray]


def slices(samples: np.ndarray, length: int = SLICE) -> Generator[np.ndarray]:
    """Yield `[channels, n]` in parts of at most `length` samples, without a copy."""
    for start in range(0, samples.shape[-1], length):
        yield samples[:, start : start + length]


def is_short(samples: int, sample_rate: int, channels: int) -> bool:
    """Say whether a sound is rendered by NumPy; `samples` are those of a channel."""
    return samples * channels <= SHORT_SECONDS * sample_rate


def _begun(dry: Blocks, sample_rate: int, channels: int) -> tuple[bool, Blocks]:
    """Read a sound until it is known whether it is short.

    Returns:
      Whether it is, and all blocks of the sound.
    """
    rest, head, samples = iter(dry), list[np.ndarray](), 0
    for block in rest:
        head.append(block)
        samples += block.shape[-1]
        if not is_short(samples, sample_rate, channels):
            return False, itertools.chain(head, rest)
    return True, head


def changed(
    effect: Effect,
    dry: Blocks,
    sample_rate: int,
    channels: int,
    knob: Knob,
    settings: RenderSettings,
    compiled: bool | None = None,
) -> Generator[Pair]:
    """Yield a sound with and without the effect, before loudness is matched.

    Args:
      dry: blocks `[channels, n]` float, in order, each of any length.
      sample_rate: of the sound, Hz.
      settings: how to render; loudness is ignored.
      compiled: whether blocks are rendered by JAX, else by NumPy. By default the
        sound's length decides, so that one sound always gives the same bits.

    Yields:
      `(dry, wet)`, both `[channels, m]` of the type of `dry`. They are the same array
      object where the knob or the mix is 0 for the whole sound.
    """
    factors = Factors(effect, knob)
    if factors.never or settings.mix == 0.0:
        yield from ((block, block) for block in dry)
        return
    if compiled is None:
        short, dry = _begun(dry, sample_rate, channels)
        compiled = not short
    if settings.peaks == "ceiling" and compiled:
        # Compiled beside the blocks' program, because most sounds will need it.
        threading.Thread(target=ceiling.prepare, args=(sample_rate,)).start()
    # Dry blocks whose residual is not there yet.
    waiting: collections.deque[np.ndarray] = collections.deque()

    def remembered() -> Generator[np.ndarray]:
        for block in dry:
            waiting.append(block)
            yield block

    sound = remembered(), sample_rate, channels
    for part in added(effect, *sound, factors, settings, compiled):
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
    compiled: bool = True,
) -> Generator[np.ndarray]:
    """Yield the residual, what the effect adds to a sound, at any sample rate.

    The arguments are those of `changed`, with the knob's `Factors` from the sound's
    beginning; loudness is ignored.

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
    residuals = at_own_rate(effect, analysed, channels, factors, settings, compiled)
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
    compiled: bool = True,
) -> Generator[np.ndarray]:
    """Yield the residual of a sound at the effect's own sample rate; see `added`."""
    hop, length = effect.spectrogram.hop_length, BLOCK_HOPS
    first, count_out = 0, 0
    made = _Workers(effect, channels, factors, settings, compiled)
    with contextlib.closing(made) as workers:
        for block in blocks:
            factors.feed(block)
            workers.samples = np.concatenate([workers.samples, block], axis=1)
            while workers.end >= workers.span(first, length)[1]:
                # The sound goes on beyond every frame that this block reads.
                workers.submit(first, length, ENDLESS)
                first += length
                if workers.are_busy:
                    part = workers.next()
                    count_out += part.shape[-1]
                    yield part
        frames = effect.spectrogram.frames(workers.end)
        while first * hop < workers.end:
            if not compiled:
                # No longer than the sound, because no program has to fit it.
                length = min(length, -(-workers.end // hop) - first)
            workers.submit(first, length, frames)
            first += length
        while count_out < workers.end:
            part = workers.next()[:, : workers.end - count_out]
            count_out += part.shape[-1]
            yield part


class _Workers:
    """Threads that render blocks of one sound and return them in their order.

    Attributes:
      samples: the latest ones of the sound, `[channels, n]` float32.
    """

    def __init__(
        self,
        effect: Effect,
        channels: int,
        factors: Factors,
        settings: RenderSettings,
        compiled: bool,
    ):
        self.samples = np.zeros((channels, 0), np.float32)
        self._start = 0  # of `samples` in the sound
        self._numbers = residual.numbers_of(effect, settings)
        self._layout = residual.layout_of(effect, settings)
        self._factors = factors
        self._pending: collections.deque[concurrent.futures.Future[np.ndarray]]
        self._pending = collections.deque()
        self._pool = concurrent.futures.ThreadPoolExecutor(THREADS)
        self._ready: concurrent.futures.Future[None] | None = None
        if compiled:
            # While the sound is read, and once: threads would compile it each.
            self._ready = self._pool.submit(self._prepare, channels)

    def close(self) -> None:
        """Drop the blocks that wait: after Ctrl-C, or when the caller stops early."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def end(self) -> int:
        """One past the last sample of the sound that arrived."""
        return self._start + self.samples.shape[-1]

    @property
    def are_busy(self) -> bool:
        """Whether more blocks wait than threads can render at once."""
        return len(self._pending) > THREADS

    def span(self, first: int, hops: int) -> tuple[int, int]:
        """Return the samples that a block reads, `(start, stop)`."""
        return residual.segment_span(first, hops, self._layout)

    def submit(self, first: int, hops: int, frames: int) -> None:
        """Start to render a block, and drop the samples that no later one reads.

        `frames` are those of the whole sound; `ENDLESS` before its end is known.
        """
        layout, hop = self._layout, self._layout.spectrogram.hop_length
        start, stop = self.span(first, hops)
        before, after = max(0, self._start - start), max(0, stop - self.end)
        inside = self.samples[:, max(0, start - self._start) : stop - self._start]
        segment = inside
        if before or after:
            segment = np.pad(inside, ((0, 0), (before, after)))
        later = min(self.span(first + hops, hops)[0], self.end)
        spare = max(0, later - self._start)
        self.samples, self._start = self.samples[:, spare:], self._start + spare
        exists = residual.existing(first, hops, frames, layout)
        overlap, look = layout.overlap, layout.look
        factors = self._factors(first - overlap, hops + 2 * overlap)
        if not factors[exists[look : len(exists) - look]].any():
            shape = len(segment), hops * hop
            self._pending.append(self._pool.submit(np.zeros, shape, np.float32))
            return
        power = residual.block_power(first, hops, frames, layout)
        arguments = segment, factors, exists.astype(np.float32), power
        self._pending.append(self._pool.submit(self._render, *arguments))

    def _prepare(self, channels: int) -> None:
        """Compile the program of a block, once for all sounds."""
        layout = self._layout
        if (channels, layout) in _PREPARED:
            return
        start, stop = self.span(0, BLOCK_HOPS)
        exists = residual.existing(0, BLOCK_HOPS, ENDLESS, layout)
        block_program(
            np.zeros((channels, stop - start), np.float32),
            np.zeros(BLOCK_HOPS + 2 * layout.overlap, np.float32),
            exists.astype(np.float32),
            residual.block_power(0, BLOCK_HOPS, ENDLESS, layout),
            self._numbers,
            layout=layout,
        )
        _PREPARED.add((channels, layout))

    def _render(self, *arguments: np.ndarray) -> np.ndarray:
        render: Callable[..., Any] = residual.block
        if self._ready is not None:
            self._ready.result()
            render = block_program
        with np.errstate(all="ignore"):  # as in JAX
            found = render(*arguments, self._numbers, layout=self._layout)
        return np.asarray(found)

    def next(self) -> np.ndarray:
        """Wait for the oldest block, `[channels, samples]`."""
        return self._pending.popleft().result()
