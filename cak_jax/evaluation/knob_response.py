"""What the knob does over its whole turn: gate, distance to dry, features by control.

Rendered as a user renders, on the loudest stretch of each clip: short, so that every
control of `CONTROLS` can be heard out on every clip.
"""

import concurrent.futures
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import descriptors
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import calibrate
from cak_jax.evaluation import spectral_distance
from cak_jax.evaluation.agreement import CONTROLS
from cak_jax.model import cak, spectral
from cak_jax.rendering import blocks, in_memory, loudness

KNOBS = ("raw", "calibrated")
Rows = Callable[[int], np.ndarray]
Progress = Callable[[int, int, str], None]


def over_clips(
    function: Callable[[int], Any],
    count: int,
    what: str,
    progress: Progress | None = None,
) -> list:
    """Return `[function(0), ..., function(count - 1)]`, two at a time.

    Much of rendering runs on one core; a second clip fills the other.
    """
    threads = concurrent.futures.ThreadPoolExecutor(2)
    found = []
    try:
        for result in threads.map(function, range(count)):
            found.append(result)
            if progress is not None:
                progress(len(found), count, what)
    finally:
        # After Ctrl-C nobody waits for the clips to come.
        threads.shutdown(wait=True, cancel_futures=True)
    return found


def controls_of(effect: Effect, knob: str, turns: np.ndarray) -> np.ndarray:
    """Return the raw controls at the given turns of the raw or the calibrated knob."""
    if knob == "raw":
        return np.asarray(turns, np.float64)
    return np.array([calibrate(effect, float(turn)) for turn in turns])


