"""From clips to a batch of normalised spectrograms.

The corpus is kept as audio, which is exact and half the size of its spectrograms; only
the frames of a crop are transformed. `gather` reads their samples on the host,
`gather_resident` on the device, if the corpus fits there.
"""

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.model import spectral
from cak_jax.model.resynthesis import Sound
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.model.train_step import Batch


def crop_samples(frames: int, settings: SpectrogramSettings) -> int:
    """Return the number of samples that `frames` consecutive frames span."""
    return (frames - 1) * settings.hop_length + settings.n_fft


def gather(
    audio: np.ndarray,
    clips: np.ndarray,
    first_frames: np.ndarray,
    frames: int,
    settings: SpectrogramSettings,
) -> np.ndarray:
    """Read the samples under `frames` frames of each clip, for a centred transform.

    Args:
      audio: `[clip, sample]` float32.
      clips, first_frames: of each item, `[batch]`.

    Returns:
      `[batch, crop_samples]` float32; zeros outside the clip.
    """
    span = crop_samples(frames, settings)
    result = np.zeros((len(clips), span), np.float32)
    for row, clip, frame in zip(result, clips, first_frames, strict=True):
        start = int(frame) * settings.hop_length - settings.n_fft // 2
        stop = min(start + span, audio.shape[1])
        begin = max(start, 0)
        if begin < stop:
            row[begin - start : stop - start] = audio[clip, begin:stop]
    return result


def gather_clip(clip: np.ndarray, settings: SpectrogramSettings) -> np.ndarray:
    """Read the samples under all frames of a clip `[sample]`, `[crop_samples]`."""
    zero, frames = np.zeros(1, np.int64), settings.frames(clip.shape[0])
    return gather(clip[None], zero, zero, frames, settings).ravel()


def gather_resident(
    audio: jax.Array,
    clips: jax.Array,
    first_frames: jax.Array,
    frames: int,
    settings: SpectrogramSettings,
) -> jax.Array:
    """Do `gather` on the device, from float32 or float16 `[clip, sample]`.

    `clips` and `first_frames` are `[...]` int32, the result `[..., crop_samples]`.
    """
    start = first_frames * settings.hop_length - settings.n_fft // 2
    offset = jnp.arange(crop_samples(frames, settings))
    index = start[..., None] + offset.reshape((1,) * start.ndim + (-1,))
    inside = (index >= 0) & (index < audio.shape[1])
    samples = audio[clips[..., None], jnp.clip(index, 0, audio.shape[1] - 1)]
    return jnp.where(inside, samples, 0).astype(jnp.float32)


def spectrograms(
    samples: jax.Array, settings: SpectrogramSettings, constants: Normalization
) -> jax.Array:
    """Return normalised spectrograms `[batch, freq, frame]` of gathered samples."""
    magnitude = jnp.abs(spectral.stft_uncentred(jnp.asarray(samples), settings))
    x: jax.Array = spectral.normalise(magnitude, constants, spectral.fast_power)
    return x


def make_batch(
    samples_in: jax.Array,
    samples_target: jax.Array,
    control: jax.Array,
    settings: SpectrogramSettings,
    constants: Normalization,
    hears: bool = False,
    targets: bool = True,
) -> Batch:
    """Build a batch of pairs.

    Args:
      samples_in, samples_target: `[batch, crop_samples]`.
      control: `[batch]`.
      settings, constants: of the spectrograms.
      hears: whether the game hears the inputs' samples.
      targets: whether the game reads targets.
    """
    return Batch(
        x_in=spectrograms(samples_in, settings, constants),
        x_target=(
            spectrograms(samples_target, settings, constants) if targets else None
        ),
        control=control,
        sound=Sound(samples_in, constants, settings) if hears else None,
    )
