"""The loudness of ITU-R BS.1770-4: filters, channels, gates. Nothing here loads JAX.

The filters are pyloudnorm's. Five channels are left, right, centre and two surrounds,
which count 1.5 dB more. Of more channels each counts alike.
"""

import functools

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


@functools.lru_cache(maxsize=16)
def sections(sample_rate: int) -> np.ndarray:
    """Return the K-weighting's filters, `[section, 6]` as SciPy's `sosfilt` takes them.

    A shelf of 4 dB above 1.5 kHz and a high pass at 38 Hz.
    """
    import pyloudnorm

    stages = pyloudnorm.Meter(sample_rate)._filters
    names = ["high_shelf"] * (sample_rate >= LOWEST_SHELF_RATE) + ["high_pass"]
    return np.array([np.r_[stages[name].b, stages[name].a] for name in names])


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


class Lufs:
    """Integrated loudness as an amplitude: K-weighted, gated.

    Equal to pyloudnorm's `Meter.integrated_loudness` on the whole sound, in bounded
    memory.
    """

    def __init__(self, sample_rate: int, channels: int):
        """Start a measurement."""
        self._weighting = Weighting(sample_rate, channels)
        self._weights = channel_weights(channels)
        self._subblocks = Subblocks(sample_rate)

    def add(self, samples: np.ndarray) -> None:
        """Add `[channels, n]`."""
        samples = np.clip(samples, -LOUDEST_SAMPLE, LOUDEST_SAMPLE)
        squares = np.square(self._weighting(samples))
        # Not BLAS, because its threads and XLA's slow each other down tenfold.
        self._subblocks.add(np.einsum("c,cn->n", self._weights, squares))

    def levels(self) -> tuple[float, float]:
        """Return `10 ** (LUFS / 20)`, gated and without gates."""
        return self._subblocks.levels()


def power_of(lufs: float) -> float:
    """Return the weighted mean square at a loudness."""
    return float(10 ** ((lufs - REFERENCE) / 10))


def _amplitude(power: float) -> float:
    return float(np.sqrt(power * 10 ** (REFERENCE / 10)))


def integrated(audio: np.ndarray, sample_rate: int) -> float:
    """Return the loudness of a whole sound in LUFS; without gates where none is left.

    Args:
      audio: `[channels, samples]`.
      sample_rate: Hz.

    >>> sine = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)
    >>> round(integrated(sine[None], 48000), 2)
    -3.05
    """
    meter = Lufs(sample_rate, len(audio))
    meter.add(audio)
    gated, plain = meter.levels()
    return float(20 * np.log10(max(gated or plain, SILENT)))
