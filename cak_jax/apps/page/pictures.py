"""The pictures of the page, from arrays."""

import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.rendering import residual
from cak_jax.rendering.loudness import decibels
from cak_jax.rendering.settings import RenderSettings
from cak_jax.report import kernel_figure, sound_figures

DPI = 110
FRAMES, FFT = 1000, 2048
SILENCE = 1e-5


def draw(
    effect: Effect,
    dry: np.ndarray,
    wet: np.ndarray,
    sample_rate: int,
    amount: float,
    settings: RenderSettings,
) -> dict:
    """Draw spectrograms, waveform and kernel; return figures by these names."""
    dry_db, wet_db = spectra(dry), spectra(wet)
    hop = dry.shape[1] / dry_db.shape[1]
    return {
        "spectrograms": sound_figures.spectrograms(
            dry_db, [wet_db], [amount], sample_rate, hop, "Amount"
        ),
        "waveform": sound_figures.waveform(dry, wet, sample_rate),
        "kernel": draw_kernel(effect, settings),
    }


def draw_kernel(effect: Effect, settings: RenderSettings):
    """Draw an effect's kernel as it is applied, flips and all."""
    kernel = residual.flip(effect.kernel, settings.flip)
    return kernel_figure.kernel(kernel, effect.spectrogram)


def spectra(samples: np.ndarray) -> np.ndarray:
    """Return levels for a picture: frames spread evenly over any length.

    Args:
      samples: `[channels, samples]`, at least one.

    Returns:
      `[freq, frame]` in dB, the mean power of the channels.
    """
    half, length = FFT // 2, samples.shape[1]
    count = min(FRAMES, -(-length // (half // 2)))
    starts = ((np.arange(count) + 0.5) * length / count).astype(int)
    index = starts[:, None] + np.arange(FFT)[None]
    window = np.hanning(FFT + 1)[:-1].astype(np.float32)
    power = 0.0
    for channel in samples:
        frames = np.pad(channel, half)[index] * window
        power = power + np.square(np.abs(np.fft.rfft(frames))) / len(samples)
    return decibels(np.sqrt(power.T), floor=SILENCE)
