"""What an effect does to clips it was not trained on: arrays in, dicts out.

An audit reads the mean of y or of D(y). D is affine and y = x + a D(x), so both are
affine in `a = c * gate(c) * scale`: two measurements per clip give every control.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax import batch as batch_lib, cak, losses, pairs, render, spectral
from cak_jax.effect import Effect, amount, calibrate

CONTROLS = np.linspace(0.0, 1.0, 21)
CHANGE_CONTROLS = (0.25, 0.5, 0.75, 1.0)
# Below a clip's loudest bin by this much nothing is heard; changes there do not count.
FLOOR_DB = -80.0

Rows = Callable[[int], np.ndarray]


def _numbers(effect: Effect) -> dict[str, jax.Array]:
    return {
        "kernel": jnp.asarray(effect.kernel, jnp.float32),
        "bias": jnp.float32(effect.bias),
    }


def _clip(audio: np.ndarray, effect: Effect) -> np.ndarray:
    settings = effect.spectrogram
    frames = settings.frames(audio.shape[0])
    zero = np.zeros(1, np.int64)
    return batch_lib.gather(audio[None], zero, zero, frames, settings)[0]


@functools.partial(jax.jit, static_argnames="settings")
def _measure(samples, numbers, constants, amounts, *, settings):
    """Measure one clip at amounts 0 and 1, and its change at each of `amounts`.

    Returns `(ends [2, 2], spectral distance [amount] in dB, level change [amount] in
    dB)`: ends are mean D(y) and mean y at amounts 0 and 1; the change is that of
    inverted magnitudes, clipped to [0, 1] as in rendering.
    """
    x = batch_lib.spectrograms(samples, settings, constants)
    pattern = cak.detect(x, **numbers)

    dry = spectral.denormalise(x, constants)
    floor = jnp.maximum(jnp.max(dry) * 10 ** (FLOOR_DB / 20), 1e-12)

    def decibels(magnitude):
        return 20 * jnp.log10(jnp.maximum(magnitude, floor))

    dry_db = decibels(dry)

    def change(factor):
        y = jnp.clip(x + pattern * factor, 0.0, 1.0)
        wet = spectral.denormalise(y, constants)
        square = jnp.square(decibels(wet) - dry_db)
        # Padding and pauses are no part of the sound.
        sounding = jnp.max(dry, axis=0) > floor
        distance = jnp.sum(jnp.sqrt(jnp.mean(square, axis=0)) * sounding)
        distance = distance / jnp.maximum(jnp.sum(sounding), 1)
        level = 10 * jnp.log10((jnp.sum(wet**2) + 1e-12) / (jnp.sum(dry**2) + 1e-12))
        return distance, level

    distance, level = jax.lax.map(change, amounts)
    both = jnp.stack([x, x + pattern])
    ends = jnp.stack(
        [losses.mean_level(cak.detect(both, **numbers)), losses.mean_level(both)]
    )
    return ends, distance, level


def measure_clips(effect: Effect, rows: Rows, count: int) -> dict[str, np.ndarray]:
    """Measure an effect on clips, one at a time.

    Args:
      effect: what to measure.
      rows: gives clip i as `[samples]` float32 at the effect's sample rate.
      count: number of clips.

    Returns:
      "ends" `[clip, 2, 2]`: mean D(y), then mean y, at amounts 0 and 1;
      "distance_db", "level_db" `[clip, control]` over `CHANGE_CONTROLS`.
    """
    amounts = jnp.asarray([amount(effect, c) for c in CHANGE_CONTROLS], jnp.float32)
    measured = [
        _measure(
            _clip(np.asarray(rows(index)), effect),
            _numbers(effect),
            effect.normalization.arrays(),
            amounts,
            settings=effect.spectrogram,
        )
        for index in range(count)
    ]
    columns = [
        np.asarray(column) for column in zip(*jax.device_get(measured), strict=True)
    ]
    return dict(zip(("ends", "distance_db", "level_db"), columns, strict=True))


def audit_curve(
    effect: Effect, ends: np.ndarray, controls: np.ndarray, audit: str
) -> np.ndarray:
    """Return what the audit measures at each control, `[clip, control]` float64.

    Args:
      effect: that was measured.
      ends: of `measure_clips`, `[clip, 2, 2]`.
      controls: raw, `[control]`.
      audit: "absolute" or "relative".
    """
    before, after = np.moveaxis(
        np.asarray(ends, np.float64)[:, losses.AUDITS.index(audit)], -1, 0
    )
    amounts = np.array([amount(effect, float(control)) for control in controls])
    curve = before[:, None] + (after - before)[:, None] * amounts[None, :]
    if audit == "absolute":
        return curve
    return np.asarray(losses.relative_measure(curve, before[:, None]), np.float64)


def fit(controls: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Compare requested with measured values, all clips pooled.

    Args:
      controls: requested, `[control]`.
      measured: `[clip, control]`.

    Returns:
      "slope" and "intercept" of least squares; "r2" and "mae" of taking the measured
      value for the requested one; "slope_sd", the slopes' spread over clips; and "r2"
      and "mae" of the trivial answers "the mean" and "0" for comparison.
    """
    requested = np.broadcast_to(controls[None, :], measured.shape)
    slope, intercept = np.polyfit(requested.ravel(), measured.ravel(), 1)
    per_clip = np.polyfit(controls, measured.T, 1)[0]
    total = np.sum((requested - requested.mean()) ** 2)
    error = measured - requested
    return {
        "slope": float(slope),
        "slope_sd": float(per_clip.std()),
        "intercept": float(intercept),
        "r2": float(1 - np.sum(error**2) / total),
        "mae": float(np.abs(error).mean()),
        "r2_if_mean": 0.0,
        "mae_if_mean": float(np.abs(requested - requested.mean()).mean()),
        "r2_if_zero": float(1 - np.sum(requested**2) / total),
        "mae_if_zero": float(np.abs(requested).mean()),
    }


