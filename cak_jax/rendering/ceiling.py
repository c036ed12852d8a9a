"""A look-ahead ceiling for peaks: -1 dBFS, between the samples too.

Sound is cut into segments of 1.5 ms. Let C be the ceiling, and p_k the true peak of
segment k over all channels: the sound four times oversampled, and the tops of parabolas
through its largest values. The segment needs a gain of `n_k = min(1, C / p_k)`. A need
fades within 100 ms, in a straight line in dB:

    h_k = min over i of n_{k-i} ** (1 - i / R),    R segments are 100 ms

The gain at the border of segments k - 1 and k is `min(h_{k-1}, n_k)`, and a straight
line in between. So it is never above what a segment needs, it falls within one segment
before a peak, and it is exactly 1 where nothing reaches the ceiling. Segments begin at
fixed samples of the sound, so blocks of any size give the same.

A segment that is the dry sound, sample by sample, needs nothing: where an effect does
nothing, a sound passes bit for bit, however loud it is.
"""

import functools
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cak_jax.model import compiler
from cak_jax.model.arrays import Array, array_module
from cak_jax.rendering.settings import CEILING_DB

CEILING = 10.0 ** (CEILING_DB / 20.0)
RECOVERY_SECONDS = 0.1
# Samples before and after a segment that its true peak depends on. A value between two
# samples depends on 8 to either side, and the first parabola on the values before it.
BEFORE = AFTER = 8
PHASES = (0.25, 0.5, 0.75)
# Segments whose true peaks are computed at once: in a block that is live, and else.
LIVE_ROWS, ROWS = 16, 512
SLICE = 1 << 16


def interpolator() -> np.ndarray:
    """Return the taps for values a quarter, a half, three quarters on, `[3, 16]`.

    `sinc(t) cos(pi t / 16)`, with a sum of 1. Half way between two samples it is right
    to 0.4 dB up to 0.86 of the band, and 1.5 dB too low at 0.9.
    """
    time = np.arange(1 - AFTER, AFTER + 1) - np.array(PHASES)[:, None]
    taps = np.sinc(time) * np.cos(np.pi * time / (2 * AFTER))
    return np.asarray(taps / taps.sum(axis=1, keepdims=True))


TAPS = interpolator()


def most_between() -> float:
    """Return a bound: no true peak is larger than the samples around it times this."""
    sample = np.zeros(2 * AFTER)
    sample[AFTER - 1] = 1.0
    values = np.stack([sample, *TAPS, np.roll(sample, 1)])
    bends = 2 * values[1:-1] - values[:-2] - values[2:]
    # The top of a parabola lies at most an eighth of its bend above its middle value.
    return float(np.abs(values).sum(axis=1).max() + np.abs(bends).sum(axis=1).max() / 8)


MOST_BETWEEN = most_between()


def segment_length(sample_rate: int) -> int:
    """Return the samples of a segment: 64 at 44.1 and 48 kHz, else a power of two."""
    return max(16, int(64 * 2.0 ** round(math.log2(sample_rate / 48000))))


def delay(sample_rate: int, block_size: int, before: int = 0) -> int:
    """Return the samples from input to output where blocks have this size.

    `before` samples of silence come first, and segments begin after them.
    """
    length = segment_length(sample_rate)
    common = math.gcd(length, block_size)
    return 2 * length + AFTER - common + -before % common


def _recovery(sample_rate: int) -> int:
    """Return the segments within which a need fades."""
    return math.ceil(RECOVERY_SECONDS * sample_rate / segment_length(sample_rate))


def _border_gains(needs: Array, recovery: int) -> Array:
    """Return the gains at borders.

    Args:
      needs: in log of the gain, of `recovery` segments before the first border and all
        up to the last, `[recovery + borders]`.
      recovery: segments within which a need fades.

    Returns:
      `[borders]`.
    """
    xp = array_module(needs)
    ages = np.arange(recovery + 1)
    index = np.arange(len(needs) - recovery)[:, None] + recovery - ages[None]
    # A need counts in full at both borders of its segment, and fades from then on.
    shares = np.minimum(1.0, 1.0 - (ages - 1) / recovery)
    held = needs[index] * xp.asarray(shares, needs.dtype)[None]
    return xp.exp(held.min(axis=1))


