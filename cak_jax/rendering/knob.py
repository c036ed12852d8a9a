"""The knob over time: a number, a curve, an oscillator, or the input's level.

`Knob` is a value with its unit. It is made once, where a request arrives (a public
call, a command, a page, a stream), and passed on whole. `Factors` turns it into the
factor on the pattern, frame by frame; frame t is centred at sample `t * hop_length`.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from cak_jax.effect.effect import Effect, Quality
from cak_jax.effect.gate import share
from cak_jax.effect.quality import measurable
from cak_jax.effect.schema import EffectError
from cak_jax.model import cak
from cak_jax.model.arrays import array_module
from cak_jax.model.quality_names import WORDS
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering.settings import AIM, KNOB, RenderSettings, check_number
from cak_jax.runtime.text import printable

# Each wave at a share of its period: from 0, its lowest value, to 1, its highest.
WAVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sine": lambda turn: 0.5 - 0.5 * np.cos(2 * np.pi * turn),
    "triangle": lambda turn: 1.0 - np.abs(1.0 - 2.0 * turn),
    "square": lambda turn: (turn >= 0.5).astype(float),
    "saw": lambda turn: turn,
}
# dBFS. The level at which a follower gives its low value; 0 dBFS gives the high one.
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

    def __post_init__(self) -> None:
        if not self.times or len(self.times) != len(self.values):
            raise EffectError("a curve needs as many times as values, one at least")
        pairs = zip(self.times, self.values, strict=True)
        for number, (time, value) in enumerate(pairs, 1):
            check_number(f"the curve's time {number}", time, 0.0, 1e9)
            check_number(f"the curve's value {number}", value, *KNOB)
        if any(b <= a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise EffectError("a curve's times must rise")

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Return the values at times in seconds."""
        return np.asarray(np.interp(seconds, self.times, self.values))


