"""Short-time Fourier transform and the corpus-wide magnitude normalisation.

Pure functions on NumPy and JAX arrays alike; nothing here reads files or configuration,
and JAX is not imported for arrays of NumPy.
Source: arXiv 2508.02643, section on data, and the published preprocessing.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from cak_jax.model.arrays import Array, array_module
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings

# How `base ** exponent` is computed.
Power = Callable[[Any, Any], Array]


def constant_arrays(constants: Normalization) -> Normalization:
    """Return the same constants as float32 arrays, for traced arguments."""
    import jax.numpy as jnp

    return Normalization._make(map(jnp.float32, constants))


def hann(n_fft: int) -> np.ndarray:
    """Return the periodic Hann window, `[n_fft]` float32."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


def frame(audio: Array, settings: SpectrogramSettings) -> Array:
    """Cut `[..., samples]` into overlapping windows `[..., frame, n_fft]`.

    No padding: the first frame starts at sample 0 and samples that do not fill
    a frame are dropped.
    """
    hop = settings.hop_length
    overlap = settings.n_fft // hop
    hops = audio.shape[-1] // hop
    blocks = audio[..., : hops * hop].reshape(*audio.shape[:-1], hops, hop)
    # Concatenated slices and no gather, because XLA turns them into plain copies.
    count = hops - overlap + 1
    return array_module(audio).concatenate(
        [blocks[..., i : i + count, :] for i in range(overlap)], axis=-1
    )


def stft_uncentred(audio: Array, settings: SpectrogramSettings) -> Array:
    """Transform padded audio `[..., samples]` to `[..., freq, frame]`."""
    frames = frame(audio, settings)
    window = hann(settings.n_fft).reshape((1,) * (frames.ndim - 1) + (-1,))
    xp = array_module(frames)
    return xp.swapaxes(xp.fft.rfft(frames * window), -1, -2)


def stft(audio: Array, settings: SpectrogramSettings) -> Array:
    """Compute the centred, zero-padded short-time Fourier transform.

    Args:
      audio: `[..., samples]` float, one sample at least.
      settings: window and hop; frame t is centred on sample `t * hop_length`.

    Returns:
      `[..., freq, frame]` complex64, frequency 0 first,
      `1 + samples // hop_length` frames.
    """
    if audio.ndim < 1 or audio.shape[-1] < 1:
        raise ValueError(f"audio must be [..., samples], got {audio.shape}")
    half = settings.n_fft // 2
    width = [(0, 0)] * (audio.ndim - 1) + [(half, half)]
    return stft_uncentred(array_module(audio).pad(audio, width), settings)


def overlap_add(frames: Array, settings: SpectrogramSettings) -> Array:
    """Add `[..., frame, n_fft]` at steps of one hop: `[..., samples]`."""
    hop = settings.hop_length
    overlap = settings.n_fft // hop
    count = frames.shape[-2]
    blocks = frames.reshape(*frames.shape[:-1], overlap, hop)
    lead, xp = [(0, 0)] * (frames.ndim - 2), array_module(frames)
    shifted = [
        xp.pad(blocks[..., i, :], [*lead, (i, overlap - 1 - i), (0, 0)])
        for i in range(overlap)
    ]
    total = functools.reduce(xp.add, shifted)
    return total.reshape(*frames.shape[:-2], (count + overlap - 1) * hop)


def window_power(frames: int, settings: SpectrogramSettings) -> np.ndarray:
    """Return the summed squared window under `frames` frames, `[samples]` float32.

    0 occurs at the rim only, where no sound is; it is replaced by 1, the divisor that
    keeps the rim 0.
    """
    hop = settings.hop_length
    square = hann(settings.n_fft).astype(np.float64) ** 2
    total = np.zeros((frames - 1) * hop + settings.n_fft)
    for index in range(frames):
        total[index * hop : index * hop + settings.n_fft] += square
    return np.where(total > np.finfo(np.float32).tiny, total, 1.0).astype(np.float32)


def istft_uncentred(spectrum: Array, settings: SpectrogramSettings) -> Array:
    """Invert `stft_uncentred`: `[..., freq, frame]` to all samples under the frames."""
    xp = array_module(spectrum)
    frames = xp.fft.irfft(xp.swapaxes(spectrum, -1, -2), n=settings.n_fft)
    lead = (1,) * (frames.ndim - 2)
    audio = overlap_add(frames * hann(settings.n_fft).reshape(*lead, 1, -1), settings)
    return audio / window_power(spectrum.shape[-1], settings).reshape(*lead, -1)


def istft(spectrum: Array, settings: SpectrogramSettings, samples: int) -> Array:
    """Invert `stft` by weighted overlap-add.

    Args:
      spectrum: `[..., freq, frame]` complex.
      settings: those of the forward transform.
      samples: length of the result; beyond the last frame it is zero.

    Returns:
      `[..., samples]` float32.
    """
    if spectrum.ndim < 2 or spectrum.shape[-2] != settings.bins:
        raise ValueError(
            f"spectrum must be [..., {settings.bins}, frame], got {spectrum.shape}"
        )
    half = settings.n_fft // 2
    audio = istft_uncentred(spectrum, settings)[..., half : half + samples]
    missing = samples - audio.shape[-1]
    width = [(0, 0)] * (audio.ndim - 1) + [(0, max(0, missing))]
    return array_module(audio).pad(audio, width)


def compress(magnitude: Array, alpha: float) -> Array:
    """Return `log1p(alpha * sqrt|X|)`, the scale on which `low` and `high` live."""
    xp = array_module(magnitude, alpha)
    return xp.log1p(alpha * xp.sqrt(magnitude))


def plain_power(base: Array, exponent: Array) -> Array:
    """Return `base ** exponent`."""
    return array_module(base, exponent).power(base, exponent)


def fast_power(base: Array, exponent: Array) -> Array:
    """Return `base ** exponent` for bases in [0, 1]; 0 at 0, exact to a few ulp.

    Four times as fast as `**` on CPU, because XLA does not vectorise that. Its gradient
    at 0 is 0 and not infinite, so that silence does not spoil a whole gradient.
    """
    xp = array_module(base, exponent)
    safe = xp.where(base > 0.0, base, 1.0)
    return xp.where(base > 0.0, xp.exp2(exponent * xp.log2(safe)), 0.0)


def normalise(
    magnitude: Array, constants: Normalization, power: Power = plain_power
) -> Array:
    """Map a magnitude to [0, 1]: `clip((compress - low) / (high - low))**gamma`.

    Args:
      magnitude: `|X|`, any shape, not negative.
      constants: those of the corpus.
      power: computes `**`, such as `fast_power`.

    Returns:
      The same shape, in [0, 1].
    """
    span = constants.high - constants.low + 1e-8
    unit = (compress(magnitude, constants.alpha) - constants.low) / span
    return power(array_module(unit).clip(unit, 0.0, 1.0), constants.gamma)


def denormalise(
    normalised: Array,
    constants: Normalization,
    guard: float = 0.0,
    power: Power = plain_power,
) -> Array:
    """Invert `normalise` on [0, 1]; the result is never negative.

    Args:
      normalised: values in [0, 1], any shape.
      constants: those of the corpus.
      guard: added before the power; the published renderer adds 1e-8.
      power: computes `**`.

    Returns:
      `|X|`, the same shape.
    """
    unit = power(normalised + guard, 1.0 / constants.gamma)
    level = unit * (constants.high - constants.low) + constants.low
    xp = array_module(level)
    return (xp.maximum(xp.expm1(level), 0.0) / constants.alpha) ** 2