def same_samples(dry: np.ndarray, wet: np.ndarray) -> np.ndarray:
    """Say which samples are equal in all channels, `[n]`, of two `[channels, n]`."""
    if wet is dry:
        return np.ones(dry.shape[-1], bool)
    return np.asarray((wet == dry).all(axis=0))


def is_high(peak: Array) -> Array:
    """Say whether the values between samples may pass the ceiling."""
    return peak * MOST_BETWEEN > CEILING


def tame(
    wet: np.ndarray,
    is_dry: np.ndarray,
    sample_rate: int,
    peaks: str,
    compiled: bool = True,
) -> None:
    """Tame the peaks of a whole sound `[channels, samples]` in place.

    Args:
      is_dry: which samples are those of the dry sound, `[samples]`.
      sample_rate: Hz.
      peaks: as in `RenderSettings`.
      compiled: whether peaks are measured by JAX, else by NumPy.
    """
    spans = [slice(n, n + SLICE) for n in range(0, wet.shape[-1], SLICE)]
    loudest = max(
        (float((np.abs(wet[:, s]).max(axis=0) * ~is_dry[s]).max()) for s in spans),
        default=0.0,
    )
    if peaks == "gain" and loudest > 1.0:
        np.multiply(wet, 1.0 / loudest, out=wet)
    if peaks != "ceiling" or not is_high(loudest):
        return
    ceiling, start = Ceiling(sample_rate, len(wet), compiled=compiled), 0
    for span in spans:
        part = ceiling.push(wet[:, span].copy(), is_dry[span])
        wet[:, start : start + part.shape[-1]] = part
        start += part.shape[-1]
    wet[:, start:] = ceiling.finish()


