"""What an effect adds, a frame at a time: the state that a live stream carries."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.rendering import residual
from cak_jax.rendering.settings import RenderSettings


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
