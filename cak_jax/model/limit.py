"""What an effect adds is never louder than the sound it is added to.

An effect changes whole windows, and what it adds to a window sounds in all of it: also
in the silence before a stroke, where nothing masks it, and after the sound has ended.
So it is held, sample by sample, below the dry sound of the last 2 ms. With mean squares
d and r of the dry and the added sound over segments of about 16 samples:

    e[i] = max(d[i - h], ..., d[i])      h segments last 2 ms
    g[i] = min(1, sqrt(e[i] / r[i] * e[i] / (e[i] + floor)))

The gain runs in straight lines between `min(g[i - 1], g[i])` and `min(g[i], g[i + 1])`.
Below the floor the added sound falls twice as fast as the dry one, so that the noise of
pauses is left alone.
"""

import dataclasses
import functools
import math

import numpy as np

from cak_jax.model.arrays import Array, array_module, exact_product
from cak_jax.model.spectrogram_settings import SpectrogramSettings

# Samples; the longest segment.
SEGMENT = 16
HOLD_SECONDS = 0.002
# Mean squares below this are silence, -160 dBFS. Not less, because the gradient squares
# their inverse in float32.
SILENT = 1e-16


@dataclasses.dataclass(frozen=True)
class Segments:
    """How a sound is cut.

    Attributes:
      length: samples of a segment.
      hold: segments before a segment whose level still counts.
    """

    length: int
    hold: int

    @property
    def history(self) -> int:
        """Samples of the dry sound that `limit` reads before those of the added one."""
        return self.hold * self.length


@functools.cache
def segments_of(settings: SpectrogramSettings) -> Segments:
    """Return how a sound is cut, whole segments to a hop and to half a window.

    >>> segments_of(SpectrogramSettings(44100, 2048, 512))
    Segments(length=16, hold=6)
    """
    common = math.gcd(settings.hop_length, settings.n_fft // 2)
    length = max(n for n in range(1, SEGMENT + 1) if common % n == 0)
    return Segments(length, max(1, round(HOLD_SECONDS * settings.sample_rate / length)))


def floor_power(decibels: float) -> float:
    """Return the mean square of a floor in dBFS."""
    return float(10 ** (decibels / 10))


def limit(
    added: Array,
    dry: Array,
    floor: Array,
    segments: Segments,
    *,
    linked: bool = False,
) -> Array:
    """Hold an added sound below the dry one.

    Args:
      added: `[channel, samples]`, whole segments, a segment more at either end than is
        returned.
      dry: `[channel, history + samples]`, with `segments.history` samples before.
      floor: mean square; 0 for none.
      segments: from `segments_of`.
      linked: whether all channels get one gain, of their mean power.

    Returns:
      `[channel, samples - 2 segments.length]`. Where nothing is held, the samples of
      `added` bit for bit; where the dry sound has been silent for 2 ms, zeros.
    """
    xp = array_module(added, dry)
    length, hold = segments.length, segments.hold
    cut = added.reshape(*added.shape[:-1], -1, length)
    power = xp.mean(xp.square(cut), axis=-1)
    level = xp.mean(xp.square(dry.reshape(*dry.shape[:-1], -1, length)), axis=-1)
    if linked:
        power, level = xp.mean(power, 0)[None], xp.mean(level, 0)[None]
    count = power.shape[-1]
    held = functools.reduce(
        xp.maximum, [level[..., i : i + count] for i in range(hold + 1)]
    )
    most = held * (held / xp.maximum(held + floor, SILENT))
    # Two wheres, because the square root's gradient at 0 is infinite.
    sounds = most > SILENT
    above = sounds & (power > most)
    ratio = xp.where(above, most / xp.where(above, power, 1.0), 1.0)
    gain = xp.where(sounds, xp.sqrt(ratio), 0.0)
    edge = xp.minimum(gain[..., :-1], gain[..., 1:])
    ramp = np.arange(length, dtype=np.float32) / np.float32(length)
    # A product of matrices, because XLA would measure anew for each sample otherwise.
    # The weights add up to 1 without a rounding error.
    ends = xp.stack([edge[..., :-1], edge[..., 1:]], axis=-1)
    line = exact_product(ends, np.stack([1 - ramp, ramp]))
    return (cut[..., 1:-1, :] * line).reshape(*added.shape[:-1], -1)