def evaluate(
    effect: Effect,
    rows: Rows,
    count: int,
    measured: dict[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Measure the audit, the knob and the change on held-out clips.

    Args:
      effect: what to evaluate.
      rows: gives clip i as `[samples]` float32 at the effect's sample rate.
      count: number of clips, at least 1.
      measured: `measure_clips` of the same, if it is there already.

    Returns:
      The document of `evaluation.json`; numbers finite or None. "null_db" is None
      when the residual at control 0 is nothing at all.
    """
    measured = measured or measure_clips(effect, rows, count)
    calibrated = np.array([calibrate(effect, c) for c in CONTROLS])
    document = {"audit": {}, "clips": count}
    for audit in losses.AUDITS:
        curves = {
            name: audit_curve(effect, measured["ends"], controls, audit)
            for name, controls in (("raw", CONTROLS), ("calibrated", calibrated))
        }
        document["audit"][audit] = {k: fit(CONTROLS, v) for k, v in curves.items()}
    quiet = measured["ends"][:, losses.AUDITS.index("relative"), 0] < losses.QUIET
    document["audit"]["relative"]["quiet_share"] = float(quiet.mean())
    document["null_db"] = null_db(effect, rows, count)
    document["knob"] = knob(effect)
    document["change"] = {
        "control": list(CHANGE_CONTROLS),
        "spectral_distance_db": measured["distance_db"].mean(axis=0).tolist(),
        "level_change_db": measured["level_db"].mean(axis=0).tolist(),
        "monotonic_share": float(
            (np.diff(measured["distance_db"], axis=1) > 0).all(axis=1).mean()
        ),
    }
    return document


def null_db(effect: Effect, rows: Rows, count: int) -> float | None:
    """Return the loudest residual at control 0 in dBFS; None if there is none."""
    rate = effect.spectrogram.sample_rate
    clips = (np.asarray(rows(index)) for index in range(count))
    peaks = [np.abs(render.render(effect, c, rate, 0.0) - c).max() for c in clips]
    return float(20 * np.log10(max(peaks))) if max(peaks) > 0 else None


def knob(effect: Effect) -> dict[str, float]:
    """Describe the raw knob: where it does nothing, and its steepest step.

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


@functools.partial(jax.jit, static_argnames=("settings", "audit"))
def _pair_losses(samples, control, numbers, factor, constants, *, settings, audit):
    x_in, target = batch_lib.spectrograms(samples, settings, constants)
    fake = x_in + cak.detect(x_in, **numbers) * factor
    broken = losses.violation({"detector": numbers}, fake, x_in, control, audit)
    return broken, losses.reconstruction(fake, target)


def held_out_losses(
    effect: Effect, rows: Rows, labels: np.ndarray, audit: str
) -> dict[str, float]:
    """Return the generator's losses that need no critic, on held-out pairs.

    Identity and transformation items in equal number, paired as in the paper.

    Args:
      effect: the generator.
      rows: gives clip i as `[samples]` float32.
      labels: of the clips, `[clip]`, at least 2.
      audit: the game's audit.

    Returns:
      "violation" and "reconstruction".
    """
    low, high = pairs.transformation_pairs(labels, "paper", np.random.default_rng(0))
    half = len(labels) // 2
    items = [
        (a, b, labels[b] - labels[a])
        for a, b in zip(low[:half], high[:half], strict=True)
    ]
    items += [(a, a, 0.0) for a in low[:half]]
    values = []
    for first, second, control in items:
        samples = np.stack(
            [_clip(np.asarray(rows(i)), effect) for i in (first, second)]
        )
        values.append(
            _pair_losses(
                samples,
                jnp.float32(control),
                _numbers(effect),
                jnp.float32(amount(effect, float(control))),
                effect.normalization.arrays(),
                settings=effect.spectrogram,
                audit=audit,
            )
        )
    broken, distance = np.mean(jax.device_get(values), axis=0)
    return {"violation": float(broken), "reconstruction": float(distance)}
