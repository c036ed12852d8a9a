"""The loudness of ITU-R BS.1770-4: filters, channels, gates. Nothing here loads JAX.

The filters are pyloudnorm's, by formulas of our own: the library loads SciPy's filters,
which costs a short command 0.8 s. Five channels are left, right, centre and two
surrounds, which count 1.5 dB more. Of more channels each counts alike.
"""

import functools
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SUBBLOCK_SECONDS, BLOCK_SUBBLOCKS = 0.1, 4
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
# LUFS of a mean square of 1.
REFERENCE = -0.691
# Level of silence, -200 LUFS.
SILENT = 1e-10
CHANNEL_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)
# 120 dB above full scale: louder samples count as this, because their squares would
# overflow float32 where a program measures them.
LOUDEST_SAMPLE = 1e6
# Hz. Below, the shelf above 1.5 kHz has nothing to lift, and its formula no solution.
LOWEST_SHELF_RATE = 4000


# Hz, quality, dB.
SHELF, HIGH_PASS = (1500.0, math.sqrt(0.5), 4.0), (38.0, 0.5)


@functools.lru_cache(maxsize=16)
def sections(sample_rate: int) -> np.ndarray:
    """Return the K-weighting's filters, `[section, 6]` as SciPy's `sosfilt` takes them.

    A shelf of 4 dB above 1.5 kHz and a high pass at 38 Hz, after R. Bristow-Johnson,
    "Cookbook formulae for audio EQ biquad filter coefficients".
    """
    hertz, quality, decibels = SHELF
    angle = 2 * math.pi * hertz / sample_rate
    height, c = 10 ** (decibels / 40), math.cos(angle)
    slope = math.sqrt(height) * math.sin(angle) / quality
    more, rest = height + 1, height - 1
    shelf = [
        height * (more + rest * c + slope),
        -2 * height * (rest + more * c),
        height * (more + rest * c - slope),
        more - rest * c + slope,
        2 * (rest - more * c),
        more - rest * c - slope,
    ]
    hertz, quality = HIGH_PASS
    angle = 2 * math.pi * hertz / sample_rate
    c, width = math.cos(angle), math.sin(angle) / (2 * quality)
    high_pass = [(1 + c) / 2, -1 - c, (1 + c) / 2, 1 + width, -2 * c, 1 - width]
    found = [shelf] * (sample_rate >= LOWEST_SHELF_RATE) + [high_pass]
    return np.array([np.divide(section, section[3]) for section in found])


def channel_weights(channels: int) -> np.ndarray:
    """Return what the power of each channel counts."""
    if channels > len(CHANNEL_WEIGHTS):
        return np.ones(channels)
    return np.array(CHANNEL_WEIGHTS[:channels])


class Weighting:
    """The filters, block by block."""

    def __init__(self, sample_rate: int, channels: int):
        """Begin with silence."""
        import scipy.signal

        self._filter, self._sections = scipy.signal.sosfilt, sections(sample_rate)
        self._memory = np.zeros((len(self._sections), channels, 2))

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return `[channels, n]` weighted, float64."""
        weighted, self._memory = self._filter(
            self._sections, np.float64(samples), zi=self._memory
        )
        return np.asarray(weighted)


class Subblocks:
    """Weighted power of a sound, collected in subblocks of 0.1 s."""

    def __init__(self, sample_rate: int):
        self._length = SUBBLOCK_SECONDS * sample_rate
        # Energy of each full subblock; of the one in progress; samples so far.
        self._energies: list[float] = []
        self._energy, self._total = 0.0, 0

    def add(self, power: np.ndarray) -> None:
        """Add weighted squares `[n]`, summed over channels."""
        while len(power):
            end = round((len(self._energies) + 1) * self._length)
            part = power[: end - self._total]
            self._energy += float(part.sum())
            self._total += len(part)
            power = power[len(part) :]
            if self._total == end:
                self._energies.append(self._energy)
                self._energy = 0.0

    def levels(self) -> tuple[float, float]:
        """Return `10 ** (LUFS / 20)`, gated and without gates; 0 where nothing is left.

        A sound shorter than 0.4 s has no block and so no gated level.
        """
        mean = (sum(self._energies) + self._energy) / max(1, self._total)
        return _amplitude(self._gated()), _amplitude(mean)

    def _gated(self) -> float:
        """Return the mean power of the blocks above both gates; 0 for none."""
        if len(self._energies) < BLOCK_SUBBLOCKS:
            return 0.0
        energies = np.array(self._energies)
        overlapping = sliding_window_view(energies, BLOCK_SUBBLOCKS).sum(axis=-1)
        blocks = overlapping / (BLOCK_SUBBLOCKS * self._length)
        audible = blocks[blocks >= power_of(ABSOLUTE_GATE)]
        if not len(audible):
            return 0.0
        gate = max(power_of(ABSOLUTE_GATE), audible.mean() * 10 ** (RELATIVE_GATE / 10))
        audible = blocks[blocks > gate]
        return float(audible.mean()) if len(audible) else 0.0


def power_of(lufs: float) -> float:
    """Return the weighted mean square at a loudness."""
    return float(10 ** ((lufs - REFERENCE) / 10))


def _amplitude(power: float) -> float:
    return float(np.sqrt(power * 10 ** (REFERENCE / 10)))
