"""An effect live: a block of sound in, a block out, a fixed number of samples later."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.audio import sound_file as audio_lib
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import residual
from cak_jax.rendering.knob import Factors, Knob, Value, make_knob
from cak_jax.rendering.loudness import bounded_gain
from cak_jax.rendering.settings import (
    KNOB,
    MATCH_SECONDS,
    MAX_CHANNELS,
    RenderSettings,
    check_number,
    check_sample_rate,
)

# Over so many samples a resampler shows its whole rhythm, several times.
REHEARSAL_SAMPLES = 1 << 15
SPARE_SAMPLES = 8


class Stream:
    """Render sound as it comes.

    What comes out equals what `render` gives for the whole sound with loudness "none",
    `latency` samples later: with `B = block_size`, `n = n_fft`, `h` the frames between
    the kernel's cells and `g = gcd(B, hop)`, at the effect's own sample rate

        latency = n + h hop - g + (-n / 2 mod g),

    the window, the kernel's look ahead, and the wait for a whole hop. At another rate
    `g = 1`, and the longest waits for two resamplers' bursts are added.

    Attributes:
      knob: where it stands, a number.
      latency: samples at `sample_rate` between in and out.
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
          effect: what to apply.
          sample_rate: of the sound, Hz.
          channels: of the sound.
          block_size: samples per channel of every block.
          control, amount: the knob to begin with, one of them; see `set_knob`.
          match_seconds: time constant of a running match of the wet sound's RMS to the
            dry one's; 0 for none. (The gain over a whole sound cannot be known live.)
          settings: how to render, but for mode and loudness; linked, whole and plain
            if left out.

        Raises:
          EffectError: naming an argument that is out of range.
        """
        self.effect = effect
        self.sample_rate = check_sample_rate(sample_rate)
        self.channels = _whole("channels", channels, MAX_CHANNELS)
        self.block_size = _whole("block_size", block_size, 1 << 20)
        settings = settings or RenderSettings(loudness="none")
        if (settings.mode, settings.loudness) != ("residual", "none"):
            raise EffectError(
                "a stream knows mode residual and loudness none; match_seconds is its "
                "own match"
            )
        self._mix = settings.mix
        self._core = FrameCore(effect, self.channels, settings)
        self.set_knob(control=control, amount=amount)
        self._match = _RunningMatch(match_seconds, sample_rate)
        rate = effect.spectrogram.sample_rate
        self._into = audio_lib.resampler(self.sample_rate, rate, self.channels)
        self._out = audio_lib.resampler(rate, self.sample_rate, self.channels)
        self.latency = self._longest_wait()
        self._dry = np.zeros((self.channels, self.latency), np.float32)
        self._added = np.zeros((self.channels, self.latency), np.float32)
        self._finished = False

    def set_knob(
        self, *, control: Value | None = None, amount: Value | None = None
    ) -> None:
        """Turn the knob, from the next frame on.

        Args:
          control: the raw knob, 0 to 10.
          amount: instead, the knob with the gate inverted.
        """
        knob = make_knob(control, amount)
        number = check_number(knob.unit, knob.value, *KNOB)
        self.knob = Knob(number, knob.unit)
        self._core.factor = Factors(self.effect, self.knob)(0, 1)[0]

    def process(self, block: np.ndarray) -> np.ndarray:
        """Take `[channels, block_size]` float and give as many samples, float32."""
        if self._finished:
            raise EffectError("the stream has been finished: make another")
        wanted = self.channels, self.block_size
        if np.shape(block) != wanted:
            raise EffectError(f"a block must be {wanted}, got {np.shape(block)}")
        return self._step(np.asarray(block, np.float32), last=False)

    def finish(self, rest: np.ndarray | None = None) -> np.ndarray:
        """Give what is still inside: `latency` samples, and as many as `rest` has.

        Args:
          rest: a last, shorter block `[channels, n]`.
        """
        if self._finished:
            raise EffectError("the stream has been finished: make another")
        if rest is None:
            rest = np.zeros((self.channels, 0))
        if np.ndim(rest) != 2 or len(rest) != self.channels:
            raise EffectError(
                f"the rest must be [{self.channels}, n], got {np.shape(rest)}"
            )
        self._finished = True
        return self._step(np.asarray(rest, np.float32), last=True)

    def _step(self, block, last):
        # One bad sample would stay in the resamplers and the running level for ever.
        block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        added = self._core.push(self._into(block, last))
        if last:
            added = np.concatenate([added, self._core.finish()], axis=1)
        added = self._out(added, last)
        self._dry = np.concatenate([self._dry, block], axis=1)
        self._added = np.concatenate([self._added, added], axis=1)
        count = self._dry.shape[-1] if last else block.shape[-1]
        if last:
            missing = max(0, count - self._added.shape[-1])
            self._added = np.pad(self._added, ((0, 0), (0, missing)))
        dry, self._dry = self._dry[:, :count], self._dry[:, count:]
        change, self._added = self._added[:, :count], self._added[:, count:]
        wet = dry + change * np.float32(self._mix) if self._mix else dry.copy()
        return self._match(dry, wet)

    def _longest_wait(self) -> int:
        """Return by how many samples what is ready lags behind at most."""
        settings = self.effect.spectrogram
        own, hop, n = settings.sample_rate, settings.hop_length, settings.n_fft
        common = math.gcd(self.block_size, hop) if own == self.sample_rate else 1
        lag = n + self._core.look * hop - common + (-n // 2) % common
        if own == self.sample_rate:
            return lag
        # The bursts of the two never settle into one rhythm: each at its worst.
        lag = (lag + _resampler_lag(own, self.sample_rate)) * self.sample_rate / own
        lag += _resampler_lag(self.sample_rate, own)
        return math.ceil(lag) + SPARE_SAMPLES


@functools.cache
def _resampler_lag(from_rate: int, to_rate: int) -> float:
    """Return the most samples, at `from_rate`, that a resampler keeps to itself.

    How many it has given depends only on how many it was given, not on the blocks.
    """
    step = audio_lib.resampler(from_rate, to_rate, 1)
    silence = np.zeros((1, 1), np.float32)
    given = np.cumsum([step(silence).shape[-1] for _ in range(REHEARSAL_SAMPLES)])
    heard = np.arange(1, REHEARSAL_SAMPLES + 1)
    return float(np.max(heard - given * (from_rate / to_rate)))


def _whole(name: str, value, most: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise EffectError(f"{name} must be a whole number, got {value!r}")
    return int(check_number(name, value, 1, most))


class _RunningMatch:
    """A gain that follows the ratio of two running levels; exactly 1 where equal."""

    def __init__(self, seconds: float, sample_rate: int):
        seconds = check_number("match_seconds", seconds, *MATCH_SECONDS)
        self._length = seconds * sample_rate
        self._energies, self._gain = np.zeros(2), 1.0

    def __call__(self, dry: np.ndarray, wet: np.ndarray) -> np.ndarray:
        """Return the wet sound with the gain, which moves in a line over the block."""
        count = dry.shape[-1]
        if not self._length or not count:
            return wet
        keep = np.exp(-count / self._length)
        energies = [np.sum(np.square(s, dtype=np.float64)) for s in (dry, wet)]
        self._energies = keep * self._energies + np.array(energies)
        before = self._gain
        self._gain, _ = bounded_gain(*np.sqrt(self._energies))
        if before == self._gain == 1.0:
            return wet
        return wet * np.linspace(before, self._gain, count, dtype=np.float32)


class FrameCore:
    """What an effect adds, at its own sample rate, a frame at a time.

    Attributes:
      factor: `c * gate(c) * scale` of the frames to come.
      look: frames between the one that is changed and the last one heard.
    """

    def __init__(self, effect: Effect, channels: int, settings: RenderSettings):
        """Prepare and compile."""
        self._numbers = residual.numbers_of(effect, settings)
        self._layout = residual.layout_of(effect, settings)
        self._settings, self.factor = effect.spectrogram, np.float32(0.0)
        self._samples = np.zeros((channels, self._settings.n_fft // 2), np.float32)
        # Frames analysed, samples given, samples heard.
        self._frames = self._given = self._heard = 0
        self.look = look = self._layout.look
        n = self._settings.n_fft
        self._carry = (
            jnp.zeros((channels, 2 * look, self._settings.bins), jnp.complex64),
            jnp.zeros(2 * look, jnp.float32),
            jnp.zeros(2 * look, jnp.float32),
            jnp.zeros((channels, n - self._settings.hop_length), jnp.float32),
        )
        # Compile now, not in the first block; the carry is not touched.
        self._run(np.zeros((channels, n), np.float32), 0.0, 1 << 60)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take `[channels, n]` float32 and give what is ready, `[channels, m]`."""
        self._heard += samples.shape[-1]
        self._samples = np.concatenate([self._samples, samples], axis=1)
        return self._advance(1 << 60)

    def finish(self) -> np.ndarray:
        """Give the rest, so that as much was given as heard."""
        settings = self._settings
        frames = settings.frames(self._heard)
        silence = settings.n_fft + (self._layout.look + 1) * settings.hop_length
        self._samples = np.pad(self._samples, ((0, 0), (0, silence)))
        found = self._advance(frames)
        return found[:, : found.shape[-1] - (self._given - self._heard)]

    def _advance(self, frames: int) -> np.ndarray:
        """Analyse every whole frame; there are `frames` in all."""
        hop, n = self._settings.hop_length, self._settings.n_fft
        found = [np.zeros((len(self._samples), 0), np.float32)]
        while self._samples.shape[-1] >= n:
            exists = float(self._frames < frames)
            window = self._samples[:, :n]
            self._carry, audio = self._run(window, exists, frames)
            stop = (self._frames - self._layout.look + 1) * hop - n // 2
            self._samples = self._samples[:, hop:]
            self._frames += 1
            fresh = max(0, stop - self._given)
            found.append(np.asarray(audio)[:, hop - min(hop, fresh) :])
            self._given += min(hop, fresh)
        return np.concatenate(found, axis=1)

    def _run(self, window, exists, frames):
        hop, half = self._settings.hop_length, self._settings.n_fft // 2
        start = (self._frames - self._layout.look) * hop - half
        power = residual.inverse_power(start, start + hop, frames, self._settings)
        return _step(
            self._carry,
            window,
            self.factor,
            np.float32(exists),
            power,
            self._numbers,
            layout=self._layout,
        )


@functools.partial(jax.jit, static_argnames="layout")
def _step(carry, window, factor, exists, power, numbers, *, layout):
    """Analyse one frame, change the one `look` frames before, give one hop.

    Args:
      carry: the frames before, `[channel, 2 look, freq]`; their factors, and whether
        they exist; and the sound begun, `[channel, n_fft - hop]`.
      window: samples of the new frame, `[channel, n_fft]`.
      factor, exists: of the new frame.
      power: one over the window's summed square, `[hop]`.
      numbers, layout: of the effect.

    Returns:
      The carry, and `[channel, hop]`.
    """
    spectra, factors, present, tail = carry
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
    carry = spectra[:, 1:], factors[1:], present[1:], audio[:, hop:]
    return carry, audio[:, :hop] * power[None, :]
