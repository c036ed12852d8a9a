"""Measure levels, and match the loudness of a rendered sound to its input's.

`Match` measures block by block: RMS, or integrated loudness by ITU-R BS.1770-4 with
pyloudnorm's filters, which the extra `lufs` installs.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cak_jax.effect.schema import EffectError
from cak_jax.model.cak import Array, array_module

SUBBLOCK_SECONDS, BLOCK_SUBBLOCKS = 0.1, 4
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
# At most 20 dB up, because a larger gain lifts noise. Down to -60 dB, because a strong
# effect may need more than the -20 dB that the published application allows.
LARGEST_GAIN = 10.0
SMALLEST_GAIN = 1e-3


def rms(audio: np.ndarray) -> float:
    """Return the root mean square over all channels, in float64; 0 of no samples."""
    if audio.size == 0:
        return 0.0
    # Made contiguous, so that equal arrays are summed in the same order.
    audio = np.ascontiguousarray(audio)
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))


def decibels(amplitude: Array, floor: Array = 0.0) -> Array:
    """Return an amplitude, a ratio of amplitudes or a gain in dB: `20 log10`.

    Args:
      amplitude: a number, or a NumPy or JAX array.
      floor: lower amplitudes count as this one; without one, 0 gives -inf.

    >>> float(decibels(0.1)), float(decibels(0.0, floor=1e-5))
    (-20.0, -100.0)
    """
    xp = array_module(amplitude, floor)
    return 20 * xp.log10(xp.maximum(amplitude, floor))


def level_in_words(amplitude: float) -> str:
    """Return an amplitude as a level in words.

    >>> level_in_words(0.5), level_in_words(0.0)
    ('-6.0 dBFS', 'silent')
    """
    if amplitude <= 0:
        return "silent"
    return f"{round(float(decibels(amplitude)), 1) + 0.0:.1f} dBFS"  # no -0.0


def fitting_gain(*sounds: np.ndarray, ceiling: float = 1.0) -> float:
    """Return the one gain, at most 1, that keeps all sounds within the ceiling."""
    peak = max((float(np.abs(samples).max()) for samples in sounds), default=0.0)
    return min(1.0, ceiling / peak) if peak else 1.0


def rms_gain(
    dry: np.ndarray, wet: np.ndarray, smallest: float = SMALLEST_GAIN
) -> float:
    """Return the gain that gives `wet` the RMS of `dry`, from `smallest` to 10.

    The gain is exactly 1 where either sound is silent or both RMS are equal.
    """
    return bounded_gain(rms(dry), rms(wet), smallest)[0]


def bounded_gain(
    dry: float, wet: float, smallest: float = SMALLEST_GAIN
) -> tuple[float, bool]:
    """Return the gain from level `wet` to level `dry`, and whether it was limited.

    The gain is exactly 1 where either level is 0 or both are equal.
    """
    if dry == 0.0 or wet == 0.0:
        return 1.0, False
    gain = dry / wet
    bounded = float(np.clip(gain, smallest, LARGEST_GAIN))
    return bounded, bounded != gain


class Rms:
    """Root mean square over all channels, in float64, of blocks in any sizes."""

    def __init__(self) -> None:
        self._energy, self._count = 0.0, 0

    def add(self, samples: np.ndarray) -> None:
        """Add `[channels, n]`."""
        # Not BLAS, because its threads and XLA's slow each other down tenfold.
        energy = np.einsum("ij,ij->", samples, samples, dtype=np.float64)
        self._energy += float(energy)
        self._count += samples.size

    def level(self) -> float:
        """Return the RMS so far; 0 for silence."""
        return float(np.sqrt(self._energy / self._count)) if self._count else 0.0


class Lufs:
    """Integrated loudness as an amplitude: K-weighted, gated.

    Equal to pyloudnorm's `Meter.integrated_loudness` on the whole sound, in bounded
    memory. Up to five channels: left, right, centre and two surrounds.
    """

    WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)

    def __init__(self, sample_rate: int, channels: int):
        """Start a measurement.

        Raises:
          EffectError: pyloudnorm is not installed, or there are too many channels.
        """
        try:
            import pyloudnorm
            import scipy.signal
        except ImportError:
            raise EffectError(
                "loudness lufs needs pyloudnorm: pip install 'cak-jax[lufs]'"
            ) from None
        if channels > len(self.WEIGHTS):
            raise EffectError(
                f"loudness lufs knows at most 5 channels, got {channels}; use rms"
            )
        self._filter = scipy.signal.lfilter
        self._stages = [
            (stage.b, stage.a, np.zeros((channels, 2)))
            for stage in pyloudnorm.Meter(sample_rate)._filters.values()
        ]
        self._length = SUBBLOCK_SECONDS * sample_rate
        self._weights = np.array(self.WEIGHTS[:channels])
        # Energy of each full subblock; of the one in progress; samples so far.
        self._powers: list[float] = []
        self._energy, self._total = 0.0, 0

    def add(self, samples: np.ndarray) -> None:
        """Add `[channels, n]`."""
        weighted = np.asarray(samples, np.float64)
        for number, (b, a, state) in enumerate(self._stages):
            weighted, state = self._filter(b, a, weighted, axis=-1, zi=state)
            self._stages[number] = b, a, state
        power = self._weights @ np.square(weighted)
        while len(power):
            end = round((len(self._powers) + 1) * self._length)
            part = power[: end - self._total]
            self._energy += float(part.sum())
            self._total += len(part)
            power = power[len(part) :]
            if self._total == end:
                self._powers.append(self._energy)
                self._energy = 0.0

    def level(self) -> float:
        """Return `10 ** (LUFS / 20)`; 0 where no block is above the gates.

        Raises:
          EffectError: the sound is shorter than one block of 0.4 s.
        """
        if len(self._powers) < BLOCK_SUBBLOCKS:
            raise EffectError("is shorter than 0.4 s, too short for lufs: use rms")
        overlapping = sliding_window_view(np.array(self._powers), BLOCK_SUBBLOCKS)
        blocks = overlapping.sum(axis=-1) / (BLOCK_SUBBLOCKS * self._length)
        loudness = _to_lufs(blocks)
        audible = blocks[loudness >= ABSOLUTE_GATE]
        if not len(audible):
            return 0.0
        gate = max(ABSOLUTE_GATE, float(_to_lufs(audible.mean())) + RELATIVE_GATE)
        audible = blocks[loudness > gate]
        return 10 ** (float(_to_lufs(audible.mean())) / 20) if len(audible) else 0.0


def _to_lufs(power: np.ndarray) -> np.ndarray:
    return np.asarray(-0.691 + 10.0 * np.log10(np.maximum(power, 1e-30)))


class Match:
    """The gain that gives the wet sound the dry one's loudness."""

    def __init__(self, loudness: str, sample_rate: int, channels: int):
        """Start a measurement; `loudness` is as in `RenderSettings`."""
        self._meters: list[Rms | Lufs] = []
        if loudness == "rms":
            self._meters = [Rms(), Rms()]
        elif loudness == "lufs":
            self._meters = [Lufs(sample_rate, channels) for _ in range(2)]

    def add(self, dry: np.ndarray, wet: np.ndarray) -> None:
        """Add `[channels, n]` of both."""
        # The same array is not measured, because the squares of samples far above full
        # scale would overflow, and the gain is 1 anyway.
        if wet is not dry:
            for meter, samples in zip(self._meters, (dry, wet), strict=False):
                meter.add(samples)

    def gain(self) -> tuple[float, bool]:
        """Return the gain, exactly 1 for equal levels, and whether it was limited."""
        levels = [meter.level() for meter in self._meters]
        return bounded_gain(*levels) if levels else (1.0, False)
