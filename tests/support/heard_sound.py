"""Sounds with their spectrograms, for audits that hear."""

import math

import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch
from cak_jax.model import spectral
from cak_jax.model.audits import heard
from cak_jax.model.resynthesis import Sound
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings

SETTINGS = SpectrogramSettings(44100, 64, 32)
FRAMES = 80
# In the order of `qualities.QUALITIES`: each over some range.
READER = jnp.asarray([0.1, 0.3, 1.0, 0.5], jnp.float32)


def sound_of(samples):
    """Return `(x, sound)` of samples `[batch, sample]` at `SETTINGS`."""
    constants = spectral.constant_arrays(Normalization(10.0, 0.85, 0.0, 3.0))
    samples = jnp.asarray(samples, jnp.float32)
    x = batch.spectrograms(samples, SETTINGS, constants)
    return x, Sound(samples, constants, SETTINGS)


def listen(y, x, sound, target=math.inf):
    """Return how `y` sounds to `READER`."""
    return heard.listen(y, x, sound, 1, READER, target)


def tones(count, seed=0):
    """Return chords over a little noise, `[count, sample]`, as long as 80 frames."""
    samples = batch.crop_samples(FRAMES, SETTINGS)
    generator = np.random.default_rng(seed)
    time = np.arange(samples)[None, :]
    pitches = generator.uniform(0.02, 0.8, (count, 3, 1))
    chord = np.sin(pitches * time[:, None]).sum(axis=1)
    return 0.1 * chord + 1e-3 * generator.standard_normal((count, samples))


def noise_bursts(count, seed=0):
    """Return noise that swells and fades, `[count, sample]`, as long as 80 frames."""
    samples = batch.crop_samples(FRAMES, SETTINGS)
    generator = np.random.default_rng(seed)
    swell = 1.2 + np.sin(np.arange(samples) * 0.02 * (1 + np.arange(count))[:, None])
    return 0.1 * swell * generator.standard_normal((count, samples))
