"""What an effect does to clips it was not trained on: arrays in, dicts out.

Each audit says at how many amounts it has to be measured: two give every control to an
audit that is affine in `a = c * gate(c) * scale`.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch as batch_lib, pairs
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import amount, gated
from cak_jax.evaluation import spectral_distance
from cak_jax.model import cak, losses, spectral
from cak_jax.model.audits.request import requested
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.train_state import GameSpec
from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import decibels
from cak_jax.runtime.errors import InputError

CHANGE_CONTROLS = (0.25, 0.5, 0.75, 1.0)


class UnheardError(InputError):
    """Clips so quiet that an effect's audit has nothing to measure."""


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
def _measure(samples, numbers, scale, constants, factors, *, settings):
    """Measure one clip by every audit, and its change at each of `factors`.

    The change is that of inverted magnitudes, clipped to [0, 1] as in rendering.
    """
    x = batch_lib.spectrograms(samples, settings, constants)
    pattern = cak.detect(x, **numbers)

    dry = spectral.denormalise(x, constants)
    belongs = spectral_distance.membership(settings)

    def change(factor):
        y = jnp.clip(cak.apply_pattern(x, pattern, factor), 0.0, 1.0)
        wet = spectral.denormalise(y, constants)
        distance, _ = spectral_distance.spectral_distance(dry, wet, belongs)
        level = 10 * jnp.log10((jnp.sum(wet**2) + 1e-12) / (jnp.sum(dry**2) + 1e-12))
        return distance, level

    distance, level = jax.lax.map(change, factors)
    values, audible = {}, {}
    for name, audit in AUDITS.items():

        def measure(share, audit=audit):
            y = cak.apply_pattern(x, pattern, share * scale)
            return audit.measure({"detector": numbers}, y[None], x[None])[0]

        values[name] = jax.lax.map(measure, jnp.asarray(audit.AMOUNTS, jnp.float32))
        audible[name] = audit.audible(x[None])[0]
    return {
        "audit": values,
        "audible": audible,
        "distance_db": distance,
        "level_db": level,
    }


def measure_clips(effect: Effect, rows: Rows, count: int) -> dict[str, np.ndarray]:
    """Measure an effect on clips, one at a time.

    Args:
      effect: what to measure.
      rows: gives clip i as `[samples]` float32 at the effect's sample rate.
      count: number of clips.

    Returns:
      "audit": by audit `[clip, amount]` float64, what it measures at its `AMOUNTS`;
      "audible": by audit `[clip]` bool, which clips it can measure;
      "distance_db", "level_db" `[clip, control]` over `CHANGE_CONTROLS`.
    """
    factors = jnp.asarray([amount(effect, c) for c in CHANGE_CONTROLS], jnp.float32)
    measured = [
        _measure(
            _clip(np.asarray(rows(index)), effect),
            _numbers(effect),
            jnp.float32(effect.scale),
            spectral.constant_arrays(effect.normalization),
            factors,
            settings=effect.spectrogram,
        )
        for index in range(count)
    ]
    columns: dict[str, Any] = jax.tree.map(
        lambda *values: np.stack(values), *jax.device_get(measured)
    )
    columns["audit"] = {
        name: values.astype(np.float64) for name, values in columns["audit"].items()
    }
    return columns


def audit_curve(
    effect: Effect, measured: Mapping[str, Any], controls: np.ndarray, audit: str
) -> np.ndarray:
    """Return what an audit measures at each control, `[clip, control]` float64.

    Clips that the audit cannot hear are left out.

    Args:
      effect: that was measured.
      measured: of `measure_clips`.
      controls: raw, `[control]`.
      audit: a name of `AUDITS`.

    Raises:
      UnheardError: if the audit hears none of the clips.
    """
    audible = measured["audible"][audit]
    if not audible.any():
        raise UnheardError(
            f"the {audit} audit hears none of the clips: {AUDITS[audit].INAUDIBLE}"
        )
    values = measured["audit"][audit][audible]
    amounts = np.asarray(AUDITS[audit].AMOUNTS)
    shares = gated(effect, controls)
    # Straight lines between the measured amounts; beyond the last one as before it.
    left = np.clip(np.searchsorted(amounts, shares) - 1, 0, len(amounts) - 2)
    slope = (values[:, left + 1] - values[:, left]) / np.diff(amounts)[left]
    curve: np.ndarray = values[:, left] + slope * (shares - amounts[left])
    return curve


def null(effect: Effect, rows: Rows, count: int) -> dict[str, float | bool | None]:
    """Render every clip at control 0 and say what is left.

    Returns:
      "null_db", the loudest residual in dBFS, None if there is none; "bit_exact_at_0",
      whether every clip comes back bit for bit.
    """
    rate, peak, exact = effect.spectrogram.sample_rate, 0.0, True
    for index in range(count):
        dry = np.asarray(rows(index))
        wet = in_memory.render(effect, dry, rate, 0.0)
        peak = max(peak, float(np.abs(wet - dry).max()))
        exact = exact and wet.tobytes() == dry.tobytes()
    loudest = float(decibels(peak)) if peak > 0 else None
    return {"null_db": loudest, "bit_exact_at_0": exact}


@functools.partial(jax.jit, static_argnames=("settings", "audit"))
def _pair_losses(samples, asked, numbers, factor, constants, *, settings, audit):
    x_in, target = batch_lib.spectrograms(samples, settings, constants)
    fake = cak.apply_pattern(x_in, cak.detect(x_in, **numbers), factor)
    broken = losses.violation({"detector": numbers}, fake, x_in, asked, audit)
    return broken, losses.reconstruction(fake, target)


def held_out_losses(
    effect: Effect, rows: Rows, labels: np.ndarray, game: GameSpec
) -> dict[str, float]:
    """Return the generator's losses that need no critic, on held-out pairs.

    Identity and transformation items in equal number, paired as in the paper.

    Args:
      effect: the generator.
      rows: gives clip i as `[samples]` float32.
      labels: of the clips, `[clip]`, at least 2.
      game: its audit, and what the audit asks for.

    Returns:
      "violation" and "reconstruction".
    """
    values = []
    for first, second, control in pairs.held_out_items(labels):
        asked = requested(control, effect.threshold, effect.temperature, game.request)
        samples = np.stack(
            [_clip(np.asarray(rows(i)), effect) for i in (first, second)]
        )
        values.append(
            _pair_losses(
                samples,
                jnp.float32(asked),
                _numbers(effect),
                jnp.float32(amount(effect, float(control))),
                spectral.constant_arrays(effect.normalization),
                settings=effect.spectrogram,
                audit=game.audit,
            )
        )
    broken, distance = np.mean(jax.device_get(values), axis=0)
    return {"violation": float(broken), "reconstruction": float(distance)}
