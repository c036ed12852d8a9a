"""Distances between two spectrograms, and measures of one.

Magnitudes are `[freq, frame]`, frequency 0 first. Levels below a floor count as the
floor; it lies `FLOOR_DB` below the loudest bin of the dry sound, where nothing is
audible. Means over time take the frames in which the dry sound rises above the floor,
so that padding and pauses do not count.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering.loudness import decibels

FLOOR_DB = -80.0
# Smaller changes are float32 rounding.
NOTHING_DB = 1e-3
TINY = 1e-12
# `[band, freq]`, from `membership`.
Bands = jax.Array | np.ndarray
# Between octave bands. The first band begins at 0, the last ends at half the sample
# rate.
EDGES_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
RESOLUTIONS = (512, 1024, 2048)
# Powers are clamped here, as in auraloss, so that silence has a logarithm.
SMALLEST_POWER = 1e-8


def bands(settings: SpectrogramSettings) -> list[tuple[float, float]]:
    """Return the bands that hold a bin, as (low, high) in Hz."""
    nyquist = settings.sample_rate / 2
    edges = [0.0, *(edge for edge in EDGES_HZ if edge < nyquist), nyquist]
    pairs = itertools.pairwise(edges)
    return [pair for pair in pairs if _bins(pair, settings).any()]


def _bins(band: tuple[float, float], settings: SpectrogramSettings) -> np.ndarray:
    frequencies = np.arange(settings.bins) * settings.sample_rate / settings.n_fft
    # The bin at the Nyquist frequency belongs to the last band.
    top = band[1] >= settings.sample_rate / 2
    return (frequencies >= band[0]) & ((frequencies < band[1]) | top)


def membership(settings: SpectrogramSettings) -> np.ndarray:
    """Return `[band, freq]` float32: 1 where the bin is in the band of `bands`."""
    rows = [_bins(band, settings) for band in bands(settings)]
    return np.stack(rows).astype(np.float32)


def floor_of(dry: jax.Array) -> jax.Array:
    """Return the magnitude of the floor of `dry [freq, frame]`."""
    return jnp.maximum(jnp.max(dry) * 10 ** (FLOOR_DB / 20), TINY)


def _over_sounding(per_frame: jax.Array, dry: jax.Array, floor: jax.Array) -> jax.Array:
    """Return the mean over the frames in which the dry sound is above the floor."""
    sounding = jnp.max(dry, axis=0) > floor
    weight = sounding.reshape((1,) * (per_frame.ndim - 1) + (-1,))
    total = jnp.sum(per_frame * weight, axis=-1)
    return total / jnp.maximum(jnp.sum(sounding), 1)


def _by_band(in_band: Bands, per_bin: jax.Array) -> jax.Array:
    """Add up the bins of each band.

    The precision is set, because some devices multiply in less than float32.
    """
    return jnp.matmul(in_band, per_bin, precision="highest")


def spectral_distance(
    dry: jax.Array, wet: jax.Array, in_band: Bands
) -> tuple[jax.Array, jax.Array]:
    """Return the log-spectral distance in dB, of the whole spectrum and by band.

    Mean over sounding frames of `sqrt(mean_f (wet_dB - dry_dB)^2)`, both floored.

    Args:
      dry, wet: magnitudes `[freq, frame]`.
      in_band: from `membership`, `[band, freq]`.

    Returns:
      `([], [band])`.
    """
    floor = floor_of(dry)
    square = jnp.square(decibels(wet, floor) - decibels(dry, floor))
    whole = jnp.sqrt(jnp.mean(square, axis=0))
    share = in_band / jnp.sum(in_band, axis=1, keepdims=True)
    by_band = jnp.sqrt(_by_band(share, square))
    return _over_sounding(whole, dry, floor), _over_sounding(by_band, dry, floor)


def resolutions(audio: jax.Array) -> list[jax.Array]:
    """Return the magnitudes of `audio [samples]` in each of `RESOLUTIONS`."""
    magnitudes = []
    for window in RESOLUTIONS:
        # The transform does not depend on the sample rate.
        settings = SpectrogramSettings(44100, window, window // 4)
        spectrum = spectral.stft(audio, settings)
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        magnitudes.append(jnp.sqrt(jnp.maximum(power, SMALLEST_POWER)))
    return magnitudes


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
      dry, wet: from `resolutions`.

    Returns:
      `(SC, LM)`.
    """
    convergence, log_magnitude = [], []
    for x, y in zip(dry, wet, strict=True):
        share = jnp.sum(jnp.square(y - x)) / jnp.sum(jnp.square(x))
        convergence.append(jnp.sqrt(share))
        log_magnitude.append(jnp.mean(jnp.abs(jnp.log(y / x))))
    return jnp.mean(jnp.stack(convergence)), jnp.mean(jnp.stack(log_magnitude))


def explained(dry: jax.Array, wet: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the shares of the change in dB that a gain and an equaliser explain.

    `d = wet_dB - dry_dB` over the audible bins, in which dry or wet is above the floor.
    A gain is one constant; it explains `n mean(d)^2 / sum d^2` of the change. An
    equaliser is one constant per frequency; it explains
    `sum_f n_f mean_t(d)^2 / sum d^2`. Both shares are 1 for an exact gain of less than
    40 dB; the second is 1 for an exact equaliser.

    Args:
      dry, wet: magnitudes `[freq, frame]`.

    Returns:
      `(gain, equaliser)`, 0 to 1; NaN where nothing changes.
    """
    floor = floor_of(dry)
    audible = jnp.maximum(dry, wet) > floor
    # Where only one sound is above the floor, the other counts down to 40 dB below it.
    lower = floor / 100
    change = jnp.where(audible, decibels(wet, lower) - decibels(dry, lower), 0.0)
    bins = jnp.sum(audible, axis=1)
    sums = jnp.sum(change, axis=1)
    total = jnp.sum(jnp.square(change))
    total = jnp.where(total > NOTHING_DB**2 * jnp.sum(bins), total, jnp.nan)
    gain = jnp.square(jnp.sum(sums)) / jnp.maximum(jnp.sum(bins), 1)
    equaliser = jnp.sum(jnp.square(sums) / jnp.maximum(bins, 1))
    return gain / total, equaliser / total


def band_levels(magnitude: jax.Array, in_band: Bands) -> jax.Array:
    """Return the level of each band over the clip in dB, `[band]`.

    A band counts as silent where it is 100 dB below the whole spectrum.
    """
    power = _by_band(in_band, jnp.sum(jnp.square(magnitude), axis=1))
    floor = 1e-10 * jnp.sum(power) + TINY
    return 10 * jnp.log10(power + floor)


def texture(
    magnitude: jax.Array, dry: jax.Array, in_band: Bands
) -> tuple[jax.Array, jax.Array]:
    """Return mean and spread over time of each band's level in dB, `[band]` twice.

    Args:
      magnitude: of the sound, `[freq, frame]`.
      dry: of the dry sound, which gives the floor and the frames that count.
      in_band: from `membership`.
    """
    floor = floor_of(dry)
    power = _by_band(in_band, jnp.square(magnitude))
    level = 10 * jnp.log10(power + jnp.square(floor))
    mean = _over_sounding(level, dry, floor)
    spread = _over_sounding(jnp.square(level - mean[:, None]), dry, floor)
    return mean, jnp.sqrt(spread)
