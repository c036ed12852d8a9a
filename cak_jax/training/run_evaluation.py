"""The evaluation of a run on its held-out clips.

A generator that an effect file can hold is measured as an effect; any other one by
applying it at every control.
"""

import math
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np

from cak_jax.data.clips import spread_clips
from cak_jax.data.scan import Progress
from cak_jax.effect.effect import Effect, load_effect, save_effect
from cak_jax.effect.quality import reader, target
from cak_jax.evaluation import (
    agreement,
    audit as audit_lib,
    convergence,
    generator_audit,
    heard,
)
from cak_jax.runtime import json_file
from cak_jax.training.run_corpus import clips_at
from cak_jax.training.snapshot import Snapshot, effect_of

# Held-out clips that an epoch is measured on, so that training goes on soon; the end of
# a run is measured on all.
EPOCH_CLIPS = 12


def applied(snapshot: Snapshot) -> generator_audit.Applied:
    """Return the run's generator, with the gate of the last epoch."""
    weights, leads_to = None, math.inf
    if snapshot.quality is not None:
        weights = jnp.asarray(reader(snapshot.quality), jnp.float32)
        leads_to = target(snapshot.quality)
    return generator_audit.Applied(
        snapshot.settings.game.generator,
        snapshot.params,
        jnp.float32(snapshot.settings.hparams["threshold"]),
        jnp.float32(snapshot.temperature),
        snapshot.settings.spectrogram,
        snapshot.normalization,
        snapshot.settings.game.spacing,
        weights,
        leads_to,
    )


def measure_clips(
    snapshot: Snapshot, most: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Return `measure_clips` of the run's effect, or of its generator without one.

    Args:
      snapshot: of the run.
      most: of the held-out clips are measured, spread evenly; 0: all.
      progress: told after every clip of an effect.
    """
    corpus = snapshot.corpus
    clips = clips_at(corpus, spread_clips(corpus.evaluation, most))
    effect = snapshot.effect()
    if effect is not None:
        return audit_lib.measure_clips(effect, clips, progress)
    return generator_audit.measure_clips(applied(snapshot), clips, agreement.CONTROLS)


def held_out_losses(snapshot: Snapshot, most: int = 0) -> dict[str, float]:
    """Return violation and reconstruction; {} for a single clip, which has no pair.

    `most` as in `measure_clips`.
    """
    corpus = snapshot.corpus
    indices = spread_clips(corpus.evaluation, most)
    if len(indices) < 2:
        return {}
    clips, labels = clips_at(corpus, indices), corpus.labels[indices]
    return generator_audit.held_out_losses(
        applied(snapshot), clips, labels, snapshot.settings.game
    )


def evaluate_epoch(
    snapshot: Snapshot,
    measured: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, float | None]:
    """Measure losses and audit of an epoch; the change at 0 without an effect.

    Args:
      snapshot: after the epoch.
      measured: by `measure_clips`; None measures `EPOCH_CLIPS` clips at most.
      progress: of that measurement.
    """
    effect = snapshot.effect()
    if measured is None:
        measured = measure_clips(snapshot, EPOCH_CLIPS, progress)
    audit, controls = snapshot.settings.game.audit, agreement.CONTROLS
    record: dict[str, float | None] = {**held_out_losses(snapshot, EPOCH_CLIPS)}
    if effect is not None:
        curve = audit_lib.audit_curve(effect, measured, controls, audit)
    else:
        curve = measured["audit"][audit]
    fitted = agreement.fit(controls, curve)
    record |= {f"audit_{name}": fitted[name] for name in ("slope", "r2", "mae")}
    if effect is None:
        record["residual_at_zero"] = generator_audit.residual_at_zero(measured)["mean"]
    return record


def patterns(folder: pathlib.Path) -> np.ndarray:
    """Return `kernel * scale` after every epoch of a run, `[epoch, 3, 3]`."""
    files = (folder / "effects").glob("epoch_*.json")
    in_order = sorted(files, key=lambda path: int(path.stem.removeprefix("epoch_")))
    effects = map(load_effect, in_order)
    return np.array([np.array(effect.kernel) * effect.scale for effect in effects])


def write_evaluation(
    snapshot: Snapshot, measured: dict[str, Any], folder: pathlib.Path
) -> Effect:
    """Write `evaluation.json`, and `effect.json` with its measures in it.

    They are of what is heard for an effect with a quality, else of the audit.
    `measured`, of `evaluate.evaluate`, gains whether the effect is trustworthy.
    """
    audit = snapshot.settings.game.audit
    measured["trustworthy"] = convergence.trustworthy(measured, audit)
    json_file.write(folder / "evaluation.json", measured)
    quality, said, usable_to = convergence.heard_quality(measured), "", None
    if quality is None:
        fitted = measured["audit"][audit]["calibrated"]
    else:
        fitted = next(iter(quality["windows"].values()))
        said = heard.sentence(measured["heard"], snapshot.has_held_out)
        usable_to = measured["heard"]["usable_to"]
    metrics = {name: fitted[name] for name in ("slope", "r2", "mae")}
    effect = effect_of(snapshot, metrics, said, usable_to)
    assert effect is not None  # only an effect is evaluated this way
    save_effect(effect, folder / "effect.json")
    return effect
