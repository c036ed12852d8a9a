"""Measure an effect on clips by every audit: arrays in, dicts out.

Each audit lists the amounts at which it is measured. Two give every control where the
audit is affine in `a = c * gate(c) * scale`.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch
from cak_jax.data.clips import Clips
from cak_jax.data.scan import Progress
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import amount, gated
from cak_jax.effect.quality import measurable, reader
from cak_jax.evaluation import spectral_distance
from cak_jax.evaluation.knob_response import HEARD_SECONDS, loudest
from cak_jax.evaluation.over_clips import over_clips
from cak_jax.model import cak, spectral
from cak_jax.model.audits import heard
from cak_jax.model.audits.protocol import Audit
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.resynthesis import Sound
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import decibels
from cak_jax.runtime.errors import InputError

# Raw controls at which the change of the spectrum is measured.
CHANGE_CONTROLS = (0.25, 0.5, 0.75, 1.0)


class UnheardError(InputError):
    """None of the clips is loud enough for the audit."""


@functools.partial(jax.jit, static_argnames=("settings", "spacing"))
def _measure(
    samples: jax.Array,
    stretch: jax.Array,
    numbers: dict[str, jax.Array],
    scale: jax.Array,
    weights: jax.Array | None,
    constants: Normalization,
    factors: jax.Array,
    *,
    settings: SpectrogramSettings,
    spacing: tuple[int, int],
) -> dict[str, Any]:
    """Measure one clip by every audit, and its change at each of `factors`.

    Audits that hear listen to a stretch of it. Without weights of qualities they are
    left out.

    The change is that of inverted magnitudes, clipped to [0, 1] as in rendering.
    """

    def seen(samples: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = batch.spectrograms(samples, settings, constants)
        return x, cak.detect(x, numbers["kernel"], numbers["bias"], spacing)

    x, pattern = whole = seen(samples)
    part = seen(stretch)
    dry = spectral.denormalise(x, constants, power=spectral.fast_power)
    belongs = spectral_distance.membership(settings)

    def change(factor: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = jnp.clip(cak.apply_pattern(x, pattern, factor), 0.0, 1.0)
        wet = spectral.denormalise(y, constants, power=spectral.fast_power)
        distance, _ = spectral_distance.spectral_distance(dry, wet, belongs)
        level = 10 * jnp.log10((jnp.sum(wet**2) + 1e-12) / (jnp.sum(dry**2) + 1e-12))
        return distance, level

    distance, level = jax.lax.map(change, factors)
    values, audible = {}, {}
    for name, audit in AUDITS.items():
        if audit.HEARS and weights is None:
            continue

        def measure(share: jax.Array, audit: Audit = audit) -> jax.Array:
            x, pattern = part if audit.HEARS else whole
            y = cak.apply_pattern(x, pattern, share * scale)[None]
            hearing = None
            if audit.HEARS and weights is not None:
                sound = Sound(stretch[None], constants, settings)
                hearing = heard.listen(y, x[None], sound, spacing[1], weights)
            return audit.measure({"detector": numbers}, y, x[None], hearing)[0]

        values[name] = jax.lax.map(measure, jnp.asarray(audit.AMOUNTS, jnp.float32))
        audible[name] = audit.audible(x[None])[0]
    return {
        "audit": values,
        "audible": audible,
        "distance_db": distance,
        "level_db": level,
    }


def measure_clips(
    effect: Effect, clips: Iterable[np.ndarray], progress: Progress | None = None
) -> dict[str, Any]:
    """Measure an effect on clips, two at a time.

    Args:
      effect: to measure.
      clips: at the effect's sample rate.
      progress: told after every clip.

    Returns:
      "audit": by audit `[clip, amount]` float64, its measure at its `AMOUNTS`; audits
      that hear only if the effect has a quality that this version knows, on the
      loudest `HEARD_SECONDS` of a clip;
      "audible": by audit `[clip]` bool, the clips that it can measure;
      "distance_db", "level_db" `[clip, control]` over `CHANGE_CONTROLS`.
    """
    factors = jnp.asarray([amount(effect, c) for c in CHANGE_CONTROLS], jnp.float32)
    quality, weights = effect.quality, None
    if quality is not None and measurable(quality):
        weights = jnp.asarray(reader(quality), jnp.float32)
    kernel, bias = jnp.asarray(effect.kernel, jnp.float32), jnp.float32(effect.bias)
    constants = spectral.constant_arrays(effect.normalization)
    span = round(HEARD_SECONDS * effect.spectrogram.sample_rate)

    def measure(clip: np.ndarray) -> Any:
        columns = _measure(
            batch.gather_clip(clip, effect.spectrogram),
            batch.gather_clip(loudest(clip, span), effect.spectrogram),
            {"kernel": kernel, "bias": bias},
            jnp.float32(effect.scale),
            weights,
            constants,
            factors,
            settings=effect.spectrogram,
            spacing=effect.spacing,
        )
        return jax.device_get(columns)

    measured = over_clips(measure, clips, "measuring", progress)
    columns: dict[str, Any] = jax.tree.map(lambda *values: np.stack(values), *measured)
    columns["audit"] = {
        name: values.astype(np.float64) for name, values in columns["audit"].items()
    }
    return columns


def audit_curve(
    effect: Effect, measured: Mapping[str, Any], controls: np.ndarray, audit: str
) -> np.ndarray:
    """Return an audit's measure at each control, `[clip, control]` float64.

    Clips that the audit cannot hear are left out.

    Args:
      effect, measured: as in `measure_clips`.
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
    # Straight lines between the measured amounts; the last line goes on beyond them.
    left = np.clip(np.searchsorted(amounts, shares) - 1, 0, len(amounts) - 2)
    slope = (values[:, left + 1] - values[:, left]) / np.diff(amounts)[left]
    curve: np.ndarray = values[:, left] + slope * (shares - amounts[left])
    return curve


def null(effect: Effect, clips: Clips) -> dict[str, float | bool | None]:
    """Render every clip at control 0 and measure the residual.

    Returns:
      "null_db", the loudest residual in dBFS, None if it is 0; "bit_exact_at_0",
      whether every output equals its clip bit for bit.
    """
    rate, peak, exact = effect.spectrogram.sample_rate, 0.0, True
    for dry in clips:
        wet = in_memory.render(effect, dry, rate, 0.0)
        peak = max(peak, float(np.abs(wet - dry).max()))
        exact = exact and wet.tobytes() == dry.tobytes()
    level = float(decibels(peak)) if peak > 0 else None
    return {"null_db": level, "bit_exact_at_0": exact}
