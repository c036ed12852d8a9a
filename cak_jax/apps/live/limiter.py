"""A limiter for sound that goes to a device: its gain falls before a peak."""

import itertools

import numpy as np

CEILING_DB = -1.0
# 64 samples, because that is short enough not to be noticed as delay and long enough
# not to be heard as a click.
SEGMENT = 64
RECOVERY_DB = 30.0  # a second


class Limiter:
    """Keep sound below -1 dBFS with a gain that changes continuously.

    Sound is cut into segments of about 64 samples. With p_k the peak of segment k and
    C the ceiling, the gain at the border of two segments is

        g_k = min(1, C / p_k, C / p_{k+1}, 30 dB a second above g_{k-1})

    Between borders the gain is a straight line. It is never above what a segment needs,
    and exactly 1 where nothing reaches the ceiling.

    Attributes:
      delay: samples between input and output, one segment.
      lowest: the smallest gain of the last block, 1 if the block passed unchanged.
    """

    def __init__(self, channels: int, block_size: int, sample_rate: int):
        """Begin with silence; every block has `block_size` samples per channel."""
        count = max(1, round(block_size / SEGMENT))
        edges = np.linspace(0, block_size, count + 1).round().astype(int)
        self.delay = int(edges[-1] - edges[-2])
        self._held = np.zeros((channels, self.delay), np.float32)
        # Starts of the held segment and of the block's segments; end of the output.
        self._borders = np.concatenate([[0], edges[:-1] + self.delay])
        self._ceiling = 10.0 ** (CEILING_DB / 20.0)
        seconds = block_size / count / sample_rate
        self._recovery = 10.0 ** (RECOVERY_DB * seconds / 20.0)
        self._gain, self.lowest = 1.0, 1.0

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Take `[channels, block_size]` float32; return the sound `delay` later."""
        sound = np.concatenate([self._held, block], axis=1)
        output, self._held = np.split(sound, [block.shape[-1]], axis=1)
        loudest = np.abs(sound).max(axis=0)
        peaks = np.maximum.reduceat(loudest, self._borders).astype(np.float64)
        needs = self._ceiling / np.maximum(peaks, self._ceiling)
        gains = [self._gain]
        for before, after in itertools.pairwise(needs):
            gains.append(float(min(before, after, gains[-1] * self._recovery)))
        self._gain, self.lowest = gains[-1], min(gains)
        if self.lowest == 1.0:
            return output
        line = np.interp(np.arange(output.shape[-1]), self._borders, gains)
        return output * line.astype(np.float32)