@dataclasses.dataclass(frozen=True)
class Oscillator:
    """A low-frequency oscillator.

    Attributes:
      wave: "sine", "triangle", "square" or "saw"; each starts at its lowest value.
      hertz: periods per second.
      low, high: the range, 0 to 10.
      phase: the share of a period at which it starts, 0 to 1.
    """

    wave: str
    hertz: float
    low: float = 0.0
    high: float = 1.0
    phase: float = 0.0

    def __post_init__(self) -> None:
        if self.wave not in WAVES:
            raise EffectError(f"an oscillator is one of {', '.join(WAVES)}")
        check_number("the oscillator's rate", self.hertz, 1e-6, 1000.0)
        check_number("the oscillator's phase", self.phase, 0.0, 1.0)
        check_number("the oscillator's low", self.low, *KNOB)
        check_number("the oscillator's high", self.high, *KNOB)

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Return the values at times in seconds."""
        turn = (np.asarray(seconds) * self.hertz + self.phase) % 1.0
        return self.low + (self.high - self.low) * WAVES[self.wave](turn)


@dataclasses.dataclass(frozen=True)
class Follower:
    """The input's level: -60 dBFS RMS or less gives `low`, 0 dBFS gives `high`.

    The level of a frame is the level of the hop before it, over all channels. One pole
    smooths it, with one time constant where it rises and another where it falls.

    Attributes:
      low, high: 0 to 10. With `high` below `low`, louder sound turns the knob down.
      attack, release: time constants, seconds.
    """

    low: float = 0.0
    high: float = 1.0
    attack: float = 0.01
    release: float = 0.2

    def __post_init__(self) -> None:
        check_number("the follower's low", self.low, *KNOB)
        check_number("the follower's high", self.high, *KNOB)
        check_number("the follower's attack", self.attack, 0.0, 60.0)
        check_number("the follower's release", self.release, 0.0, 60.0)


# `[frame]` arrays hold one value per frame of the effect's spectrogram; a JAX array may
# also be a scalar. (`Any` stands for `jax.Array`: its name would load JAX.)
Value = float | Curve | Oscillator | Follower | np.ndarray | Any
Unit = Literal["control", "amount"]
SHORT_NAMES = {Curve: "curve", Oscillator: "lfo", Follower: "follow"}


@dataclasses.dataclass(frozen=True)
class Knob:
    """The position of the knob over time, and the unit of its values.

    Attributes:
      value: a number, a `Curve`, an `Oscillator`, a `Follower`, or an array `[frame]`
        that keeps its last value after its end. The values of JAX arrays are checked
        by `traced.render`, where they are known.
      unit: "control" for the raw knob `c`, 0 (identity) to 10; "amount" for the even
        knob, whose `c * gate(c)` is `gate.share`: equal turns give equal change, of
        the effect's quality where it has a knob table, of the spectrogram elsewhere.

    Raises:
      EffectError: a value that is none of these, or is out of range.
    """

    value: Value
    unit: Unit

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _checked(self.unit, self.value))

    @property
    def is_constant(self) -> bool:
        """Whether the knob is one number for the whole sound."""
        return isinstance(self.value, float)

    @property
    def short_name(self) -> str:
        """The knob in file names: `c080`, `a080`, `curve`, `lfo` or `follow`."""
        if isinstance(self.value, float):
            return f"{self.unit[0]}{round(self.value * 100):03d}"
        return SHORT_NAMES[type(self.value)]

    @property
    def arguments(self) -> dict[str, Value]:
        """The knob as the keyword argument of `render` and `Stream`."""
        return {self.unit: self.value}

    def document(self) -> dict[str, Any]:
        """Return the knob for a JSON report, under its unit as the key."""
        if isinstance(self.value, Curve | Oscillator | Follower):
            kind = type(self.value).__name__.lower()
            return {self.unit: {"kind": kind, **dataclasses.asdict(self.value)}}
        return self.arguments


@dataclasses.dataclass(frozen=True)
class Aim:
    """How much the effect shall change the quality of the sound that is rendered.

    `rendering/aim.py` searches the amount of the knob for each sound.

    Attributes:
      value: the change, in units of the range of the effect's quality, 0 to 2.

    Raises:
      EffectError: a value that is no number, or out of range.
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", check_number("aim", self.value, *AIM))

    @property
    def short_name(self) -> str:
        """The aim in file names: `aim050`."""
        return f"aim{round(self.value * 100):03d}"

    def document(self) -> dict[str, Any]:
        """Return the aim for a JSON report."""
        return {"aim": self.value}

    def quality_of(self, effect: Effect, settings: RenderSettings) -> Quality:
        """Return the quality of an effect that the aim is about.

        Raises:
          EffectError: the effect has none that can be measured, or the mode is not
            "residual".
        """
        name = printable(effect.name)
        if settings.mode != "residual":
            raise EffectError("aim goes with mode residual; give control instead")
        quality = effect.quality
        if quality is None:
            raise EffectError(
                f"aim goes with an effect that names its quality, and {name} names "
                "none; give amount instead"
            )
        if not measurable(quality):
            raise EffectError(
                f"aim cannot measure the quality {printable(quality.name)} of {name}; "
                f"this version knows {', '.join(WORDS)}; give amount instead"
            )
        return quality


def make_knob(control: Value | None = None, amount: Value | None = None) -> Knob:
    """Make a knob of two arguments, one of which is given.

    Raises:
      EffectError: none or both are given, or a value is refused by `Knob`.
    """
    if control is None and amount is None:
        raise EffectError("control must be given, or amount")
    if control is not None and amount is not None:
        raise EffectError("control and amount are one knob: give one of them")
    return Knob(amount, "amount") if control is None else Knob(control, "control")


