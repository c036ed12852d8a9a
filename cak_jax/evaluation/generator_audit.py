"""Measure any generator on clips by applying it, once for every control.

`audit` measures an effect with fewer applications.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch, pairs
from cak_jax.data.clips import Clips
from cak_jax.evaluation.over_clips import over_clips
from cak_jax.model import losses, spectral
from cak_jax.model.audits import heard
from cak_jax.model.audits.request import requested
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.generators.table import GENERATORS
from cak_jax.model.layers import Params
from cak_jax.model.resynthesis import Sound
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.model.train_state import GameSpec


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Applied:
    """A generator with all that its application needs.

    Attributes:
      generator: a name of `GENERATORS`.
      params: the shared tree.
      threshold, temperature: of the gate.
      settings, constants: of the spectrogram.
      spacing: bins and frames between the kernel's cells.
      reader: of the heard audit, `[quality]`; None for others.
      target: of the heard audit, see `Hearing`.
    """

    generator: str = dataclasses.field(metadata={"static": True})
    params: Params
    threshold: jax.Array
    temperature: jax.Array
    settings: SpectrogramSettings = dataclasses.field(metadata={"static": True})
    constants: Normalization
    spacing: tuple[int, int] = dataclasses.field(
        default=(1, 1), metadata={"static": True}
    )
    reader: jax.Array | None = None
    target: float = math.inf

    def apply(self, x: jax.Array, control: jax.Array) -> jax.Array:
        """Apply the generator to `[batch, freq, frame]` at controls `[batch]`."""
        apply = GENERATORS[self.generator].apply
        gate = self.threshold, self.temperature
        return apply(self.params, x, control, *gate, self.spacing)[0]


# No other generator than CAK plays the heard game.
SEEN = {name: audit for name, audit in AUDITS.items() if not audit.HEARS}


@jax.jit
def _measure(
    samples: jax.Array, applied: Applied, controls: jax.Array
) -> dict[str, Any]:
    constants = applied.constants
    x = batch.spectrograms(samples[None], applied.settings, constants)

    def measure(control: jax.Array) -> dict[str, jax.Array]:
        y = applied.apply(x, control[None])
        return {
            name: audit.measure(applied.params, y, x)[0] for name, audit in SEEN.items()
        }

    y = applied.apply(x, jnp.zeros(1))
    dry = spectral.denormalise(x, constants)
    added = spectral.denormalise(jnp.clip(y, 0.0, 1.0), constants) - dry
    # Exactly 0 where y is x, because two inversions may round differently.
    added = jnp.where(y == x, 0.0, added)
    return {
        "audit": jax.lax.map(measure, controls),
        "audible": {name: audit.audible(x)[0] for name, audit in SEEN.items()},
        "zero": losses.mean_level(jnp.abs(y - x))[0],
        "zero_power": jnp.stack([jnp.sum(added**2), jnp.sum(dry**2)]),
    }


def measure_clips(
    applied: Applied, clips: Iterable[np.ndarray], controls: np.ndarray
) -> dict[str, Any]:
    """Measure a generator on clips, one at a time.

    Args:
      applied: the generator.
      clips: at its sample rate.
      controls: raw, `[control]`.

    Returns:
      "audit": by audit `[clip, control]`, its measure on the clips that it can hear;
      at control 0, "zero" `[clip]`: mean|y - x|, and "zero_power" `[clip, 2]`: the
      power of the change in inverted magnitudes, and the clip's.
    """
    turns = jnp.asarray(controls, jnp.float32)
    measured = [
        jax.device_get(
            _measure(batch.gather_clip(clip, applied.settings), applied, turns)
        )
        for clip in clips
    ]
    columns: dict[str, Any] = jax.tree.map(
        lambda *values: np.stack(values).astype(np.float64), *measured
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


@functools.partial(jax.jit, static_argnames="game")
def _pair_losses(
    samples: jax.Array, control: jax.Array, applied: Applied, *, game: GameSpec
) -> tuple[jax.Array, jax.Array]:
    x = batch.spectrograms(samples, applied.settings, applied.constants)
    fake = applied.apply(x[:1], control)
    request = requested(control, applied.threshold, applied.temperature, game.request)
    hearing = None
    if applied.reader is not None:
        sound = Sound(samples[:1], applied.constants, applied.settings)
        asked = applied.reader, applied.target
        hearing = heard.listen(fake, x[:1], sound, applied.spacing[1], *asked)
    violation = losses.violation(
        applied.params, fake, x[:1], request, game.audit, hearing
    )
    return violation[0], losses.reconstruction(fake, x[1:])[0]


def held_out_losses(
    applied: Applied, clips: Clips, labels: np.ndarray, game: GameSpec
) -> dict[str, float]:
    """Return the generator's losses that need no critic, on held-out pairs.

    Identity and transformation items in equal number, paired as in the paper.

    Args:
      applied: the generator.
      clips: at its sample rate, at least 2.
      labels: of the clips, `[clip]`.
      game: names the audit and its request.

    Returns:
      "violation" and "reconstruction", means over the items.
    """

    def measure(item: tuple[int, int, float]) -> Any:
        *pair, control = item
        samples = [batch.gather_clip(clips[index], applied.settings) for index in pair]
        turned = jnp.float32(control)[None]
        losses = _pair_losses(np.stack(samples), turned, applied, game=game)
        return jax.device_get(losses)

    values = over_clips(measure, pairs.held_out_items(labels), "checking")
    violation, reconstruction = np.mean(values, axis=0)
    return {"violation": float(violation), "reconstruction": float(reconstruction)}
