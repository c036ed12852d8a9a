"""Render sound live: block by block, with a fixed latency."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.audio import sound_file
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import residual
from cak_jax.rendering.blocks import ENDLESS
from cak_jax.rendering.ceiling import DelayedCeiling, same_samples
from cak_jax.rendering.knob import Factors, Knob, Value, make_knob
from cak_jax.rendering.loudness import RunningMatch
from cak_jax.rendering.settings import (
    KNOB,
    MATCH_SECONDS,
    MAX_CHANNELS,
    RenderSettings,
    check_number,
    check_sample_rate,
    check_whole,
)

# Enough samples to see the longest wait for a resampler's output several times.
REHEARSAL_SAMPLES = 1 << 15
SPARE_SAMPLES = 8


class Stream:
    """Render sound as it arrives.

    The output equals that of `render` for the whole sound with loudness "none",
    `latency` samples later. With `B = block_size`, `n = n_fft`, `h` the frames between
    the kernel's cells and `g = gcd(B, hop)`, at the effect's own sample rate

        latency = n + h hop - g + (-n / 2 mod g) + s:

    the window, the frames after a frame that the kernel reads, the wait for a whole
    hop, and a segment of the limit, 16 samples for most settings. At another rate
    `g = 1`, and the longest waits for the output of two resamplers are added. The
    ceiling adds `ceiling.delay`, 70 samples for blocks of 64 and its multiples at 44.1
    and 48 kHz.

    Attributes:
      knob: the knob now, a number.
      latency: samples at `sample_rate` between input and output.
    """

    def __init__(
        self,
        effect: Effect,
        sample_rate: int,
        channels: int,
        block_size: int,
        *,
        control: Value | None = None,
        amount: Value | None = None,
        match_seconds: float = 0.0,
        settings: RenderSettings | None = None,
    ):
        """Prepare and compile.

        Args:
          sample_rate: of the sound, Hz.
          block_size: samples per channel of every block.
          control, amount: the knob at the beginning, one of the two; see `set_knob`.
          match_seconds: time constant of a running match of the wet sound's loudness to
            the dry sound's; 0 for none. (The gain over a whole sound is not known
            live.)
          settings: how to render, with mode "residual"; with loudness "lufs" the match
            weighs as ITU-R BS.1770 does, with "rms" not, and "none" is no match.

        Raises:
          EffectError: an argument is out of range; the message names it.
        """
        self.effect = effect
        self.sample_rate = check_sample_rate(sample_rate)
        self.channels = check_whole("channels", channels, MAX_CHANNELS)
        self.block_size = check_whole("block_size", block_size, 1 << 20)
        settings = settings or RenderSettings()
        if settings.mode != "residual" or settings.peaks == "gain":
            raise EffectError(
                "a stream knows mode residual, and peaks ceiling or none: the loudest "
                "peak of the whole sound is not known"
            )
        self._is_dry = settings.mix == 0.0
        self._core = FrameCore(effect, self.channels, settings)
        self.set_knob(control=control, amount=amount)
        seconds = check_number("match_seconds", match_seconds, *MATCH_SECONDS)
        self._match = RunningMatch(
            "none" if seconds == 0.0 else settings.loudness,
            seconds,
            self.sample_rate,
            self.channels,
        )
        rate = effect.spectrogram.sample_rate
        self._into = sound_file.resampler(self.sample_rate, rate, self.channels)
        self._out = sound_file.resampler(rate, self.sample_rate, self.channels)
        late = self._longest_wait()
        self._dry = self._added = np.zeros((self.channels, late), np.float32)
        self._ceiling = None
        self.latency = late
        if settings.peaks == "ceiling":
            sizes = self.sample_rate, self.channels, self.block_size
            self._ceiling = DelayedCeiling(*sizes, before=late)
            self.latency += self._ceiling.delay
        self._finished = False

    def set_knob(
        self, *, control: Value | None = None, amount: Value | None = None
    ) -> None:
        """Turn the knob, from the next frame on.

        Raises:
          EffectError: not one number of the two is given, or it is out of range.
        """
        knob = make_knob(control, amount)
        number = check_number(knob.unit, knob.value, *KNOB)
        self.knob = Knob(number, knob.unit)
        self._core.factor = Factors(self.effect, self.knob)(0, 1)[0]

    def process(self, block: np.ndarray) -> np.ndarray:
        """Take `[channels, block_size]` float; return as many samples, float32."""
        self._check_open()
        shape = self.channels, self.block_size
        if np.shape(block) != shape:
            raise EffectError(f"a block must be {shape}, got {np.shape(block)}")
        return self._step(block, last=False)

    def finish(self, rest: np.ndarray | None = None) -> np.ndarray:
        """Return the last samples: `latency` of them, and as many as `rest` has.

        `rest` is a last, shorter block `[channels, n]`.
        """
        self._check_open()
        if rest is None:
            rest = np.zeros((self.channels, 0))
        if np.ndim(rest) != 2 or len(rest) != self.channels:
            raise EffectError(
                f"the rest must be [{self.channels}, n], got {np.shape(rest)}"
            )
        return self._step(rest, last=True)

    def _check_open(self) -> None:
        if self._finished:
            raise EffectError("the stream has been finished: make another")

    def _step(self, block: np.ndarray, last: bool) -> np.ndarray:
        self._finished = last
        # NaN becomes 0, because it would stay in the resamplers and the running level.
        block = np.asarray(block, np.float32)
        block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        added = self._core.push(self._into(block, last))
        count = block.shape[-1]
        self._dry = np.concatenate([self._dry, block], axis=1)
        if last:
            added = np.concatenate([added, self._core.finish()], axis=1)
            count = self._dry.shape[-1]
        self._added = np.concatenate([self._added, self._out(added, last)], axis=1)
        if last:
            missing = max(0, count - self._added.shape[-1])
            self._added = np.pad(self._added, ((0, 0), (0, missing)))
        dry, self._dry = self._dry[:, :count], self._dry[:, count:]
        residual_part, self._added = self._added[:, :count], self._added[:, count:]
        wet = dry.copy() if self._is_dry else dry + residual_part
        wet = self._match(dry, wet)
        if self._ceiling is None:
            return wet
        wet = self._ceiling(wet, same_samples(dry, wet))
        return np.concatenate([wet, self._ceiling.finish()], axis=1) if last else wet

    def _longest_wait(self) -> int:
        """Return the most samples by which output lags behind input."""
        settings = self.effect.spectrogram
        rate, hop, n = settings.sample_rate, settings.hop_length, settings.n_fft
        common = math.gcd(self.block_size, hop) if rate == self.sample_rate else 1
        lag = n + self._core.look * hop - common + (-n // 2) % common + self._core.wait
        if rate == self.sample_rate:
            return lag
        # The worst case of both resamplers, because their waits do not coincide.
        at_effect = lag + _resampler_lag(rate, self.sample_rate)
        total = at_effect * self.sample_rate / rate
        total += _resampler_lag(self.sample_rate, rate)
        return math.ceil(total) + SPARE_SAMPLES


@functools.cache
def _resampler_lag(from_rate: int, to_rate: int) -> float:
    """Return the most samples, at `from_rate`, that a resampler holds back.

    The count of its output depends on the count of its input, not on the block sizes.
    """
    step = sound_file.resampler(from_rate, to_rate, 1)
    silence = np.zeros((1, 1), np.float32)
    count_out = np.cumsum([step(silence).shape[-1] for _ in range(REHEARSAL_SAMPLES)])
    count_in = np.arange(1, REHEARSAL_SAMPLES + 1)
    return float(np.max(count_in - count_out * (from_rate / to_rate)))


# The state between frames; see `_step`.
Carry = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]


class FrameCore:
    """The residual of a sound at the effect's own sample rate, frame by frame.

    Attributes:
      factor: `c * gate(c) * scale` of the frames to come.
      look: frames between the frame that is changed and the newest one.
      wait: samples for which the limit waits.
    """

    def __init__(self, effect: Effect, channels: int, settings: RenderSettings):
        """Prepare and compile."""
        self._numbers = residual.numbers_of(effect, settings)
        self._layout = residual.layout_of(effect, settings)
        self.factor = np.float32(0.0)
        self.look = look = self._layout.look
        spectrogram = effect.spectrogram
        n = spectrogram.n_fft
        segments = self._layout.segments
        self.wait = segments.length if self._layout.limited else 0
        # Samples that the limit reads of the dry sound, and that are kept for it.
        hop = spectrogram.hop_length
        self._dry_length = segments.history + 2 * segments.length + hop
        self._before = (look - 1) * hop + self._dry_length
        self._samples = np.zeros((channels, self._before + n // 2), np.float32)
        # Frames analysed, samples put out, samples taken in.
        self._frames = self._count_out = self._count_in = 0
        self._carry = (
            jnp.zeros((channels, 2 * look, spectrogram.bins), jnp.complex64),
            jnp.zeros(2 * look, jnp.float32),
            jnp.zeros(2 * look, jnp.float32),
            jnp.zeros((channels, n - hop), jnp.float32),
            jnp.zeros((channels, 2 * segments.length), jnp.float32),
        )
        # Run once, so that the first block need not wait for the compiler.
        self._run(np.zeros((channels, self._before + n), np.float32), 0.0, ENDLESS)

    def push(self, samples: np.ndarray, frames: int = ENDLESS) -> np.ndarray:
        """Take `[channels, n]` float32; return what is ready, `[channels, m]`.

        `frames` are those of the whole sound.
        """
        spectrogram = self._layout.spectrogram
        hop, n = spectrogram.hop_length, spectrogram.n_fft
        self._count_in += samples.shape[-1]
        self._samples = np.concatenate([self._samples, samples], axis=1)
        parts = [self._samples[:, :0]]
        length = self._before + n
        while self._samples.shape[-1] >= length:
            exists = float(self._frames < frames)
            self._carry, audio = self._run(self._samples[:, :length], exists, frames)
            stop = (self._frames - self.look + 1) * hop - n // 2 - self.wait
            self._samples = self._samples[:, hop:]
            self._frames += 1
            fresh = min(hop, max(0, stop - self._count_out))
            parts.append(np.asarray(audio)[:, hop - fresh :])
            self._count_out += fresh
        return np.concatenate(parts, axis=1)

    def finish(self) -> np.ndarray:
        """Return the rest, so that output and input are equally long."""
        spectrogram, count = self._layout.spectrogram, self._count_in
        hops = (self.look + 1) * spectrogram.hop_length
        silence = spectrogram.n_fft + hops + self.wait
        silent = np.zeros((len(self._samples), silence), np.float32)
        rest = self.push(silent, spectrogram.frames(count))
        return rest[:, : rest.shape[-1] - (self._count_out - count)]

    def _run(
        self, samples: np.ndarray, exists: float, frames: int
    ) -> tuple[Carry, jax.Array]:
        spectrogram = self._layout.spectrogram
        hop, half = spectrogram.hop_length, spectrogram.n_fft // 2
        start = (self._frames - self.look) * hop - half
        power = residual.inverse_power(start, start + hop, frames, spectrogram)
        window, dry = samples[:, self._before :], samples[:, : self._dry_length]
        arguments = window, dry, self.factor, np.float32(exists), power, self._numbers
        result: tuple[Carry, jax.Array] = _step(
            self._carry, *arguments, layout=self._layout
        )
        return result


@functools.partial(jax.jit, static_argnames="layout")
def _step(
    carry: Carry,
    window: jax.Array,
    dry: jax.Array,
    factor: jax.Array,
    exists: jax.Array,
    power: jax.Array,
    numbers: residual.Numbers,
    *,
    layout: residual.Layout,
) -> tuple[Carry, jax.Array]:
    """Analyse one frame, change the frame `look` frames earlier, put out one hop.

    Args:
      carry: spectra of the earlier frames, `[channel, 2 look, freq]`; their factors and
        whether they exist, `[2 look]`; unfinished output, `[channel, n_fft - hop]`; and
        what has been added before the limit, `[channel, 2 segments]`.
      window: samples of the new frame, `[channel, n_fft]`.
      dry: those that the limit reads, up to the end of the hop that is put out.
      factor, exists: of the new frame.
      power: 1 over the sum of squared windows, `[hop]`.

    Returns:
      The carry, and `[channel, hop]`, with the limit a segment late.
    """
    spectra, factors, present, tail, latest = carry
    settings, hop = layout.spectrogram, layout.spectrogram.hop_length
    spectra = jnp.concatenate([spectra, residual.analyse(window, settings)], axis=1)
    factors = jnp.append(factors, factor)
    present = jnp.append(present, exists)
    magnitude = residual.magnitudes(spectra, layout.linked)
    x = residual.normalised(magnitude, present, numbers.constants)
    middle = factors[layout.look : layout.look + 1]
    added = residual.change(spectra, magnitude, x, middle, present, numbers, layout)
    audio = residual.synthesise(added, settings)
    audio = audio + jnp.pad(tail, ((0, 0), (0, hop)))
    tail, audio = audio[:, hop:], audio[:, :hop] * power[None, :]
    carried = spectra[:, 1:], factors[1:], present[1:], tail
    if not layout.limited:
        return (*carried, latest), audio
    segments = layout.segments
    audio = jnp.concatenate([latest, audio], axis=1)
    limited = residual.held(
        audio, dry, segments.history, segments.length, numbers, layout
    )
    return (*carried, audio[:, hop:]), limited
