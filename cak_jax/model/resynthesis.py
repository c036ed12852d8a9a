"""From a changed spectrogram back to sound, inside the game.

The same step as in rendering: `wet = dry + istft((inv(y) - inv(x)) X / |X|)`, with the
phase of the dry sound. It is differentiable in y.
"""

import flax.struct
import jax
import jax.numpy as jnp

from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings

# A phase needs a magnitude above this, full scale about n_fft / 4.
SILENT = 1e-7


class Sound(flax.struct.PyTreeNode):
    """The samples behind a batch of spectrograms.

    Attributes:
      samples: under all frames of each input, `[batch, (frames - 1) hop + n_fft]`.
      constants: of the normalisation, arrays.
      settings: of the spectrograms; static.
    """

    samples: jax.Array
    constants: Normalization
    settings: SpectrogramSettings = flax.struct.field(pytree_node=False)


def resynthesise(y: jax.Array, x: jax.Array, sound: Sound) -> jax.Array:
    """Return the sound of a changed spectrogram.

    Args:
      y: changed spectrogram `[batch, freq, frame]`; clipped to [0, 1] as in rendering.
      x: the one it was, of the whole band.
      sound: that x is the spectrogram of.

    Returns:
      Samples like `sound.samples`. The first and last `n_fft` are not meant to be
      heard, because frames are missing there.
    """
    settings, constants = sound.settings, sound.constants
    spectrum = spectral.stft_uncentred(sound.samples, settings)

    def magnitude(normalised: jax.Array) -> jax.Array:
        return spectral.denormalise(normalised, constants, power=spectral.fast_power)

    added = magnitude(jnp.clip(y, 0.0, 1.0)) - magnitude(x)
    phase = spectrum / jnp.maximum(jnp.abs(spectrum), SILENT)
    return sound.samples + spectral.istft_uncentred(added * phase, settings)


def middle(samples: jax.Array, sound: Sound, frames_aside: int) -> jax.Array:
    """Return the part of a crop that all its frames reach.

    Args:
      samples: `[..., sample]`, of a crop.
      sound: of the crop.
      frames_aside: that a change at one frame reaches to either side.
    """
    settings = sound.settings
    margin = settings.n_fft + frames_aside * settings.hop_length
    return samples[..., margin : samples.shape[-1] - margin]
