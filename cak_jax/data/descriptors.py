"""Numbers that describe the texture of a clip, as pure functions.

Every function takes a `Sound` and returns a scalar. Those that "ignore padding" are not
changed by zeros around the sound. All are finite on silence.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cak_jax.model import qualities, spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings

TINY = 1e-12
ROLLOFF_SHARE = 0.85
ONSET_SPACING_SECONDS = 0.05
_ACTIVE_SHARE = 1e-6


class Sound(NamedTuple):
    """Samples `[sample]`, their magnitudes `[freq, frame]`, and how these were made."""

    audio: jax.Array
    magnitude: jax.Array
    settings: SpectrogramSettings

    @property
    def frequencies(self) -> jax.Array:
        """Return the frequencies of the bins in Hz, `[freq]`."""
        step = self.settings.sample_rate / self.settings.n_fft
        return jnp.arange(self.settings.bins) * step


def rms(sound: Sound) -> jax.Array:
    """Return the root mean square of all samples, padding included; full scale 1."""
    return jnp.sqrt(jnp.mean(sound.audio**2))


def crest_factor(sound: Sound) -> jax.Array:
    """Return peak over RMS, 1 or more; the square root of 2 for a sine."""
    return jnp.max(jnp.abs(sound.audio)) / (rms(sound) + TINY)


def spectral_centroid(sound: Sound) -> jax.Array:
    """Return the mean frequency in Hz, weighted by magnitude; ignores padding."""
    weight = jnp.sum(sound.magnitude, axis=1)
    return jnp.sum(sound.frequencies * weight) / (jnp.sum(weight) + TINY)


def spectral_flatness(sound: Sound) -> jax.Array:
    """Return the geometric over the arithmetic mean of power, mean over active frames.

    0 for a tone, exp(-0.5772) = 0.56 for white noise. A frame is active if its power is
    above a millionth of the loudest frame's power, so it ignores padding.
    """
    power = sound.magnitude**2
    mean = jnp.mean(power, axis=0)
    log_mean = jnp.mean(jnp.log(jnp.maximum(power, TINY)), axis=0)
    flatness = jnp.exp(log_mean) / jnp.maximum(mean, TINY)
    active = mean > _ACTIVE_SHARE * jnp.max(mean)
    return jnp.sum(jnp.where(active, flatness, 0.0)) / jnp.maximum(jnp.sum(active), 1)


def spectral_rolloff(sound: Sound) -> jax.Array:
    """Return the frequency in Hz below which 85% of magnitude lies; ignores padding."""
    below = jnp.cumsum(jnp.sum(sound.magnitude, axis=1))
    index = jnp.argmax(below >= ROLLOFF_SHARE * below[-1])
    return sound.frequencies[index]


def zero_crossing_rate(sound: Sound) -> jax.Array:
    """Return changes of sign per sample, 0 to 1; 2 f / sample_rate for a sine of f."""
    positive = sound.audio >= 0
    return jnp.mean((positive[1:] != positive[:-1]).astype(jnp.float32))


def onset_density(sound: Sound) -> jax.Array:
    """Return onsets per second, the peaks of the spectral flux.

    The flux of a frame is the sum of the rises of `log1p(100 |X| / max|X|)` since the
    frame before. A peak is the greatest flux within 0.05 s, and at least one standard
    deviation above the mean. An onset at the start counts, so does a cut at the end.
    """
    level = jnp.log1p(100.0 * sound.magnitude / (jnp.max(sound.magnitude) + TINY))
    rise = jnp.diff(level, axis=1, prepend=jnp.zeros_like(level[:, :1]))
    flux = jnp.sum(jnp.maximum(rise, 0.0), axis=0)
    rate, hop = sound.settings.sample_rate, sound.settings.hop_length
    reach = max(1, round(ONSET_SPACING_SECONDS * rate / hop))
    padded = jnp.pad(flux, (reach, reach))
    frames = flux.shape[0]
    near = jnp.stack([padded[i : i + frames] for i in range(2 * reach + 1)])
    # Strictly above the frames before, so that a plateau is one onset.
    peak = (flux > jnp.max(near[:reach], axis=0)) & (flux >= jnp.max(near, axis=0))
    peak &= flux > jnp.mean(flux) + jnp.std(flux)
    return jnp.sum(peak) * (rate / sound.audio.shape[0])


def attack(sound: Sound) -> jax.Array:
    """Return the quality of that name, at the corpus's resolution."""
    return qualities.attack(sound.magnitude, sound.settings)


def spectral_contrast(sound: Sound) -> jax.Array:
    """Return the quality of that name, at the corpus's resolution."""
    return qualities.spectral_contrast(sound.magnitude, sound.settings)


DESCRIPTORS = {
    function.__name__: function
    for function in (
        rms,
        crest_factor,
        spectral_centroid,
        spectral_flatness,
        spectral_rolloff,
        zero_crossing_rate,
        onset_density,
        attack,
        spectral_contrast,
    )
}
"""Descriptors by the name that a configuration gives them."""


def describe(
    audio: jax.Array, magnitude: jax.Array, settings: SpectrogramSettings
) -> dict[str, jax.Array]:
    """Return every descriptor of `audio [sample]` with its `magnitude [freq, frame]`.

    Raises:
      ValueError: a rank is wrong, or the magnitude has other settings.
    """
    if audio.ndim != 1 or magnitude.ndim != 2 or magnitude.shape[0] != settings.bins:
        raise ValueError(
            f"audio must be [sample] and magnitude [{settings.bins}, frame], "
            f"got {audio.shape} and {magnitude.shape}"
        )
    sound = Sound(audio, magnitude, settings)
    return {name: function(sound) for name, function in DESCRIPTORS.items()}


@functools.partial(jax.jit, static_argnames="settings")
def describe_audio(
    audio: jax.Array, settings: SpectrogramSettings
) -> dict[str, jax.Array]:
    """Return every descriptor of `audio [sample]`, which it also transforms."""
    return describe(audio, jnp.abs(spectral.stft(audio, settings)), settings)
