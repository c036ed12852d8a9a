"""What an effect does to clips it was not trained on: arrays in, dicts out.

An audit reads the mean of y or of D(y). D is affine and y = x + a D(x), so both are
affine in `a = c * gate(c) * scale`: two measurements per clip give every control.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch as batch_lib, pairs
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import amount
from cak_jax.evaluation import spectral_distance
from cak_jax.model import cak, losses, spectral
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
def _measure(samples, numbers, constants, amounts, *, settings):
    """Measure one clip at amounts 0 and 1, and its change at each of `amounts`.

    Returns `(ends [2, 2], spectral distance [amount] in dB, level change [amount] in
    dB)`: ends are mean D(y) and mean y at amounts 0 and 1; the change is that of
    inverted magnitudes, clipped to [0, 1] as in rendering.
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

    distance, level = jax.lax.map(change, amounts)
    both = jnp.stack([x, cak.apply_pattern(x, pattern, 1.0)])
    heard, _ = losses.heard_levels(both, jnp.stack([x, x]))
    ends = jnp.stack([losses.mean_level(cak.detect(both, **numbers)), heard])
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
            spectral.constant_arrays(effect.normalization),
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

    Clips in which nothing sounds have no relative change and are left out.

    Args:
      effect: that was measured.
      ends: of `measure_clips`, `[clip, 2, 2]`.
      controls: raw, `[control]`.
      audit: "absolute" or "relative".
    """
    before, after = np.moveaxis(
        np.asarray(ends, np.float64)[:, losses.AUDITS.index(audit)], -1, 0
    )
    if audit == "relative":
        before, after = before[before > 0], after[before > 0]
        if not len(before):
            raise UnheardError(
                "none of the clips is loud enough for this effect: no frame of its "
                f"spectrogram reaches a mean of {losses.QUIET:g}; use louder sounds"
            )
    amounts = np.array([amount(effect, float(control)) for control in controls])
    curve = before[:, None] + (after - before)[:, None] * amounts[None, :]
    if audit == "absolute":
        return curve
    return (curve - before[:, None]) / before[:, None]


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
        asked = losses.requested(
            control, effect.threshold, effect.temperature, game.request
        )
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
