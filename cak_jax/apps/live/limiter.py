"""A ceiling for sound that goes to a device: turned down before a peak, up after it."""

import itertools

import numpy as np

CEILING_DB = -1.0
# Short enough not to be noticed as delay, long enough not to be heard as a click.
SEGMENT = 64
RECOVERY_DB = 30.0


class Ceiling:
    """Hold sound below -1 dBFS by a gain that never jumps.

    Sound is cut into segments of about 64 samples. With p_k the peak of segment k and
    C the ceiling, the gain at the border of two segments is

        g_k = min(1, C / p_k, C / p_{k+1}, 30 dB a second above g_{k-1})

    and between borders it runs in a line: never more than what the segment needs, and
    exactly 1, the sound itself, where nothing reaches the ceiling.

    Attributes:
      delay: samples between in and out, one segment.
      lowest: the least gain of the block before, 1 where it was let through.
    """

    def __init__(self, channels: int, block_size: int, sample_rate: int):
        """Begin with silence.

        Args:
          channels: of the sound.
          block_size: samples per channel of every block.
          sample_rate: of the sound, Hz.
        """
        count = max(1, round(block_size / SEGMENT))
        edges = np.linspace(0, block_size, count + 1).round().astype(int)
        self.delay = int(edges[-1] - edges[-2])
        self._held = np.zeros((channels, self.delay), np.float32)
        # Where the held segment and those of the block begin, and what is given ends.
        self._borders = np.concatenate([[0], edges[:-1] + self.delay])
        self._limit = 10.0 ** (CEILING_DB / 20.0)
        seconds = block_size / count / sample_rate
        self._recovery = 10.0 ** (RECOVERY_DB * seconds / 20.0)
        self._gain, self.lowest = 1.0, 1.0

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Take `[channels, block_size]` float32 and give as many, `delay` later."""
        sound = np.concatenate([self._held, block], axis=1)
        given, self._held = np.split(sound, [block.shape[-1]], axis=1)
        loudest = np.abs(sound).max(axis=0)
        peaks = np.maximum.reduceat(loudest, self._borders).astype(np.float64)
        needs = self._limit / np.maximum(peaks, self._limit)
        gains = [self._gain]
        for before, after in itertools.pairwise(needs):
            gains.append(min(before, after, gains[-1] * self._recovery))
        self._gain, self.lowest = gains[-1], min(gains)
        if self.lowest == 1.0:
            return given
        line = np.interp(np.arange(given.shape[-1]), self._borders, gains)
        return given * line.astype(np.float32)
