"""What a sound device calls: take a block, render it, hand it over, and never wait.

Everything that waits, for the disk or the terminal, runs in other threads. These set
the knob and the switches below and read the counters, each in one atomic step.
"""

import time
from collections.abc import Callable

import numpy as np

from cak_jax.rendering.ceiling import DelayedCeiling
from cak_jax.rendering.stream import Stream

# Seconds of the crossfade between the effect and the dry sound.
FADE_SECONDS = 0.02
# 24 dB above full scale: no recording is as loud, and nothing overflows below it.
LOUDEST_SAMPLE = 16.0
# Weight of a new block in the mean load.
NEW_LOAD = 0.05


class Player:
    """Sound through an effect, block by block.

    Attributes:
      bypass: whether to play the dry sound, with the effect's latency; it fades over.
      leaving: whether to fade out within the next block, which is then the last.
      over: whether the last block has been played.
      latency: samples between input and output.
      blocks: how many were played.
      underruns: blocks that came too late, or that the device missed.
      repaired: samples that were not finite or absurdly loud, and became 0.
      limited: blocks that the ceiling turned down.
      load, worst: mean and largest share of a block's duration that rendering takes.
      error: why playing ended before the sound did; None if it did not.
    """

    def __init__(self, stream: Stream, take: Callable[[], np.ndarray | None] | None):
        """Wait for the first call.

        The stream has peaks "none": the player's own ceiling is for the dry sound, too.
        `take` returns the next block, None if there is none yet, and a shorter one at
        the end; it is None where the sound comes from the device.
        """
        self._stream, self._take = stream, take
        channels, size = stream.channels, stream.block_size
        self._ceiling = DelayedCeiling(stream.sample_rate, channels, size)
        self.latency = stream.latency + self._ceiling.delay
        self._dry = np.zeros((channels, stream.latency), np.float32)
        # The share of the dry sound, and its largest change from sample to sample.
        self._share, self._step = 0.0, 1.0 / (FADE_SECONDS * stream.sample_rate)
        self._rest: list[tuple[np.ndarray, np.ndarray]] | None = None
        self.bypass = self.leaving = self.over = False
        self.blocks = self.underruns = self.repaired = self.limited = 0
        self.load = self.worst = self._peak = 0.0
        self.error: Exception | None = None

    def fill(
        self, out: np.ndarray, heard: np.ndarray | None = None, missed: bool = False
    ) -> bool:
        """Fill a block for the device; return whether it was the last.

        Args:
          out: `[block_size, channels]`, written to; a mono sound goes to all channels.
          heard: `[block_size, channels]` from the device.
          missed: whether the device reports that sound was lost before this block.
        """
        began = time.perf_counter()
        self.underruns += missed
        out[:] = 0.0
        try:
            block, over = self._next(None if heard is None else heard.T)
            if block is not None:
                out[:] = block.T
                self._peak = max(self._peak, float(np.abs(block).max()))
        # Any error: the device's thread would only print it and go on.
        except Exception as error:
            self.error, over = error, True
        self.blocks += 1
        self.over = over
        seconds = time.perf_counter() - began
        used = seconds * self._stream.sample_rate / self._stream.block_size
        self.load += max(NEW_LOAD, 1.0 / self.blocks) * (used - self.load)
        self.worst = max(self.worst, used)
        return over

    def take_peak(self) -> float:
        """Return the largest sample played since the last call."""
        peak, self._peak = self._peak, 0.0
        return peak

    def _next(self, heard: np.ndarray | None) -> tuple[np.ndarray | None, bool]:
        """Return the next block, None for silence, and whether it is the last."""
        over = self.leaving
        if self._rest is None:
            if self._take is not None:
                heard = self._take()
            if heard is None:
                self.underruns += not over
                return None, over
            dry, wet = self._render(heard)
        # `_render` sets the rest with the last block of the sound.
        if self._rest is not None:
            dry, wet = self._rest.pop(0)
            over = over or not self._rest
        block = self._ceiling(self._blend(dry, wet))
        self.limited += self._ceiling.lowest < 1.0
        if self.leaving:
            block = block * np.linspace(1.0, 0.0, block.shape[-1], dtype=np.float32)
        return block, over

    def _render(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the delayed dry sound and the wet; keep both as rest at the end."""
        block = self._repair(block, LOUDEST_SAMPLE)
        last = block.shape[-1] < self._stream.block_size
        wet = self._stream.finish(block) if last else self._stream.process(block)
        wet = self._repair(wet, np.inf)
        sound = np.concatenate([self._dry, block], axis=1)
        dry, self._dry = np.split(sound, [wet.shape[-1]], axis=1)
        if last:
            self._rest = self._cut(dry, wet)
        return dry, wet

    def _cut(
        self, dry: np.ndarray, wet: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Cut the last sound, and silence for the ceiling's delay, into blocks."""
        size, count = self._stream.block_size, dry.shape[-1] + self._ceiling.delay
        blocks = max(1, -(-count // size))
        missing = ((0, 0), (0, blocks * size - dry.shape[-1]))
        padded = np.pad(dry, missing), np.pad(wet, missing)
        return list(zip(*(np.split(s, blocks, axis=1) for s in padded), strict=True))

    def _repair(self, block: np.ndarray, loudest: float) -> np.ndarray:
        """Return a block with 0 for NaN and for samples that reach `loudest`."""
        bad = ~(np.abs(block) < loudest)  # NaN, too
        count = int(np.count_nonzero(bad))
        if not count:
            return block
        self.repaired += count
        return np.where(bad, np.float32(0.0), block)

    def _blend(self, dry: np.ndarray, wet: np.ndarray) -> np.ndarray:
        goal = float(self.bypass)
        if self._share == goal:
            return dry if goal else wet
        way = np.arange(1, wet.shape[-1] + 1) * (self._step if goal else -self._step)
        shares = np.clip(self._share + way, 0.0, 1.0).astype(np.float32)
        self._share = float(shares[-1])
        return wet * (1.0 - shares) + dry * shares
