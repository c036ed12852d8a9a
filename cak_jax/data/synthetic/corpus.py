"""Make the synthetic corpus.

Clip k is a pure function of (seed, k). So a larger corpus begins with the smaller one,
and any clip can be made alone.
"""

import math
import numbers
from collections.abc import Callable

import numpy as np

from cak_jax.data.synthetic.building_blocks import log_uniform
from cak_jax.data.synthetic.instruments import FAMILIES

PEAK = 0.98
"""The largest sample of a clip; below 1 so that no clip is clipped."""
LEVELS = (-30.0, -8.0)
"""The range of the clips' levels, dBFS RMS."""


def name_clip(index: int) -> str:
    """Return the name of a clip: its family, which comes in turn, and its number.

    >>> name_clip(2)
    'pluck 002'
    """
    return f"{tuple(FAMILIES)[index % len(FAMILIES)]} {index:03d}"


def shape_dynamics(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Draw a slow gain curve of 0 to 18 dB depth, `[samples]` float32."""
    depth = rng.uniform(0, 18) * (rng.random() < 0.6)
    points = 10 ** (-depth / 20 * rng.random(rng.integers(3, 9)))
    where = np.linspace(0, points.size - 1, samples)
    return np.interp(where, np.arange(points.size), points).astype(np.float32)


def saturate(audio: np.ndarray, drive: float) -> np.ndarray:
    """Saturate `[samples]` with tanh, to peak 1; a drive near 0 changes the level only.

    The drive is at least a tenth of the crest factor, so that a few strokes in a quiet
    clip do not prevent it from reaching its level.
    """
    unit = audio / np.abs(audio).max()
    crest = 1 / math.sqrt(np.mean(np.square(unit, dtype=np.float64)))
    drive = max(drive, crest / 10)
    saturated: np.ndarray = np.tanh(drive * unit) / math.tanh(drive)
    return saturated


def set_level(audio: np.ndarray, level: float) -> np.ndarray:
    """Scale `[samples]` to a level in dBFS RMS, or to `PEAK` if that is lower."""
    rms = math.sqrt(np.mean(np.square(audio, dtype=np.float64)))
    gain = min(10 ** (level / 20) / rms, PEAK / np.abs(audio).max())
    return audio * np.float32(gain)


def synthesise_clip(
    index: int, samples: int, sample_rate: int, seed: int
) -> np.ndarray:
    """Make clip `index`: the sound of a family with dynamics, drive, noise and level.

    The families come in turn. The clip is `[samples]` float32, its peak below 1.
    """
    rng = np.random.default_rng([seed, index])
    make = tuple(FAMILIES.values())[index % len(FAMILIES)]
    sound = make(rng, samples, sample_rate) * shape_dynamics(rng, samples)
    # A noise floor, because recordings have one, and silence cannot be normalised.
    floor = np.float32(10 ** (rng.uniform(-85, -55) / 20))
    drive = log_uniform(rng, 0.1, 8.0)
    level = rng.uniform(*LEVELS)
    sound = saturate(sound, drive) + floor * rng.standard_normal(samples, np.float32)
    return set_level(sound, level).astype(np.float32)


def check_whole(name: str, value: int, least: int) -> None:
    """Raise a ValueError with the name if a value is no whole number from `least`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")


def synthesise(
    clips: int,
    seconds: float,
    sample_rate: int,
    seed: int,
    on_clip: Callable[[int], None] = lambda done: None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Make the synthetic corpus.

    The families come in turn (FM tones, grains, plucks, drum loops, noise textures,
    pads, bells, chirps), at -30 to -8 dBFS RMS, each clip of its own pitch, density,
    brightness and dynamics.

    Args:
      clips: how many, at least 1.
      seconds, sample_rate: at least 0.1 and at least 4000.
      seed: not negative.
      on_clip: called with the number of clips made, after each.

    Returns:
      `[clip, round(seconds * sample_rate)]` float32, peak below 1, and the names.

    Raises:
      ValueError: an argument is out of range; the message names it.
    """
    check_whole("clips", clips, 1)
    check_whole("sample_rate", sample_rate, 4000)
    check_whole("seed", seed, 0)
    real = isinstance(seconds, numbers.Real) and not isinstance(seconds, bool)
    if not real or not math.isfinite(seconds) or seconds < 0.1:
        raise ValueError(f"seconds must be finite and >= 0.1, got {seconds!r}")
    samples = round(seconds * sample_rate)
    audio = np.empty((clips, samples), np.float32)
    for index in range(clips):
        audio[index] = synthesise_clip(index, samples, sample_rate, seed)
        on_clip(index + 1)
    return audio, tuple(name_clip(index) for index in range(clips))
