"""Sounds with their spectrograms, for audits that hear."""

import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch
from cak_jax.model import spectral
from cak_jax.model.audits.protocol import Hearing
from cak_jax.model.resynthesis import Sound
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings

SETTINGS = SpectrogramSettings(44100, 64, 32)
FRAMES = 80
# In the order of `qualities.QUALITIES`: each over some range.
READER = jnp.asarray([0.1, 0.3, 1.0, 0.5], jnp.float32)


def hearing_of(samples, frames_aside=1):
    """Return `(x, hearing)` of samples `[batch, sample]` at `SETTINGS`."""
    constants = spectral.constant_arrays(Normalization(10.0, 0.85, 0.0, 3.0))
    samples = jnp.asarray(samples, jnp.float32)
    x = batch.spectrograms(samples, SETTINGS, constants)
    return x, Hearing(
        Sound(samples, constants, SETTINGS), READER, frames_aside=frames_aside
    )


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
