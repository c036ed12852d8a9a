"""A second program for what an effect adds: plain numpy, the whole file at once."""

import numpy as np
from scipy import ndimage, special

from cak_jax.effect.effect import Effect
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.rendering import blocks
from cak_jax.rendering.knob import Factors, Knob
from cak_jax.rendering.settings import RenderSettings

KERNEL = ((0.05, 0.1, -0.02), (0.12, 0.3, 0.07), (-0.04, 0.11, 0.06))
# Small windows: the same arithmetic, quick; blocks of 256 frames are 4096 samples.
SMALL = Effect(
    "small",
    KERNEL,
    -0.03,
    0.8,
    0.3,
    5.0,
    SpectrogramSettings(8000, 64, 16),
    Normalization(10.0, 0.85, 0.02, 3.0),
)
RATE = 8000
# The shares of the pattern at amounts 0, 1/8, ... 1, far from a straight line.
KNOB_TABLE = (0.0, 0.3, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 1.2)


def noise(*shape, seed=0, level=0.2):
    audio = np.random.default_rng(seed).normal(size=shape) * level
    return audio.astype(np.float32)


def strength(effect, control):
    """What a raw control is worth."""
    gate = special.expit((control - effect.threshold) * effect.temperature)
    return control * gate * effect.scale


def stretched(kernel, size, flip):
    """The kernel, mirrored and with zeros between its cells, `[bin, frame]`."""
    h, v = size
    grid = np.zeros((2 * v + 1, 2 * h + 1))
    for i in range(3):
        for j in range(3):
            row = 2 - i if flip in ("frequency", "both") else i
            column = 2 - j if flip in ("time", "both") else j
            grid[row * v, column * h] = kernel[i][j]
    return grid


def plain_residual(effect, audio, control=None, *, factors=None, size=(1, 1),
                   flip="none", tilt=0.0, mix=1.0, limit="dry",
                   floor=-60.0):  # fmt: skip
    """What is added to `[channels, samples]`, linked, in float64 numpy throughout."""
    if factors is None:
        factors = strength(effect, control)
    rate = effect.spectrogram.sample_rate
    n, hop = effect.spectrogram.n_fft, effect.spectrogram.hop_length
    low, high = effect.normalization.low, effect.normalization.high
    alpha, gamma = effect.normalization.alpha, effect.normalization.gamma
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    padded = np.pad(audio.astype(np.float64), ((0, 0), (n // 2, n // 2)))
    views = np.lib.stride_tricks.sliding_window_view(padded, n, axis=-1)[:, ::hop]
    spectrum = np.fft.rfft(views * window).swapaxes(-1, -2)
    magnitude = np.abs(spectrum)
    # One gain map: what the mean magnitude becomes, over what it was.
    mean = magnitude.mean(axis=0)
    x = (np.log1p(alpha * np.sqrt(mean)) - low) / (high - low + 1e-8)
    x = np.clip(x, 0, 1) ** gamma
    pattern = ndimage.correlate(
        x, stretched(effect.kernel, size, flip), mode="constant"
    )
    hertz = np.maximum(np.arange(n // 2 + 1) * rate / n, 50.0)
    place = np.minimum(np.log(hertz / 50) / np.log(320), 1)
    weight = 1 - tilt * (1 - place) if tilt >= 0 else 1 + tilt * place
    y = np.clip(x + (pattern + effect.bias) * factors * weight[:, None], 0, 1)

    def inverse(v):
        level = np.expm1(v ** (1 / gamma) * (high - low) + low)
        return (np.maximum(level, 0) / alpha) ** 2

    unit = np.where(mean == 0, 1, spectrum / np.where(mean == 0, 1, mean))
    added = inverse(y) - inverse(x)
    if mix < 1:
        least = n / 4 * 10 ** (-90 / 20)
        before, after = np.maximum(mean, least), np.maximum(mean + added, least)
        added = before ** (1 - mix) * after**mix - before
    frames = np.fft.irfft((added * unit).swapaxes(-1, -2), n=n)
    total, power = np.zeros(padded.shape), np.zeros(padded.shape[-1])
    for t in range(frames.shape[1]):
        total[:, t * hop : t * hop + n] += frames[:, t] * window
        power[t * hop : t * hop + n] += window**2
    total = total / np.where(power > 1e-30, power, 1)
    total[:, n // 2 + frames.shape[1] * hop :] = 0  # beyond the sound
    if limit == "dry":
        total = plain_limit(padded, total, rate, np.gcd(hop, n // 2), floor)
    return total[:, n // 2 : n // 2 + audio.shape[-1]]


def plain_limit(dry, added, rate, common, floor):
    """Hold `added` below `dry`, linked; both `[channels, n]` from a segment's start."""
    length = max(size for size in range(1, 17) if common % size == 0)
    hold = max(1, round(0.002 * rate / length))
    count = dry.shape[-1] // length
    dry, rest = dry[:, : count * length], added[:, count * length :]
    cut = added[:, : count * length].reshape(len(added), count, length)
    level = (dry.reshape(cut.shape) ** 2).mean(axis=(0, 2))
    power = (cut**2).mean(axis=(0, 2))
    gain = np.ones(count + 1)
    for i in range(count):
        most = level[max(0, i - hold) : i + 1].max()
        most = most**2 / (most + 10 ** (floor / 10))
        gain[i] = np.sqrt(min(1.0, most / power[i])) if power[i] > 0 else most > 0
    for i in range(count):
        begin, end = min(gain[i - 1], gain[i]), min(gain[i], gain[i + 1])
        cut[:, i] *= begin + (end - begin) * np.arange(length) / length
    return np.concatenate([cut.reshape(len(added), -1), rest], axis=1)


def block_residual(effect, audio, control, compiled=True, **options):
    """Return the residual of `[channels, samples]` float32, block by block."""
    factors = Factors(effect, Knob(control, "control"))
    settings = RenderSettings(**options)
    parts = blocks.at_own_rate(
        effect, blocks.slices(audio), len(audio), factors, settings, compiled
    )
    return np.concatenate([np.zeros((len(audio), 0), np.float32), *parts], axis=1)