def _checked(unit: Unit, value: Value) -> Value:
    if isinstance(value, Curve | Oscillator | Follower):
        return value
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        if array_module(value) is not np:
            return value
        return check_number(unit, value, *KNOB)
    if value.ndim != 1 or value.size == 0:
        raise EffectError(f"the knob must be a number or [frame], got {value.shape}")
    return np.array([check_number(unit, v, *KNOB) for v in value])


class Factors:
    """The factor on the pattern, `c * gate(c) * scale`, frame by frame."""

    def __init__(self, effect: Effect, knob: Knob):
        """Start at the beginning of a sound, with any knob but one of a JAX array."""
        self._effect, self._knob = effect, knob
        self._envelope = None
        if isinstance(knob.value, Follower):
            self._envelope = _Envelope(knob.value, effect.spectrogram)

    @property
    def never(self) -> bool:
        """Whether the factor is 0 for the whole sound, so that nothing changes."""
        return self._knob.is_constant and self(0, 1)[0] == 0.0

    def feed(self, samples: np.ndarray) -> None:
        """Take `[channel, samples]` at the effect's rate, in order."""
        if self._envelope is not None:
            self._envelope.feed(samples)

    def __call__(self, first: int, count: int) -> np.ndarray:
        """Return the factors of `count` frames from `first` on, `[count]` float32.

        Frames before frame 0 have the factor of frame 0.
        """
        effect, values = self._effect, self._values(first, count)
        if self._knob.unit == "amount":
            values = share(effect, values)
        else:
            values = cak.strength(values, effect.threshold, effect.temperature)
        return np.asarray(values * effect.scale, np.float32)

    def _values(self, first: int, count: int) -> np.ndarray:
        if self._envelope is not None:
            return self._envelope.values(first, count)
        value = self._knob.value
        if isinstance(value, float):
            return np.full(count, value)
        index = np.maximum(np.arange(first, first + count), 0)
        if isinstance(value, np.ndarray):
            return value[np.minimum(index, len(value) - 1)]
        assert isinstance(value, Curve | Oscillator)
        spectrogram = self._effect.spectrogram
        return value.at(index * (spectrogram.hop_length / spectrogram.sample_rate))


class _Envelope:
    """The values of a `Follower`, hop by hop."""

    def __init__(self, follower: Follower, spectrogram: SpectrogramSettings):
        self._follower, self._hop = follower, spectrogram.hop_length
        seconds = spectrogram.hop_length / spectrogram.sample_rate
        self._rise, self._fall = (
            1.0 - math.exp(-seconds / constant) if constant > 0 else 1.0
            for constant in (follower.attack, follower.release)
        )
        # Smoothed level, 0 to 1; energy and samples of the hop that is not full yet.
        self._share, self._energy, self._count = 0.0, 0.0, 0
        # Frame 0 has the low value, because no sound comes before it.
        self._values, self._first = [follower.low], 0

    def feed(self, samples: np.ndarray) -> None:
        energy = np.mean(np.square(samples, dtype=np.float64), axis=0)
        while len(energy):
            part = energy[: self._hop - self._count]
            self._energy += float(part.sum())
            self._count += len(part)
            energy = energy[len(part) :]
            if self._count == self._hop:
                self._step(self._energy / self._hop)
                self._energy, self._count = 0.0, 0

    def _step(self, power: float) -> None:
        decibels = 10.0 * math.log10(power) if power > 0 else FLOOR_DB
        share = min(1.0, max(0.0, 1.0 - decibels / FLOOR_DB))
        rate = self._rise if share > self._share else self._fall
        self._share += rate * (share - self._share)
        low, high = self._follower.low, self._follower.high
        self._values.append(low + (high - low) * self._share)

    def values(self, first: int, count: int) -> np.ndarray:
        index = np.clip(
            np.arange(first, first + count) - self._first, 0, len(self._values) - 1
        )
        values = np.array(self._values)[index]
        # Drop old values, because blocks ask for frames in order.
        spare = first - self._first - 4096
        if spare > 0:
            del self._values[:spare]
            self._first += spare
        return values
