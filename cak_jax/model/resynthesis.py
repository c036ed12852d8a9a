"""From a changed spectrogram back to sound, inside the game.

The same step as in rendering, `wet = dry + limit(istft((inv(y) - inv(x)) X / |X|))`,
with the phase of the dry sound. It is differentiable in y.
"""

import flax.struct
import jax
import jax.numpy as jnp

from cak_jax.model import spectral
from cak_jax.model.arrays import Array
from cak_jax.model.limit import floor_power, limit, segments_of
from cak_jax.model.spectrogram_settings import (
    LIMIT_FLOOR_DB,
    Normalization,
    SpectrogramSettings,
)

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

    def magnitude(normalised: jax.Array) -> Array:
        return spectral.denormalise(normalised, constants, power=spectral.fast_power)

    added = magnitude(jnp.clip(y, 0.0, 1.0)) - magnitude(x)
    phase = spectrum / jnp.maximum(jnp.abs(spectrum), SILENT)
    change = spectral.istft_uncentred(added * phase, settings)
    segments = segments_of(settings)
    lead = [(0, 0)] * (sound.samples.ndim - 1)
    # Silence around a crop; its ends are not meant to be heard.
    change = jnp.pad(change, [*lead, (segments.length, segments.length)])
    aside = segments.history + segments.length, segments.length
    dry = jnp.pad(sound.samples, [*lead, aside])
    floor = jnp.float32(floor_power(LIMIT_FLOOR_DB))
    wet: jax.Array = sound.samples + limit(change, dry, floor, segments)
    return wet


def margin(n_fft: int, hop_length: int, frames_aside: int) -> int:
    """Return the samples at either end of a crop that some of its frames do not reach.

    Args:
      n_fft, hop_length: of its spectrogram.
      frames_aside: that a change at one frame reaches to either side.
    """
    return n_fft + frames_aside * hop_length


def middle(
    samples: jax.Array, settings: SpectrogramSettings, frames_aside: int
) -> jax.Array:
    """Return the part of a crop that all its frames reach.

    Args:
      samples: `[..., sample]`, of a crop.
      settings: of its spectrogram.
      frames_aside: that a change at one frame reaches to either side.
    """
    aside = margin(settings.n_fft, settings.hop_length, frames_aside)
    return samples[..., aside : samples.shape[-1] - aside]
