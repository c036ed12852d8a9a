"""Search the amount at which an effect changes one sound by as much as is asked.

The even knob holds on average over the clips that it was fitted on. An aim holds for
the sound at hand: it is rendered at several amounts and measured by
`model/qualities.py`, until the effect's quality has moved by the share of its range.
The rendered sound is measured before its loudness is matched, as the mean of its
channels, resampled to the effect's rate.

A sound of up to 60 s is measured whole. Of a longer one up to 12 stretches of 5 s are
measured, evenly spread, 30 s in all at least; stretches 40 dB below the loudest one are
left out, and the mean of the rest counts. (With more than six channels there are fewer
stretches, which bounds the memory.)
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.effect.quality import reader
from cak_jax.effect.schema import EffectError
from cak_jax.model import qualities
from cak_jax.rendering import blocks
from cak_jax.rendering.blocks import Blocks
from cak_jax.rendering.knob import Aim, Knob
from cak_jax.rendering.settings import RenderSettings

# The largest amount that is tried, because beyond it the pattern fills or empties most
# bins and more changes little.
LARGEST_AMOUNT = 4.0
# In units of the quality's range; finer than can be heard.
TOLERANCE = 0.005
MOST_RENDERS = 12
# Until the aim is passed, each amount is at most this many times the one before.
STEP = 3.0
# The smallest interval of amounts that is divided in search of a nearest measure.
CLOSE = 0.01

STRETCH_SECONDS, STRETCHES = 5.0, 12
# Samples over all channels that are kept, 64 MB of float32.
KEPT_SAMPLES = 1 << 24
# Samples at the effect's rate, because a measure needs two frames at least.
SHORTEST = 2 * qualities.WINDOW
# RMS below which a sound counts as silent, -100 dBFS: nearer to the floor of the
# measures, a gain would change them.
SILENT = 1e-5
# RMS from which nothing is measured, because the measures' powers overflow float32.
LOUDEST = 1e12
TOO_LOUD = "is too loud to measure: its samples are far above full scale"


@dataclasses.dataclass(frozen=True)
class Turn:
    """Where the search ended.

    Attributes:
      amount: of the even knob, 0 to 4.
      measured: the change there, in units of the quality's range.
      reached: whether it is the one asked for, to 0.005.
      renders: how many amounts were tried.
    """

    amount: float
    measured: float
    reached: bool
    renders: int


@dataclasses.dataclass(frozen=True)
class Found:
    """What was found for one sound.

    Attributes:
      amount: of the even knob; 0, no change, if the sound cannot be measured.
      measured: the change, in units of the quality's range; None if the sound cannot be
        measured.
      change, asked: the change measured and the one asked for, in the quality's unit.
      quality, unit: the effect's.
      more: what a person hears as the quality rises.
      reached: whether they are equal to 0.005 of the range.
      renders: how many amounts were tried.
      fault: why the sound cannot be measured.
    """

    amount: float
    measured: float | None
    change: float | None
    asked: float
    quality: str
    unit: str
    more: str
    reached: bool
    renders: int
    fault: str = ""

    def __str__(self) -> str:
        """Return one line for people."""
        if self.measured is None or self.change is None:
            return f"unchanged, because it {self.fault} to be measured"
        if self.asked == 0:
            return "amount 0, unchanged as asked"
        asked = f"{self.asked:.3g} {self.unit}"
        if self.amount == 0:
            nearer = f"nearer to {self.more} by {asked}"
            return f"unchanged, because no amount brings it {nearer}"
        change = f"{self.change:.3g} {self.unit}"
        changed = f"amount {self.amount:.3g}, {self.more} by {change}"
        if self.reached:
            return f"{changed} as asked"
        return f"{changed}, the nearest to {asked} that it reaches"


def search(measured: Callable[[float], float], aim: float) -> Turn:
    """Search the amount at which a sound has changed by `aim`.

    The first amount is `aim`. Then larger ones are tried until the aim is passed. The
    crossing is closed in on by one step of false position and by Ridders' method (IEEE
    Trans. Circuits and Systems 26, 1979). The lowest crossing among the tried amounts
    counts, because the curve may rise and fall. If no amount passes the aim, intervals
    beside the nearest measure are halved. Of those as near, the lowest amount counts.

    Args:
      measured: returns the change at an amount, finite; it is 0 at 0.
      aim: the change to reach, 0 to 2.

    >>> turn = search(lambda amount: amount**2, 0.25)
    >>> round(turn.amount, 2), turn.reached
    (0.5, True)
    >>> turn = search(lambda amount: 0.1 * amount, 0.5)
    >>> round(turn.amount, 1), round(turn.measured, 1), turn.reached
    (4.0, 0.4, False)
    """
    if aim == 0:
        return Turn(0.0, 0.0, True, 0)
    misses = {0.0: -aim}  # measured minus aim, by amount

    def is_over(amount: float) -> bool:
        """Try an amount, and say whether the search ends there."""
        misses[amount] = measured(amount) - aim
        return abs(misses[amount]) <= TOLERANCE or len(misses) > MOST_RENDERS

    over = is_over(aim)
    while not over and max(misses.values()) < 0:
        amount = _further(misses, aim)
        if amount is None:
            amount = _beside_nearest(misses)
        over = amount is None or is_over(amount)
    if not over:
        _close_in(misses, is_over)
    nearest = min(map(abs, misses.values()))
    # Where the curve is flat, a smaller amount is as near.
    slack = 0.0 if nearest <= TOLERANCE else TOLERANCE
    amount = min(a for a, miss in misses.items() if abs(miss) <= nearest + slack)
    miss = misses[amount]
    return Turn(amount, miss + aim, abs(miss) <= TOLERANCE, len(misses) - 1)


def _further(misses: dict[float, float], aim: float) -> float | None:
    """Return an amount beyond all, at which a straight line passes the aim."""
    last = max(misses)
    if last >= LARGEST_AMOUNT:
        return None
    rise = misses[last] + aim
    guess = 1.1 * last * aim / rise if rise > 0 else math.inf
    return min(max(guess, 1.25 * last), STEP * last, LARGEST_AMOUNT)


def _beside_nearest(misses: dict[float, float]) -> float | None:
    """Return the middle of the wider interval beside the nearest; None at the end."""
    amounts = sorted(misses)
    place = max(range(len(amounts)), key=lambda i: misses[amounts[i]])
    nearest, sides = amounts[place], amounts[max(place - 1, 0) : place + 2]
    flat = all(misses[nearest] - misses[side] <= TOLERANCE for side in sides)
    far = max(sides, key=lambda side: abs(side - nearest))
    if flat or abs(far - nearest) < CLOSE:
        return None
    return 0.5 * (far + nearest)


def _close_in(misses: dict[float, float], is_over: Callable[[float], bool]) -> None:
    """Close in on the lowest amount at which the aim is passed."""

    def interval() -> tuple[float, float, float, float]:
        right = min(amount for amount in misses if misses[amount] > 0)
        left = max(amount for amount in misses if amount < right)
        return left, right, misses[left], misses[right]

    # False position alone takes long where the curve bends, so it is only the first.
    left, right, low, high = interval()
    over = is_over((left * high - right * low) / (high - low))
    while not over:
        left, right, low, high = interval()
        middle = 0.5 * (left + right)
        if is_over(middle):
            return
        miss = misses[middle]
        amount = middle - (middle - left) * miss / math.sqrt(miss**2 - low * high)
        over = amount in misses or is_over(amount)


def find_amount(
    effect: Effect,
    sound: Blocks,
    sample_rate: int,
    channels: int,
    aim: Aim,
    settings: RenderSettings,
    step: Callable[[], None] = lambda: None,
) -> Found:
    """Search the amount at which an effect changes a sound by the aim.

    Args:
      sound: blocks `[channels, n]` float, in order, each of any length.
      sample_rate: of the sound, Hz.
      settings: how the sound will be rendered; loudness is ignored.
      step: called before each render.

    Raises:
      EffectError: the effect or the mode does not go with an aim, or the sound is far
        above full scale.
    """
    quality = aim.quality_of(effect, settings)
    asked = aim.value * quality.range

    def found(turn: Turn, fault: str = "") -> Found:
        measured = None if fault else turn.measured
        return Found(
            amount=turn.amount,
            measured=measured,
            change=None if measured is None else measured * quality.range,
            asked=asked,
            quality=quality.name,
            unit=quality.unit,
            more=quality.more,
            reached=turn.reached,
            renders=turn.renders,
            fault=fault,
        )

    nothing = Turn(0.0, 0.0, aim.value == 0, 0)
    if aim.value == 0:
        return found(nothing)
    rate, weights = effect.spectrogram.sample_rate, np.array(reader(quality))
    used = tuple(map(int, np.flatnonzero(weights)))

    def read(amount: float) -> float:
        step()
        knob = Knob(amount, "amount")
        sounds = [_wet(effect, part, sample_rate, knob, settings) for part in parts]
        measures = np.asarray(_measure(np.stack(sounds), rate, used), np.float64)
        value = float((measures @ weights[list(used)]).mean())
        if not math.isfinite(value):
            raise EffectError(TOO_LOUD)
        return value

    # Without warnings, because an overflow is detected.
    with np.errstate(over="ignore", invalid="ignore"):
        parts = _stretches(sound, sample_rate, channels)
        if parts[0].shape[-1] * rate < SHORTEST * sample_rate:
            return found(nothing, "is too short")
        parts = _audible(parts)
        if not parts:
            return found(nothing, "is too quiet")
        dry = read(0.0)
        return found(search(lambda amount: read(amount) - dry, aim.value))


def _stretches(sound: Blocks, rate: int, channels: int) -> list[np.ndarray]:
    """Return a sound of up to 60 s in one piece, or stretches of equal length."""
    length = round(STRETCH_SECONDS * rate)
    most = max(2, min(STRETCHES, KEPT_SAMPLES // (channels * length)))
    kept: list[np.ndarray] = []
    # Every `every`-th stretch is kept; `number` is that of the one being filled.
    every, number, filled = 1, 0, 0
    stretch = np.empty((channels, length), np.float32)
    for block in sound:
        while block.shape[-1]:
            part = block[:, : length - filled]
            block = block[:, part.shape[-1] :]
            stretch[:, filled : filled + part.shape[-1]] = part
            filled += part.shape[-1]
            if filled < length:
                continue
            if number % every == 0:
                kept.append(stretch.copy())
            if len(kept) > most:
                kept, every = kept[::2], 2 * every
            number, filled = number + 1, 0
    if every > 1:
        return kept
    rest = stretch[:, : filled if len(kept) < most else 0]
    return [np.concatenate([*kept, rest], axis=1)]


def _audible(parts: list[np.ndarray]) -> list[np.ndarray]:
    """Return the parts that are within 40 dB of the loudest, and above silence."""
    powers = [np.mean(np.square(p.mean(axis=0), dtype=np.float64)) for p in parts]
    if not all(power < LOUDEST**2 for power in powers):  # false for NaN, too
        raise EffectError(TOO_LOUD)
    floor = max(SILENT**2, qualities.PAUSE * max(powers))
    return [p for p, power in zip(parts, powers, strict=True) if power > floor]


def _wet(
    effect: Effect,
    part: np.ndarray,
    sample_rate: int,
    knob: Knob,
    settings: RenderSettings,
) -> np.ndarray:
    """Render a part; return the mean of its channels at the effect's sample rate."""
    # Compiled, because it is rendered many times.
    pairs = blocks.changed(
        effect, [part], sample_rate, len(part), knob, settings, compiled=True
    )
    means = (wet.mean(axis=0, keepdims=True) for _, wet in pairs)
    own_rate = effect.spectrogram.sample_rate
    mono = np.concatenate([*blocks.resampled(means, sample_rate, own_rate, 1)], axis=1)
    return np.asarray(mono[0])


@functools.partial(jax.jit, static_argnames=("rate", "used"))
def _measure(sounds: jax.Array, rate: int, used: tuple[int, ...]) -> jax.Array:
    # Those that are not used cost nothing, because XLA leaves them out.
    measures = qualities.measure(sounds, rate)
    return jnp.stack([measures[..., index] for index in used], axis=-1)
