"""Measure any generator on clips by applying it, once for every control.

`audit` measures an effect with fewer applications.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch, pairs
from cak_jax.data.clips import Rows
from cak_jax.model import losses, spectral
from cak_jax.model.audits.request import requested
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.generators.table import GENERATORS
from cak_jax.model.layers import Params
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.model.train_state import GameSpec


@dataclasses.dataclass(frozen=True)
class Applied:
    """A generator with all that its application needs.

    Attributes:
      generator: a name of `GENERATORS`.
      params: the shared tree.
      threshold, temperature: of the gate.
      settings, constants: of the spectrogram.
    """

    generator: str
    params: Params
    threshold: float
    temperature: float
    settings: SpectrogramSettings
    constants: Normalization

    @property
    def gate(self) -> tuple[jax.Array, jax.Array]:
        """Threshold and temperature as arrays."""
        return jnp.float32(self.threshold), jnp.float32(self.temperature)


@functools.partial(jax.jit, static_argnames=("generator", "settings"))
def _measure(
    samples: jax.Array,
    params: Params,
    gate: tuple[jax.Array, jax.Array],
    constants: Normalization,
    controls: jax.Array,
    *,
    generator: str,
    settings: SpectrogramSettings,
) -> dict[str, Any]:
    x = batch.spectrograms(samples[None], settings, constants)
    apply = GENERATORS[generator].apply

    def measure(control: jax.Array) -> dict[str, jax.Array]:
        y, _ = apply(params, x, control[None], *gate)
        return {name: audit.measure(params, y, x)[0] for name, audit in AUDITS.items()}

    y, _ = apply(params, x, jnp.zeros(1), *gate)
    dry = spectral.denormalise(x, constants)
    added = spectral.denormalise(jnp.clip(y, 0.0, 1.0), constants) - dry
    # Exactly 0 where y is x, because two inversions may round differently.
    added = jnp.where(y == x, 0.0, added)
    return {
        "audit": jax.lax.map(measure, controls),
        "audible": {name: audit.audible(x)[0] for name, audit in AUDITS.items()},
        "zero": losses.mean_level(jnp.abs(y - x))[0],
        "zero_power": jnp.stack([jnp.sum(added**2), jnp.sum(dry**2)]),
    }


def measure_clips(
    applied: Applied, rows: Rows, count: int, controls: np.ndarray
) -> dict[str, Any]:
    """Measure a generator on clips, one at a time.

    Args:
      applied: the generator.
      rows: returns clip i, `[samples]` float32.
      count: number of clips.
      controls: raw, `[control]`.

    Returns:
      "audit": by audit `[clip, control]`, its measure on the clips that it can hear;
      at control 0, "zero" `[clip]`: mean|y - x|, and "zero_power" `[clip, 2]`: the
      power of the change in inverted magnitudes, and the clip's.
    """
    measured = [
        _measure(
            batch.gather_clip(np.asarray(rows(index)), applied.settings),
            applied.params,
            applied.gate,
            spectral.constant_arrays(applied.constants),
            jnp.asarray(controls, jnp.float32),
            generator=applied.generator,
            settings=applied.settings,
        )
        for index in range(count)
    ]
    columns: dict[str, Any] = jax.tree.map(
        lambda *values: np.stack(values).astype(np.float64), *jax.device_get(measured)
    )
    audible = columns.pop("audible")
    columns["audit"] = {
        name: values[audible[name] > 0] for name, values in columns["audit"].items()
    }
    return columns


def residual_at_zero(measured: dict[str, Any]) -> dict[str, float | None]:
    """Return the residual at control 0, means over the clips.

    Args:
      measured: by `measure_clips`.

    Returns:
      "mean": mean|y - x| of normalised spectrograms; "db": level of the change relative
      to the clips, None if either is 0.
    """
    changed, dry = measured["zero_power"].sum(axis=0)
    level = float(10 * np.log10(changed / dry)) if changed > 0 and dry > 0 else None
    return {"mean": float(measured["zero"].mean()), "db": level}


@functools.partial(jax.jit, static_argnames=("settings", "game"))
def _pair_losses(
    samples: jax.Array,
    control: jax.Array,
    params: Params,
    gate: tuple[jax.Array, jax.Array],
    constants: Normalization,
    *,
    settings: SpectrogramSettings,
    game: GameSpec,
) -> tuple[jax.Array, jax.Array]:
    x = batch.spectrograms(samples, settings, constants)
    x_in, target = x[:1], x[1:]
    fake, _ = GENERATORS[game.generator].apply(params, x_in, control, *gate)
    request = requested(control, *gate, game.request)
    violation = losses.violation(params, fake, x_in, request, game.audit)
    return violation[0], losses.reconstruction(fake, target)[0]


def held_out_losses(
    applied: Applied, rows: Rows, labels: np.ndarray, game: GameSpec
) -> dict[str, float]:
    """Return the generator's losses that need no critic, on held-out pairs.

    Identity and transformation items in equal number, paired as in the paper.

    Args:
      applied: the generator.
      rows: returns clip i, `[samples]` float32.
      labels: of the clips, `[clip]`, at least 2.
      game: names the audit and its request.

    Returns:
      "violation" and "reconstruction", means over the items.
    """
    values = []
    for first, second, control in pairs.held_out_items(labels):
        clips = [
            batch.gather_clip(np.asarray(rows(index)), applied.settings)
            for index in (first, second)
        ]
        pair_losses = _pair_losses(
            np.stack(clips),
            jnp.float32(control)[None],
            applied.params,
            applied.gate,
            spectral.constant_arrays(applied.constants),
            settings=applied.settings,
            game=game,
        )
        values.append(pair_losses)
    violation, reconstruction = np.mean(jax.device_get(values), axis=0)
    return {"violation": float(violation), "reconstruction": float(reconstruction)}