class Ceiling:
    """The ceiling for a sound that comes block by block.

    Attributes:
      lowest: the smallest gain since the last `push` began.
    """

    def __init__(
        self, sample_rate: int, channels: int, rows: int = ROWS, compiled: bool = True
    ):
        """Begin with silence; `rows` are computed at once, by JAX or by NumPy."""
        self._rows, self._compiled = rows, compiled
        self._length = length = segment_length(sample_rate)
        self._recovery = _recovery(sample_rate)
        self._needs = np.zeros(self._recovery + 1)
        # The segment whose end is not known yet, and the samples after it, from
        # `BEFORE` before the next segment on. The first begins before the sound.
        self._held = np.zeros((channels, length), np.float32)
        self._next = np.zeros((channels, BEFORE + AFTER), np.float32)
        self._is_dry = np.ones(BEFORE + AFTER, bool)
        self._skip, self._count = length + AFTER, 0
        self.lowest = 1.0

    def push(self, samples: np.ndarray, is_dry: np.ndarray | None = None) -> np.ndarray:
        """Take `[channels, n]`; return what is ready, `[channels, m]`.

        `is_dry` says which samples are those of the dry sound, `[n]`; None for none.
        """
        count, length = samples.shape[-1], self._length
        if is_dry is None:
            is_dry = np.zeros(count, bool)
        self._count += count
        self._next = np.concatenate([self._next, samples], axis=1)
        self._is_dry = np.concatenate([self._is_dry, is_dry])
        segments = (self._next.shape[-1] - BEFORE - AFTER) // length
        self.lowest = 1.0
        if not segments:
            return self._next[:, :0]
        self._needs = np.concatenate([self._needs, self._measure(segments)])
        whole = segments * length
        sound = np.concatenate([self._held, self._next[:, BEFORE:]], axis=1)
        output, self._held = sound[:, :whole], sound[:, whole : whole + length]
        self._next, self._is_dry = self._next[:, whole:], self._is_dry[whole:]
        if self._needs.any():
            gains = _border_gains(self._needs, self._recovery)
            self.lowest = float(gains.min())
            output = output * _lines(gains, length).astype(output.dtype)
        self._needs = self._needs[segments:]
        skipped = min(self._skip, whole)
        self._skip -= skipped
        return output[:, skipped:]

    def finish(self) -> np.ndarray:
        """Return the rest, so that output and input are equally long."""
        count, lowest = self._count, self.lowest
        silence = np.zeros((len(self._next), 2 * self._length + AFTER), np.float32)
        ready = self.push(silence, np.ones(silence.shape[1], bool))
        self.lowest = min(lowest, self.lowest)
        # What `push` has not given yet of the sound; silence follows.
        given = self._length * ((count // self._length) - 1) - AFTER
        return ready[:, : count - max(0, given)]

    def _measure(self, segments: int) -> np.ndarray:
        """Return the needs of the next segments, in log of the gain."""
        length = self._length
        span = length + BEFORE + AFTER
        windows = sliding_window_view(self._next, span, axis=-1)[:, ::length]
        windows = windows[:, :segments]
        # Of grains first, because windows overlap.
        used = self._next[:, : segments * length + BEFORE + AFTER]
        starts = np.arange(0, used.shape[-1], BEFORE)
        grains = np.maximum.reduceat(np.abs(used).max(axis=0), starts)
        grains = sliding_window_view(grains, span // BEFORE)[:: length // BEFORE]
        loudest = grains.max(axis=1)
        own = self._is_dry[BEFORE : BEFORE + segments * length]
        loud = is_high(loudest)
        loud &= ~own.reshape(segments, length).all(axis=1)
        needs = np.zeros(segments)
        if loud.any():
            rows = windows[:, loud].reshape(-1, span)
            if self._compiled:
                rows = _peaks(rows, self._rows)
            else:
                with np.errstate(all="ignore"):  # as in JAX
                    rows = largest_values(rows).max(axis=-1)
            peaks = rows.reshape(len(windows), -1).max(axis=0)
            needs[loud] = np.log(CEILING / np.maximum(peaks, CEILING))
        return needs


class DelayedCeiling:
    """The ceiling with a fixed delay, for blocks of one size.

    Attributes:
      delay: samples between input and output.
    """

    def __init__(
        self, sample_rate: int, channels: int, block_size: int, before: int = 0
    ):
        """Begin with silence; `before` samples of it are not the sound's."""
        self._ceiling = Ceiling(sample_rate, channels, LIVE_ROWS)
        self._before = before
        # Compiled here, so that no block has to wait for it.
        prepare(sample_rate, LIVE_ROWS)
        self.delay = delay(sample_rate, block_size, before)
        self._ready = np.zeros((channels, self.delay + before), np.float32)

    @property
    def lowest(self) -> float:
        """The smallest gain of the last block."""
        return self._ceiling.lowest

    def __call__(self, block: np.ndarray, is_dry: np.ndarray | None = None) -> Array:
        """Take `[channels, block_size]`; return the sound `delay` samples earlier."""
        count = block.shape[-1]
        skipped = min(self._before, count)
        self._before -= skipped
        own = None if is_dry is None else is_dry[skipped:]
        ready = self._ceiling.push(block[:, skipped:], own)
        ready = np.concatenate([self._ready, ready], axis=1)
        output, self._ready = ready[:, :count], ready[:, count:]
        return output

    def finish(self) -> np.ndarray:
        """Return the last `delay` samples."""
        return np.concatenate([self._ready, self._ceiling.finish()], axis=1)


@functools.cache
def prepare(sample_rate: int, rows: int = ROWS) -> None:
    """Compile what `Ceiling` runs."""
    span = segment_length(sample_rate) + BEFORE + AFTER
    _compiled_values(np.zeros((rows, span), np.float32))


def _peaks(rows: np.ndarray, size: int) -> np.ndarray:
    """Return the true peaks of segments, `[row]`.

    `rows` are `[row, BEFORE + length + AFTER]`, of all channels; `size` of them are
    computed at once.
    """
    peaks, batch = np.zeros(len(rows)), np.zeros((size, rows.shape[-1]), np.float32)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        batch[: len(part)] = part
        values = np.asarray(_compiled_values(batch))
        peaks[start : start + size] = values[: len(part)].max(axis=-1)
    return peaks


def largest_values(windows: Array) -> Array:
    """Return the largest absolute value from each sample to the next, `[..., length]`.

    `windows` are `[..., BEFORE + length + AFTER]`. Where one of the values at a quarter
    of the distance of samples is larger than both beside it, the top of the parabola
    through the three counts, which may be 0.6 dB higher.
    """
    xp = array_module(windows)
    length = windows.shape[-1] - BEFORE - AFTER
    # From the sample before the segment on.
    between = []
    for taps in TAPS:
        value = xp.zeros_like(windows[..., : length + 1])
        for place, tap in enumerate(taps):
            value += xp.float32(tap) * windows[..., place : place + length + 1]
        between.append(value)
    own, after = (windows[..., BEFORE + i : BEFORE + i + length] for i in (0, 1))
    values = [between[-1][..., :-1], own, *(v[..., 1:] for v in between), after]
    tops = map(_top, values[:-2], values[1:-1], values[2:])
    return functools.reduce(xp.maximum, tops)


def _top(before: Array, middle: Array, after: Array) -> Array:
    """Return the absolute middle value, or the parabola's top if it is the largest."""
    xp = array_module(middle)
    sign = xp.sign(middle)
    left, right = sign * (middle - before), sign * (middle - after)
    is_top = (left > 0) & (right > 0)
    slope, bend = left - right, xp.where(is_top, left + right, 1.0)
    # The quotient first, because the square of a large sound is infinite.
    return xp.abs(middle) + xp.where(is_top, slope * (slope / (8 * bend)), 0.0)


@compiler.jit
def _compiled_values(rows: Array) -> Array:
    """Return `largest_values` of many rows, to the bit as of few of them."""
    import jax

    few = rows.reshape(-1, LIVE_ROWS, rows.shape[-1])
    values: Array = jax.lax.map(largest_values, few)
    return values.reshape(len(rows), -1)


def _lines(gains: Array, length: int) -> Array:
    """Return the gain of each sample between borders, `[(borders - 1) * length]`."""
    xp = array_module(gains)
    way = (xp.arange(length) / length)[None]
    return (gains[:-1, None] + (gains[1:] - gains[:-1])[:, None] * way).ravel()


def whole(wet: Array, dry: Array, sample_rate: int) -> Array:
    """Return a whole sound `[channels, samples]` below the ceiling; traceable."""
    import jax.numpy as jnp

    length, recovery = segment_length(sample_rate), _recovery(sample_rate)
    samples = wet.shape[-1]
    segments = (samples + AFTER - 1) // length + 2
    after = segments * length - samples
    padded = jnp.pad(wet, ((0, 0), (BEFORE + AFTER, after)))
    index = np.arange(segments)[:, None] * length
    windows = padded[:, index + np.arange(length + BEFORE + AFTER)]
    peaks = largest_values(windows).max(axis=(0, 2))
    is_dry = jnp.pad(
        jnp.all(wet == dry, axis=0), (AFTER, after - AFTER), constant_values=True
    )
    own = jnp.all(is_dry.reshape(segments, length), axis=1)
    needs = jnp.where(own, 0.0, jnp.log(CEILING / jnp.maximum(peaks, CEILING)))
    gains = _border_gains(jnp.pad(needs, (recovery, 0)), recovery)
    return jnp.asarray(wet * _lines(gains, length)[None, AFTER : AFTER + samples])