def gate_shape(effect: Effect) -> dict[str, float]:
    """Describe the raw knob by its gate alone: a dead zone, and its steepest step.

    Returns:
      "dead_zone": share of 0..1 in which the effect stays below 1% of that at 1;
      "largest_step": largest change over 1/20 of the turn, the mean change being 1.
    """
    fine = np.linspace(0, 1, 1001)
    curve = np.asarray(cak.strength(fine, effect.threshold, effect.temperature))
    share = curve / curve[-1]
    dead = np.flatnonzero(share < 0.01)
    steps = np.diff(share[:: (len(fine) - 1) // (len(CONTROLS) - 1)])
    return {
        "dead_zone": float(fine[dead[-1]]) if len(dead) else 0.0,
        "largest_step": float(np.abs(steps).max() * len(steps)),
    }


def loudest(clip: np.ndarray, samples: int) -> np.ndarray:
    """Return the stretch of `samples` samples with the most energy, to 1/8 of it."""
    step = max(1, samples // 8)
    last = len(clip) - samples
    if last <= 0:
        return clip
    energy = np.concatenate([[0.0], np.cumsum(np.square(clip, dtype=np.float64))])
    starts = np.append(np.arange(0, last, step), last)
    start = starts[np.argmax(energy[starts + samples] - energy[starts])]
    return clip[start : start + samples]


@functools.partial(jax.jit, static_argnames="settings")
def _hear(dry, wets, gains, belongs, *, settings):
    """Return distances `[wet, 2]`, before and after matching, and `[wet, feature]`."""
    dry_magnitude = jnp.abs(spectral.stft(dry, settings))

    def describe(audio, magnitude):
        mean, spread = spectral_distance.texture(magnitude, dry_magnitude, belongs)
        found = descriptors.describe(audio, magnitude, settings)
        tiny = descriptors.TINY
        others = jnp.stack(
            [
                20 * jnp.log10(found["crest_factor"] + tiny),
                jnp.log2(found["spectral_centroid"] + 1.0),
                10 * jnp.log10(found["spectral_flatness"] + tiny),
            ]
        )
        return jnp.concatenate([mean, spread, others])

    plain = describe(dry, dry_magnitude)

    def hear(item):
        wet, gain = item
        magnitude = jnp.abs(spectral.stft(wet, settings))
        before, _ = spectral_distance.spectral_distance(
            dry_magnitude, magnitude, belongs
        )
        magnitude = magnitude * gain
        after, _ = spectral_distance.spectral_distance(
            dry_magnitude, magnitude, belongs
        )
        change = describe(wet * gain, magnitude) - plain
        features = jnp.concatenate([change, after[None], plain])
        return jnp.stack([before, after]), features

    return jax.lax.map(hear, (wets, gains))


def turn(
    effect: Effect, rows: Rows, count: int, progress: Progress | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Render the loudest stretch of every clip at each of `CONTROLS`.

    Args:
      effect: whose knob is turned, raw and calibrated.
      rows: gives clip i as `[samples]` float32 at the effect's sample rate.
      count: number of clips.
      progress: called as `progress(done, total, what)`.

    Returns:
      For "raw" and "calibrated": "unmatched_db" and "matched_db" `[clip, control]`,
      log-spectral distance to dry before and after loudness is matched; "features"
      `[clip, control, feature]` of the dry and the matched wet sound, for an auditor:
      change of the bands' levels and of their spread over time, of crest factor,
      centroid and flatness, the matched distance, and the dry sound's own.
    """
    settings, rate = effect.spectrogram, effect.spectrogram.sample_rate
    belongs = spectral_distance.membership(settings)
    samples = blocks.BLOCK_HOPS * settings.hop_length
    controls = [c for knob in KNOBS for c in controls_of(effect, knob, CONTROLS)]

    def turn_one(index):
        dry = loudest(np.asarray(rows(index)), samples)
        wets = [
            in_memory.render(effect, dry, rate, float(c), loudness="none")
            for c in controls
        ]
        gains = np.array([loudness.rms_gain(dry, wet) for wet in wets], np.float32)
        heard = _hear(dry, np.stack(wets), gains, belongs, settings=settings)
        return jax.device_get(heard)

    found = over_clips(turn_one, count, "turning the knob", progress)
    distance, features = (np.stack(column) for column in zip(*found, strict=True))
    parts = {}
    for number, knob in enumerate(KNOBS):
        own = slice(number * len(CONTROLS), (number + 1) * len(CONTROLS))
        parts[knob] = {
            "unmatched_db": np.asarray(distance[:, own, 0], np.float64),
            "matched_db": np.asarray(distance[:, own, 1], np.float64),
            "features": np.asarray(features[:, own], np.float64),
        }
    return parts


def ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1 on, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rho of `[n]` with `[n]`; NaN where one of them is constant."""
    a, b = (ranks(values) - (len(values) + 1) / 2 for values in (first, second))
    norm = np.sqrt(np.sum(a**2) * np.sum(b**2))
    return float(np.sum(a * b) / norm) if norm > 0 else float("nan")


def describe(distance: np.ndarray) -> dict[str, float | None]:
    """Describe how the distance to dry grows as the knob turns.

    Args:
      distance: `[clip, control]` over `CONTROLS`, dB.

    Returns:
      "monotonic_share", of clips on which it grows at every step; medians over clips
      of "spearman_rho" of distance against control, "line_r2" of the best straight
      line, "largest_step" over the mean step, and "dead_zone", the share of the turn
      in which it stays under 1% of that at 1. None where nothing changes.
    """
    found = [_describe_one(row) for row in distance]
    table = np.array(found)
    moved = table[np.isfinite(table).all(axis=1)]
    names = ("spearman_rho", "line_r2", "largest_step", "dead_zone")
    middle = np.median(moved, axis=0) if len(moved) else [None] * len(names)
    heard = distance[:, -1] >= spectral_distance.NOTHING_DB
    rises = (np.diff(distance, axis=1) > 0).all(axis=1) & heard
    return {"monotonic_share": float(rises.mean())} | {
        name: None if value is None else float(value)
        for name, value in zip(names, middle, strict=True)
    }


def _describe_one(distance: np.ndarray) -> tuple[float, float, float, float]:
    rho = spearman(distance, CONTROLS)
    if distance[-1] < spectral_distance.NOTHING_DB or not np.isfinite(rho):
        return (float("nan"),) * 4
    line = np.polyval(np.polyfit(CONTROLS, distance, 1), CONTROLS)
    spread = np.sum((distance - distance.mean()) ** 2)
    steps = np.diff(distance)
    dead = np.flatnonzero(distance >= 0.01 * distance[-1])[0] - 1
    return (
        rho,
        float(1 - np.sum((distance - line) ** 2) / spread),
        float(np.abs(steps).max() / abs(steps.mean())) if steps.mean() else np.nan,
        float(CONTROLS[max(0, dead)]),
    )
