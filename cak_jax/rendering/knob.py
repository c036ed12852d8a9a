"""The knob over time: a number, a curve, an oscillator, or the input's own level.

Each gives a value per frame of the effect's spectrogram; frame t stands at
`t * hop_length` samples. What a value means, raw control or amount, is said beside it.
"""

import dataclasses
import math

import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import gated
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.settings import MAX_CONTROL, check_number

WAVES = ("sine", "triangle", "square", "saw")
# The envelope follower's range: silence to full scale.
FLOOR_DB = -60.0


@dataclasses.dataclass(frozen=True)
class Curve:
    """Straight lines between points; constant before the first and after the last.

    Attributes:
      times: seconds, rising.
      values: 0 to 10.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self):
        if not self.times or len(self.times) != len(self.values):
            raise EffectError("a curve needs as many times as values, one at least")
        for index, (time, value) in enumerate(
            zip(self.times, self.values, strict=True)
        ):
            check_number(f"the curve's time {index + 1}", time, 0.0, 1e9)
            check_number(f"the curve's value {index + 1}", value, 0.0, MAX_CONTROL)
        if any(b <= a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise EffectError("a curve's times must rise")

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Return the values at some times."""
        return np.interp(seconds, self.times, self.values)


@dataclasses.dataclass(frozen=True)
class Oscillator:
    """A low-frequency oscillator.

    Attributes:
      wave: "sine", "triangle", "square" or "saw", each beginning at its lowest.
      hertz: turns per second.
      low, high: its range, 0 to 10.
      phase: share of a turn that it begins with.
    """

    wave: str
    hertz: float
    low: float = 0.0
    high: float = 1.0
    phase: float = 0.0

    def __post_init__(self):
        if self.wave not in WAVES:
            raise EffectError(f"an oscillator is one of {', '.join(WAVES)}")
        check_number("the oscillator's rate", self.hertz, 1e-6, 1000.0)
        check_number("the oscillator's phase", self.phase, 0.0, 1.0)
        for name in ("low", "high"):
            value = getattr(self, name)
            check_number(f"the oscillator's {name}", value, 0.0, MAX_CONTROL)

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Return the values at some times."""
        turn = (np.asarray(seconds) * self.hertz + self.phase) % 1.0
        if self.wave == "sine":
            share = 0.5 - 0.5 * np.cos(2 * np.pi * turn)
        elif self.wave == "triangle":
            share = 1.0 - np.abs(1.0 - 2.0 * turn)
        elif self.wave == "square":
            share = (turn >= 0.5).astype(float)
        else:
            share = turn
        return self.low + (self.high - self.low) * share


@dataclasses.dataclass(frozen=True)
class Follower:
    """The input's own level: -60 dBFS RMS and less give `low`, 0 dBFS gives `high`.

    The level is that of the hop before the frame, over all channels, smoothed by one
    pole with one time constant where it rises and another where it falls.

    Attributes:
      low, high: 0 to 10; the knob turns down with level where `high` is the smaller.
      attack, release: time constants, seconds.
    """

    low: float = 0.0
    high: float = 1.0
    attack: float = 0.01
    release: float = 0.2

    def __post_init__(self):
        for name in ("low", "high"):
            value = getattr(self, name)
            check_number(f"the follower's {name}", value, 0.0, MAX_CONTROL)
        for name in ("attack", "release"):
            check_number(f"the follower's {name}", getattr(self, name), 0.0, 60.0)


Source = float | Curve | Oscillator | Follower


class Factors:
    """The factor on the pattern, `c * gate(c) * scale`, frame by frame."""

    def __init__(self, effect: Effect, source: Source, calibrated: bool):
        """Follow a knob.

        Args:
          effect: whose gate and scale count.
          source: a number, or one of the classes above.
          calibrated: values are amounts, `c * gate(c)` themselves, not controls.
        """
        self._effect, self._source, self._calibrated = effect, source, calibrated
        self._envelope = None
        if isinstance(source, Follower):
            self._envelope = _Envelope(source, effect.spectrogram)

    @property
    def never(self) -> bool:
        """Whether the knob stands at 0 all the time, so that nothing changes."""
        return isinstance(self._source, int | float) and self._at([0.0])[0] == 0.0

    def feed(self, samples: np.ndarray) -> None:
        """Hear `[channel, samples]` at the effect's rate, in order."""
        if self._envelope is not None:
            self._envelope.feed(samples)

    def __call__(self, first: int, count: int) -> np.ndarray:
        """Return the factors of `count` frames from `first` on, `[count]` float32.

        Frames before the sound's first are asked for, too, and count as the first.
        """
        if self._envelope is not None:
            return self._to_factors(self._envelope.values(first, count))
        settings = self._effect.spectrogram
        index = np.maximum(np.arange(first, first + count), 0)
        return self._at(index * (settings.hop_length / settings.sample_rate))

    def _at(self, seconds) -> np.ndarray:
        source = self._source
        if isinstance(source, int | float):
            return self._to_factors(np.full(len(seconds), float(source)))
        return self._to_factors(source.at(seconds))

    def _to_factors(self, values: np.ndarray) -> np.ndarray:
        effect = self._effect
        if not self._calibrated:
            values = gated(effect, values)
        return np.asarray(values * effect.scale, np.float32)


class _Envelope:
    """The values of a `Follower`, hop by hop."""

    def __init__(self, source: Follower, settings):
        self._source, self._hop = source, settings.hop_length
        seconds = settings.hop_length / settings.sample_rate
        self._rise, self._fall = (
            1.0 - math.exp(-seconds / constant) if constant > 0 else 1.0
            for constant in (source.attack, source.release)
        )
        self._share, self._sum, self._heard = 0.0, 0.0, 0
        # Value of frame 0: nothing was heard before it.
        self._values, self._first = [source.low], 0

    def feed(self, samples: np.ndarray) -> None:
        energy = np.mean(np.square(samples, dtype=np.float64), axis=0)
        while len(energy):
            part = energy[: self._hop - self._heard]
            self._sum, self._heard = self._sum + part.sum(), self._heard + len(part)
            energy = energy[len(part) :]
            if self._heard == self._hop:
                self._step(self._sum / self._hop)
                self._sum, self._heard = 0.0, 0

    def _step(self, power: float) -> None:
        decibels = 10.0 * math.log10(power) if power > 0 else FLOOR_DB
        share = min(1.0, max(0.0, 1.0 - decibels / FLOOR_DB))
        rate = self._rise if share > self._share else self._fall
        self._share += rate * (share - self._share)
        low, high = self._source.low, self._source.high
        self._values.append(low + (high - low) * self._share)

    def values(self, first: int, count: int) -> np.ndarray:
        index = np.clip(
            np.arange(first, first + count) - self._first, 0, len(self._values) - 1
        )
        found = np.array(self._values)[index]
        # Frames long past are not asked for again.
        spare = first - self._first - 4096
        if spare > 0:
            del self._values[:spare]
            self._first += spare
        return found
