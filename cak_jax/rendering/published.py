"""Render as the published application does, for comparison only.

Its processing path: chunks of 15 s that overlap by half and are cross-faded over 256
samples; magnitudes inverted with 1e-8 inside the power; RMS matched to the input within
+-20 dB; tanh(0.95 y) / 0.95. At control 0 the output differs from the input. (In mode
"residual" it does not.)
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.audio import sound_file
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import amount, calibrate
from cak_jax.effect.schema import EffectError
from cak_jax.model import cak, spectral
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.rendering.knob import Knob
from cak_jax.rendering.loudness import rms_gain

CHUNK_SECONDS = 15.0
FADE = 256
GUARD = 1e-8
SMALLEST_GAIN = 0.1


def render(effect: Effect, dry: np.ndarray, sample_rate: int, knob: Knob) -> np.ndarray:
    """Render each channel as the application renders a mono file.

    Args:
      dry: `[channels, samples]`, like the result.
      sample_rate: of `dry`, Hz; the path itself runs at the effect's own rate.
      knob: a number; `EffectError` for any other.
    """
    if not isinstance(knob.value, float):
        raise EffectError("mode published knows one control for the whole sound")
    raw = knob.unit == "control"
    control = knob.value if raw else calibrate(effect, knob.value)
    rate = effect.spectrogram.sample_rate
    analysed = sound_file.resample(dry.astype(np.float32), sample_rate, rate)
    wet = np.stack([_channel(effect, channel, control) for channel in analysed])
    return fit(sound_file.resample(wet, rate, sample_rate), dry.shape[-1])


def fit(audio: np.ndarray, samples: int) -> np.ndarray:
    """Cut or zero-pad `[channels, n]` to `[channels, samples]`."""
    missing = max(0, samples - audio.shape[-1])
    return np.pad(audio[..., :samples], ((0, 0), (0, missing)))


def _channel(effect: Effect, dry: np.ndarray, control: float) -> np.ndarray:
    chunk = int(CHUNK_SECONDS * effect.spectrogram.sample_rate)
    hop = chunk // 2
    starts = list(range(0, len(dry) - chunk + hop, hop)) or [0]
    total, weight = np.zeros(len(dry)), np.zeros(len(dry))
    for start in starts:
        part = dry[start : start + chunk]
        whole = np.pad(part, (0, chunk - len(part)))
        wet = _chunk(effect, whole, control)[: len(part)]
        window = _window(len(part), start > 0, start + len(part) < len(dry))
        total[start : start + len(part)] += wet * window
        weight[start : start + len(part)] += window
    wet = np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), total)
    wet = wet * rms_gain(dry, wet, SMALLEST_GAIN)
    return np.asarray(np.tanh(wet * 0.95) / 0.95)


def _window(samples: int, fade_in: bool, fade_out: bool) -> np.ndarray:
    window = np.ones(samples)
    fade = min(FADE, samples // 4)
    if fade and fade_in:
        window[:fade] = np.linspace(0, 1, fade)
    if fade and fade_out:
        window[-fade:] = np.linspace(1, 0, fade)
    return window


def _chunk(effect: Effect, audio: np.ndarray, control: float) -> np.ndarray:
    numbers = effect.kernel, effect.bias, amount(effect, control)
    kernel, bias, factor = map(jnp.float32, numbers)
    constants = spectral.constant_arrays(effect.normalization)
    wet = _transform(
        *(audio, kernel, bias, factor, constants),
        settings=effect.spectrogram,
        spacing=effect.spacing,
    )
    return np.asarray(wet)


@functools.partial(jax.jit, static_argnames=("settings", "spacing"))
def _transform(
    audio: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    factor: jax.Array,
    constants: Normalization,
    *,
    settings: SpectrogramSettings,
    spacing: tuple[int, int],
) -> jax.Array:
    spectrum = spectral.stft(audio, settings)
    magnitude = jnp.abs(spectrum)
    x = spectral.normalise(magnitude, constants)
    pattern = cak.detect(x, kernel, bias, spacing)
    y = jnp.clip(cak.apply_pattern(x, pattern, factor), 0.0, 1.0)
    silent = magnitude == 0.0
    unit = jnp.where(silent, 1.0, spectrum / jnp.where(silent, 1.0, magnitude))
    wet = spectral.denormalise(y, constants, GUARD) * unit
    return jnp.asarray(spectral.istft(wet, settings, audio.shape[-1]))
