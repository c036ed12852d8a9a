"""What a generator does to clips it was not trained on, found by applying it.

For generators that no effect file holds. CAK's measures need two applications per clip
(`measure`); here every control is one.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import batch as batch_lib, pairs
from cak_jax.evaluation.audit import Rows
from cak_jax.model import losses, networks, spectral
from cak_jax.model.train_state import GameSpec


@dataclasses.dataclass(frozen=True)
class Applied:
    """A generator as it is applied.

    Attributes:
      params: the shared tree; with FiLM its detector is the auditor's.
      threshold, temperature: of the gate.
      settings, constants: of the spectrogram.
    """

    params: networks.Params
    threshold: float
    temperature: float
    settings: spectral.SpectrogramSettings
    constants: spectral.Normalization

    @property
    def gate(self) -> tuple[jax.Array, jax.Array]:
        """Threshold and temperature as arrays."""
        return jnp.float32(self.threshold), jnp.float32(self.temperature)

    def samples(self, clip: np.ndarray) -> np.ndarray:
        """Return the padded samples under all frames of a clip, `[sample]`."""
        frames = self.settings.frames(clip.shape[0])
        zero = np.zeros(1, np.int64)
        return batch_lib.gather(clip[None], zero, zero, frames, self.settings)[0]


@functools.partial(jax.jit, static_argnames="settings")
def _measure(samples, params, gate, constants, controls, *, settings):
    x = batch_lib.spectrograms(samples[None], settings, constants)

    def levels(control):
        y, _ = networks.generate(params, x, control[None], *gate)
        relative = losses.relative_measure(*losses.heard_levels(y, x))
        return jnp.concatenate([networks.measure(params, y), relative])

    curves = jax.lax.map(levels, controls)
    y, _ = networks.generate(params, x, jnp.zeros(1), *gate)
    dry = spectral.denormalise(x, constants)
    added = spectral.denormalise(jnp.clip(y, 0.0, 1.0), constants) - dry
    # Where y is x nothing was added, whatever two inversions round to.
    added = jnp.where(y == x, 0.0, added)
    power = jnp.stack([jnp.sum(added**2), jnp.sum(dry**2)])
    heard = losses.heard_levels(x, x)[1][0] > 0
    return curves.T, losses.mean_level(jnp.abs(y - x))[0], power, heard


def measure_clips(
    applied: Applied, rows: Rows, count: int, controls: np.ndarray
) -> dict[str, np.ndarray]:
    """Measure a generator on clips, one at a time.

    Args:
      applied: what to measure.
      rows: gives clip i as `[samples]` float32.
      count: number of clips.
      controls: raw, `[control]`.

    Returns:
      "absolute" and "relative" `[clip, control]`: what the audits read, the latter on
      those clips in which anything sounds; and of what is
      left at control 0, "zero" `[clip]`: mean|y - x|, and "zero_power" `[clip, 2]`:
      the power of the change in inverted magnitudes, and the clip's.
    """
    measured = [
        _measure(
            applied.samples(np.asarray(rows(index))),
            applied.params,
            applied.gate,
            spectral.constant_arrays(applied.constants),
            jnp.asarray(controls, jnp.float32),
            settings=applied.settings,
        )
        for index in range(count)
    ]
    curves, zero, power, heard = (
        np.asarray(column, np.float64)
        for column in zip(*jax.device_get(measured), strict=True)
    )
    by_audit = dict(zip(losses.AUDITS, np.moveaxis(curves, 1, 0), strict=True))
    by_audit["relative"] = by_audit["relative"][heard > 0]
    return {**by_audit, "zero": zero, "zero_power": power}


def residual_at_zero(measured: dict[str, np.ndarray]) -> dict[str, float | None]:
    """Return what is left at control 0, means over the clips.

    Args:
      measured: of `measure_clips`.

    Returns:
      "mean": mean|y - x| of normalised spectrograms; "db": level of the change beside
      the clips', None where either is nothing.
    """
    changed, dry = measured["zero_power"].sum(axis=0)
    level = float(10 * np.log10(changed / dry)) if changed > 0 and dry > 0 else None
    return {"mean": float(measured["zero"].mean()), "db": level}


@functools.partial(jax.jit, static_argnames=("settings", "game"))
def _pair_losses(samples, control, params, gate, constants, *, settings, game):
    x = batch_lib.spectrograms(samples, settings, constants)
    x_in, target = x[:1], x[1:]
    fake, _ = networks.generate(params, x_in, control, *gate)
    asked = losses.requested(control, *gate, game.request)
    broken = losses.violation(params, fake, x_in, asked, game.audit)
    return broken[0], losses.reconstruction(fake, target)[0]


def held_out_losses(
    applied: Applied, rows: Rows, labels: np.ndarray, game: GameSpec
) -> dict[str, float]:
    """Return "violation" and "reconstruction" on held-out pairs.

    As `measure.held_out_losses`, by applying the generator.

    Args:
      applied: the generator.
      rows: gives clip i as `[samples]` float32.
      labels: of the clips, `[clip]`, at least 2.
      game: its audit, and what the audit asks for.
    """
    values = []
    for first, second, control in pairs.held_out_items(labels):
        clips = [np.asarray(rows(index)) for index in (first, second)]
        values.append(
            _pair_losses(
                np.stack([applied.samples(clip) for clip in clips]),
                jnp.float32(control)[None],
                applied.params,
                applied.gate,
                spectral.constant_arrays(applied.constants),
                settings=applied.settings,
                game=game,
            )
        )
    broken, distance = np.mean(jax.device_get(values), axis=0)
    return {"violation": float(broken), "reconstruction": float(distance)}
