"""What a sound is like to the ear, apart from how loud it is: one function a quality.

A quality is a pure, differentiable function of a magnitude spectrogram. A gain on the
sound does not change it. The heard audit asks for a change of one, labels name one, and
the even knob of an effect file is measured in its unit. Source: ours; the descriptors
are the usual ones of music information retrieval, with their logarithm where the ear
hears ratios.

To add a quality, follow CONTRIBUTING.md: it is measured a second time by
`evaluation.heard.measure`. `tests/model/test_qualities.py` runs over the table.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings

# Analysis of a sound by its qualities. Not an effect's own resolution, because the
# audit must hear what other ears hear.
WINDOW, HOP = 1024, 256
# Frames this far below the loudest, in power, count as pauses: 40 dB.
PAUSE = 1e-4
# Keeps logarithms finite; far below anything that counts.
TINY = 1e-14
# The floor of a bin's power, as a share of the mean and of the greatest power: what is
# 100 and 50 dB below does not count as sound.
FLOOR_OF_MEAN, FLOOR_OF_PEAK = 1e-10, 1e-5
# Gain before the logarithm of the attack's level: 40 dB below the peak is half-way.
LEVEL_GAIN = 100.0


def spectral_flatness(magnitude: jax.Array, settings: SpectrogramSettings) -> jax.Array:
    """Return `10 log10` of the geometric over the arithmetic mean of power, in dB.

    The mean over the frames that sound; 0 at most, -2.5 for white noise, far below for
    tones.
    """
    del settings
    power = _power(magnitude)
    frame = jnp.mean(power, axis=-2)
    sounds = jax.lax.stop_gradient(
        frame > PAUSE * jnp.max(frame, axis=-1, keepdims=True)
    ).astype(magnitude.dtype)
    ratio = jnp.mean(jnp.log(power), axis=-2) - jnp.log(frame)
    mean = jnp.sum(sounds * ratio, axis=-1) / jnp.maximum(jnp.sum(sounds, axis=-1), 1.0)
    return 10.0 / jnp.log(10.0) * mean


def spectral_centroid(magnitude: jax.Array, settings: SpectrogramSettings) -> jax.Array:
    """Return log2 of the mean frequency in Hz, weighted by magnitude: octaves."""
    frequency = jnp.arange(magnitude.shape[-2]) * (
        settings.sample_rate / settings.n_fft
    )
    weight = jnp.sum(magnitude, axis=-1)
    mean = weight @ frequency / (jnp.sum(weight, axis=-1) + TINY)
    return jnp.log2(mean + 1.0)


def attack(magnitude: jax.Array, settings: SpectrogramSettings) -> jax.Array:
    """Return log of the mean rise along time over the mean, of the level.

    The level is `log1p(100 |X| / max|X|)`, so that a stroke counts by its ratio.
    """
    del settings
    peak = jnp.max(magnitude, axis=(-2, -1), keepdims=True)
    level = jnp.log1p(LEVEL_GAIN * magnitude / (peak + TINY))
    rise = jnp.mean(jnp.maximum(jnp.diff(level, axis=-1), 0.0), axis=(-2, -1))
    mean = jnp.mean(level, axis=(-2, -1))
    return jnp.log(rise / (mean + TINY) + 1e-6)


def spectral_contrast(magnitude: jax.Array, settings: SpectrogramSettings) -> jax.Array:
    """Return log of the mean absolute second difference along frequency of log power.

    Large where peaks and gaps stand close together, small where the spectrum is smooth.
    """
    del settings
    power = _power(magnitude)
    floor = FLOOR_OF_PEAK * jnp.max(power, axis=(-2, -1), keepdims=True)
    log_power = jnp.log(power + floor)
    bend = 2 * log_power[..., 1:-1, :] - log_power[..., 2:, :] - log_power[..., :-2, :]
    return jnp.log(jnp.mean(jnp.abs(bend), axis=(-2, -1)) + 1e-6)


def _power(magnitude: jax.Array) -> jax.Array:
    power = magnitude**2
    mean = jnp.mean(power, axis=(-2, -1), keepdims=True)
    return power + FLOOR_OF_MEAN * mean + TINY


# Maps magnitude `[..., freq, frame]` and its settings to `[...]`.
Measure = Callable[[jax.Array, SpectrogramSettings], jax.Array]
# By the names of `quality_names.WORDS`, in their order.
QUALITIES: dict[str, Measure] = {
    function.__name__: function
    for function in (spectral_flatness, spectral_centroid, attack, spectral_contrast)
}


def analysis(sample_rate: int) -> SpectrogramSettings:
    """Return the settings of the spectrogram that qualities are measured on."""
    return SpectrogramSettings(sample_rate, WINDOW, HOP)


def measure(audio: jax.Array, sample_rate: int) -> jax.Array:
    """Measure every quality of a sound.

    Args:
      audio: `[..., samples]`, `WINDOW` samples at least.
      sample_rate: of it, in Hz.

    Returns:
      `[..., quality]` in the order of `QUALITIES`, float32.
    """
    settings = analysis(sample_rate)
    spectrum = spectral.stft_uncentred(audio, settings)
    # With a gradient at 0, which that of `abs` has not.
    magnitude = jnp.sqrt(spectrum.real**2 + spectrum.imag**2 + TINY)
    return jnp.stack(
        [quality(magnitude, settings) for quality in QUALITIES.values()], axis=-1
    )
