"""Measure levels, and match the loudness of a rendered sound to its input's.

`Match` measures block by block: the integrated, gated loudness of ITU-R BS.1770-4 with
pyloudnorm's filters, or RMS. Where the gate leaves nothing of one of the two sounds
(all below -70 LUFS, or shorter than 0.4 s), both are measured without gates, with the
same weighting over their whole length.
"""

import numpy as np

from cak_jax.model.arrays import Array, array_module
from cak_jax.rendering.k_weighting import (
    SILENT,
    Subblocks,
    Weighting,
    channel_weights,
)
from cak_jax.rendering.weighted_power import Spans

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

    def levels(self) -> tuple[float, float]:
        """Return the RMS so far twice, because it has no gates; 0 for silence."""
        level = float(np.sqrt(self._energy / self._count)) if self._count else 0.0
        return level, level


class Lufs:
    """Integrated loudness as an amplitude: K-weighted, gated.

    Equal to pyloudnorm's `Meter.integrated_loudness` on the whole sound to 0.001 LU, in
    bounded memory, and to the bit whatever the blocks are.
    """

    def __init__(self, sample_rate: int, channels: int):
        """Start a measurement."""
        self._spans = Spans(sample_rate, channels)
        self._subblocks = Subblocks(sample_rate)

    def add(self, samples: np.ndarray) -> None:
        """Add `[channels, n]`."""
        for power in self._spans.push(samples):
            self._subblocks.add(power)

    def levels(self) -> tuple[float, float]:
        """Return `10 ** (LUFS / 20)`, gated and without gates; nothing can be added."""
        self._subblocks.add(self._spans.finish())
        return self._subblocks.levels()


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
        if not self._meters:
            return 1.0, False
        gated, plain = zip(*(meter.levels() for meter in self._meters), strict=True)
        return bounded_gain(*(gated if all(gated) else plain))


def matching_gain(
    dry: np.ndarray, wet: np.ndarray, sample_rate: int, loudness: str = "lufs"
) -> float:
    """Return the gain that gives `wet` the loudness of `dry`, as rendering does.

    Args:
      dry, wet: `[samples]` or `[channels, samples]`.
      sample_rate: Hz.
      loudness: as in `RenderSettings`.
    """
    dry, wet = np.atleast_2d(dry), np.atleast_2d(wet)
    match = Match(loudness, sample_rate, len(dry))
    match.add(dry, wet)
    return match.gain()[0]


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


class RunningMatch:
    """A gain that follows the ratio of two running levels; exactly 1 for equal ones."""

    def __init__(self, loudness: str, seconds: float, sample_rate: int, channels: int):
        """Begin with silence.

        Args:
          loudness: as in `RenderSettings`; without gates, because an average that
            forgets needs none.
          seconds: time constant of the levels.
          sample_rate: Hz.
          channels: of both sounds.
        """
        self._seconds, self._rate = seconds, sample_rate
        self._loudness = loudness
        self._weights = np.ones(channels)
        if loudness == "lufs":
            self._weights = channel_weights(channels)
            self._weighting = Weighting(sample_rate, 2 * channels)
        self._energies, self._gain = np.zeros(2), 1.0

    def __call__(self, dry: np.ndarray, wet: np.ndarray) -> np.ndarray:
        """Return the wet sound times the gain, which is linear over the block."""
        count = dry.shape[-1]
        if self._loudness == "none" or not count:
            return wet
        both = np.concatenate([dry, wet], dtype=np.float64)
        if self._loudness == "lufs":
            both = self._weighting(both)
        powers = np.square(both).sum(axis=1).reshape(2, -1) * self._weights
        keep = np.exp(-count / (self._seconds * self._rate))
        self._energies = keep * self._energies + powers.sum(axis=1)
        before = self._gain
        self._gain, _ = bounded_gain(*np.sqrt(self._energies))
        if before == self._gain == 1.0:
            return wet
        return wet * np.linspace(before, self._gain, count, dtype=np.float32)
