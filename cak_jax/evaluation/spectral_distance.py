"""How two sounds differ, or what one is like, from spectrograms: pure functions.

Magnitudes are `[freq, frame]`, frequency 0 first. Everything is counted down to a floor
of `FLOOR_DB` below the dry sound's loudest bin, under which nothing is heard, and over
the frames in which the dry sound rises above it: padding and pauses are no part of it.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering.loudness import decibels

FLOOR_DB = -80.0
# Changes below are float32 rounding.
NOTHING_DB = 1e-3
TINY = 1e-12
# Octaves; the first reaches down to 0 and the last up to half the sample rate.
EDGES_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
RESOLUTIONS = (512, 1024, 2048)
# auraloss clamps powers there, so that silence has a logarithm.
SMALLEST_POWER = 1e-8


def bands(settings: SpectrogramSettings) -> list[tuple[float, float]]:
    """Return the bands as (low, high) in Hz; those without a bin are left out."""
    nyquist = settings.sample_rate / 2
    edges = [0.0, *(edge for edge in EDGES_HZ if edge < nyquist), nyquist]
    pairs = itertools.pairwise(edges)
    return [pair for pair in pairs if _bins(pair, settings).any()]


def _bins(band: tuple[float, float], settings: SpectrogramSettings) -> np.ndarray:
    frequencies = np.arange(settings.bins) * settings.sample_rate / settings.n_fft
    # Nyquist itself belongs to the last band.
    top = band[1] >= settings.sample_rate / 2
    return (frequencies >= band[0]) & ((frequencies < band[1]) | top)


def membership(settings: SpectrogramSettings) -> np.ndarray:
    """Return which bin is in which of `bands`, `[band, freq]` float32 of 0 and 1."""
    rows = [_bins(band, settings) for band in bands(settings)]
    return np.stack(rows).astype(np.float32)


def floor_of(dry: jax.Array) -> jax.Array:
    """Return the magnitude below which nothing of `dry [freq, frame]` is heard."""
    return jnp.maximum(jnp.max(dry) * 10 ** (FLOOR_DB / 20), TINY)


def _over_sounding(per_frame: jax.Array, dry: jax.Array, floor: jax.Array):
    sounding = jnp.max(dry, axis=0) > floor
    weight = sounding.reshape((1,) * (per_frame.ndim - 1) + (-1,))
    total = jnp.sum(per_frame * weight, axis=-1)
    return total / jnp.maximum(jnp.sum(sounding), 1)


def _by_band(belongs: jax.Array, per_bin: jax.Array) -> jax.Array:
    """Add bins up by band, in float32 also where products are narrower by default."""
    return jnp.matmul(belongs, per_bin, precision="highest")


def spectral_distance(
    dry: jax.Array, wet: jax.Array, belongs: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the log-spectral distance in dB, of the whole spectrum and by band.

    Mean over sounding frames of `sqrt(mean_f (wet_dB - dry_dB)^2)`, both floored.

    Args:
      dry, wet: magnitudes `[freq, frame]`.
      belongs: of `membership`, `[band, freq]`.

    Returns:
      `([], [band])`.
    """
    floor = floor_of(dry)
    square = jnp.square(decibels(wet, floor) - decibels(dry, floor))
    whole = jnp.sqrt(jnp.mean(square, axis=0))
    share = belongs / jnp.sum(belongs, axis=1, keepdims=True)
    by_band = jnp.sqrt(_by_band(share, square))
    return _over_sounding(whole, dry, floor), _over_sounding(by_band, dry, floor)


def resolutions(audio: jax.Array) -> list[jax.Array]:
    """Return the magnitudes of `audio [samples]` that the next function compares."""
    found = []
    for window in RESOLUTIONS:
        # The sample rate does not matter here.
        settings = SpectrogramSettings(44100, window, window // 4)
        spectrum = spectral.stft(audio, settings)
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        found.append(jnp.sqrt(jnp.maximum(power, SMALLEST_POWER)))
    return found


def multi_resolution_distance(
    dry: list[jax.Array], wet: list[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Return spectral convergence and log magnitude distance over three windows.

        SC = ||Y| - |X||_F / ||X||_F,    LM = mean |ln|Y| - ln|X||

    each the mean over Hann windows of 512, 1024 and 2048 samples with a hop of a
    quarter; their sum is the distance. X is dry, Y wet. Source: Yamamoto, Song and
    Kim, "Parallel WaveGAN", ICASSP 2020, equations 5 to 7; powers are clamped at 1e-8
    as in auraloss (Steinmetz and Reiss, 2020), ends are padded with zeros.

    Args:
      dry, wet: of `resolutions`.

    Returns:
      `(SC, LM)`.
    """
    found = []
    for x, y in zip(dry, wet, strict=True):
        convergence = jnp.sqrt(jnp.sum(jnp.square(y - x)) / jnp.sum(jnp.square(x)))
        found.append((convergence, jnp.mean(jnp.abs(jnp.log(y / x)))))
    convergence, log_magnitude = zip(*found, strict=True)
    return jnp.mean(jnp.stack(convergence)), jnp.mean(jnp.stack(log_magnitude))


def explained(dry: jax.Array, wet: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return how much of the change in dB a gain, and an equaliser, would make.

    With `d = wet_dB - dry_dB` over the bins that are heard (dry or wet above the
    floor): the share of `sum d^2` that one constant explains, `n mean(d)^2 / sum d^2`,
    and that one constant per frequency explains, `sum_f n_f mean_t(d)^2 / sum d^2`.
    Both are 1 for an exact gain of less than 40 dB; the second is 1 for an exact
    equaliser.

    Args:
      dry, wet: magnitudes `[freq, frame]`.

    Returns:
      `(gain, equaliser)`, 0 to 1; NaN where nothing changes.
    """
    floor = floor_of(dry)
    heard = jnp.maximum(dry, wet) > floor
    # Where only one of the two is heard, the other still counts, 40 dB further down.
    lower = floor / 100
    change = jnp.where(heard, decibels(wet, lower) - decibels(dry, lower), 0.0)
    bins = jnp.sum(heard, axis=1)
    sums = jnp.sum(change, axis=1)
    total = jnp.sum(jnp.square(change))
    total = jnp.where(total > NOTHING_DB**2 * jnp.sum(bins), total, jnp.nan)
    gain = jnp.square(jnp.sum(sums)) / jnp.maximum(jnp.sum(bins), 1)
    equaliser = jnp.sum(jnp.square(sums) / jnp.maximum(bins, 1))
    return gain / total, equaliser / total


def band_levels(magnitude: jax.Array, belongs: jax.Array) -> jax.Array:
    """Return the level of each band over the clip in dB, `[band]`.

    100 dB below the whole, a band counts as silent.
    """
    power = _by_band(belongs, jnp.sum(jnp.square(magnitude), axis=1))
    floor = 1e-10 * jnp.sum(power) + TINY
    return 10 * jnp.log10(power + floor)


def texture(
    magnitude: jax.Array, dry: jax.Array, belongs: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return mean and spread over time of each band's level in dB, `[band]` twice.

    Args:
      magnitude: of the sound, `[freq, frame]`.
      dry: of the dry sound: its floor and its sounding frames count.
      belongs: of `membership`.
    """
    floor = floor_of(dry)
    power = _by_band(belongs, jnp.square(magnitude))
    level = 10 * jnp.log10(power + jnp.square(floor))
    mean = _over_sounding(level, dry, floor)
    spread = _over_sounding(jnp.square(level - mean[:, None]), dry, floor)
    return mean, jnp.sqrt(spread)
