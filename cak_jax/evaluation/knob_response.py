"""The response to the knob over its whole turn: gate, distance to dry, features.

Sounds are rendered as a user renders them. Only the loudest stretch of each clip is
rendered, because every clip is rendered at every control of `CONTROLS`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import descriptors
from cak_jax.data.clips import Clips
from cak_jax.data.scan import Progress
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import calibrate
from cak_jax.evaluation import spectral_distance
from cak_jax.evaluation.agreement import CONTROLS
from cak_jax.evaluation.over_clips import over_clips
from cak_jax.model import cak, spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering import blocks, in_memory, loudness

KNOBS = ("raw", "calibrated")
# Of each clip, at its loudest, where what is heard is measured.
HEARD_SECONDS = 6.0


def controls_of(effect: Effect, knob: str, turns: np.ndarray) -> np.ndarray:
    """Return the raw controls `[turn]` at turns of the raw or the calibrated knob."""
    if knob == "raw":
        return np.asarray(turns, np.float64)
    return np.array([calibrate(effect, float(turn)) for turn in turns])


def render_turns(
    effect: Effect, dry: np.ndarray, controls: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Render a clip `[samples]` at raw controls.

    Returns:
      `[control, samples]` without matched loudness, and the gains `[control]` that
      match it.
    """
    rate = effect.spectrogram.sample_rate
    wets = [
        in_memory.render(
            effect,
            dry,
            rate,
            float(control),
            compiled=True,
            loudness="none",
            peaks="none",
        )
        for control in controls
    ]
    gains = [loudness.matching_gain(dry, wet, rate) for wet in wets]
    return np.stack(wets), np.array(gains, np.float32)


def measure_turns(
    effect: Effect,
    clips: Clips,
    turns: np.ndarray,
    measure: Callable[..., dict[str, Any]],
    stage: str,
    progress: Progress | None,
) -> dict[str, dict[str, np.ndarray]]:
    """Render every clip at turns `[turn]` of the raw and of the calibrated knob.

    `measure` is called with a dry clip and the results of `render_turns` for it; it
    returns named values `[control, ...]`.

    Returns:
      For "raw" and "calibrated" the named values, `[clip, turn, ...]` float64.
    """
    controls = np.concatenate([controls_of(effect, knob, turns) for knob in KNOBS])

    def measure_one(dry: np.ndarray) -> Any:
        return jax.device_get(measure(dry, *render_turns(effect, dry, controls)))

    results = over_clips(measure_one, clips, stage, progress)
    raw, calibrated = (
        {
            name: np.stack([result[name][part] for result in results]).astype(float)
            for name in results[0]
        }
        for part in (slice(len(turns)), slice(len(turns), None))
    )
    return {"raw": raw, "calibrated": calibrated}


def gate_shape(effect: Effect) -> dict[str, float]:
    """Describe the raw knob by its gate: the dead zone and the steepest step.

    Returns:
      "dead_zone": share of the turn in which the effect stays below 1% of that at 1;
      "largest_step": largest change over 1/20 of the turn, divided by the mean change.
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
    """Return the stretch of `samples` samples with the most energy.

    Stretches begin at multiples of 1/8 of their length.
    """
    step = max(1, samples // 8)
    last = len(clip) - samples
    if last <= 0:
        return clip
    energy = np.concatenate([[0.0], np.cumsum(np.square(clip, dtype=np.float64))])
    starts = np.append(np.arange(0, last, step), last)
    start = starts[np.argmax(energy[starts + samples] - energy[starts])]
    return clip[start : start + samples]


@functools.partial(jax.jit, static_argnames="settings")
def _measure(
    dry: jax.Array,
    wets: jax.Array,
    gains: jax.Array,
    in_band: jax.Array,
    *,
    settings: SpectrogramSettings,
) -> dict[str, jax.Array]:
    """Return the named values of `turn`, `[wet]` or `[wet, feature]`."""
    dry_magnitude = jnp.abs(spectral.stft(dry, settings))

    def describe_sound(audio: jax.Array, magnitude: jax.Array) -> jax.Array:
        mean, spread = spectral_distance.texture(magnitude, dry_magnitude, in_band)
        measures = descriptors.describe(audio, magnitude, settings)
        tiny = descriptors.TINY
        others = jnp.stack(
            [
                20 * jnp.log10(measures["crest_factor"] + tiny),
                jnp.log2(measures["spectral_centroid"] + 1.0),
                10 * jnp.log10(measures["spectral_flatness"] + tiny),
            ]
        )
        return jnp.concatenate([mean, spread, others])

    plain = describe_sound(dry, dry_magnitude)

    def measure_one(item: tuple[jax.Array, jax.Array]) -> dict[str, jax.Array]:
        wet, gain = item
        magnitude = jnp.abs(spectral.stft(wet, settings))
        before, _ = spectral_distance.spectral_distance(
            dry_magnitude, magnitude, in_band
        )
        magnitude = magnitude * gain
        after, _ = spectral_distance.spectral_distance(
            dry_magnitude, magnitude, in_band
        )
        change = describe_sound(wet * gain, magnitude) - plain
        features = jnp.concatenate([change, after[None], plain])
        return {"unmatched_db": before, "matched_db": after, "features": features}

    measured: dict[str, jax.Array] = jax.lax.map(measure_one, (wets, gains))
    return measured


def turn(
    effect: Effect, clips: Clips, progress: Progress | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Render the loudest stretch of every clip at each of `CONTROLS`.

    Returns:
      For "raw" and "calibrated": "unmatched_db" and "matched_db" `[clip, control]`,
      log-spectral distance to dry before and after loudness is matched; "features"
      `[clip, control, feature]` for an auditor: the change, from the dry to the
      matched wet sound, of the bands' levels, of their spread over time, of crest
      factor, centroid and flatness; the matched distance; and the same measures of
      the dry sound.
    """
    settings = effect.spectrogram
    in_band = spectral_distance.membership(settings)
    samples = blocks.BLOCK_HOPS * settings.hop_length
    stretches = [loudest(clip, samples) for clip in clips]
    measure = functools.partial(_measure, in_band=in_band, settings=settings)
    return measure_turns(
        effect, stretches, CONTROLS, measure, "turning the knob", progress
    )


def ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1 on; equal values get the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rho of `[n]` and `[n]`; NaN where one of them is constant."""
    a, b = (ranks(values) - (len(values) + 1) / 2 for values in (first, second))
    norm = np.sqrt(np.sum(a**2) * np.sum(b**2))
    return float(np.sum(a * b) / norm) if norm > 0 else float("nan")


def describe(distance: np.ndarray) -> dict[str, float | None]:
    """Describe how the distance to dry grows as the knob turns.

    Args:
      distance: `[clip, control]` over `CONTROLS`, dB.

    Returns:
      "monotonic_share", the share of clips on which the distance grows at every step;
      and medians over clips: "spearman_rho" of distance and control, "line_r2" of the
      best straight line, "largest_step" divided by the mean step, and "dead_zone", the
      share of the turn in which the distance stays below 1% of that at 1. A median is
      None where nothing changes on any clip.
    """
    table = np.array([_describe_one(row) for row in distance])
    moved = table[np.isfinite(table).all(axis=1)]
    names = ("spearman_rho", "line_r2", "largest_step", "dead_zone")
    middle = np.median(moved, axis=0) if len(moved) else [None] * len(names)
    changed = distance[:, -1] >= spectral_distance.NOTHING_DB
    rises = (np.diff(distance, axis=1) > 0).all(axis=1) & changed
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
