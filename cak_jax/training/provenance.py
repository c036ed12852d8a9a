"""Where an effect comes from, said in its own file: names and numbers, no paths."""

import dataclasses

from cak_jax import __version__
from cak_jax.effect.effect import Effect, dumps
from cak_jax.runtime import json_file
from cak_jax.training.trainer import Trainer

# An effect file stays below this.
FILE_BYTES = 4096
# What a file can do without when names are very long, in this order: the hashes of
# configuration and corpus still stand.
DISPENSABLE = ("config", "corpus", "metrics")


def describe(trainer: Trainer, metrics: dict) -> dict:
    """Return the provenance of what a run has learned so far.

    Args:
      trainer: the run.
      metrics: measures of the effect, by name; non-finite ones become null.
    """
    settings, corpus = trainer.settings, trainer.corpus
    return {
        "cak_jax": __version__,
        "config_sha256": settings.config_sha256,
        "corpus_sha256": corpus.sha256,
        "corpus": {
            "name": corpus.manifest["path_name"],
            "clips": len(corpus.training),
            "held_out": int(corpus.held_out.sum()),
            "sha256": corpus.sha256,
        },
        "seed": settings.train.seed,
        "audit": settings.game.audit,
        "epochs": trainer.epoch,
        "config": settings.changes,
        "metrics": json_file.finite(metrics),
    }


def effect_of(trainer: Trainer, metrics: dict) -> Effect | None:
    """Return what a run has learned so far, with its provenance; None as for `effect`.

    Args:
      trainer, metrics: as for `describe`.
    """
    found = describe(trainer, metrics)
    effect = trainer.effect(found)
    if effect is None:
        return None
    for field in DISPENSABLE:
        if len(dumps(effect).encode()) < FILE_BYTES:
            break
        found = {name: value for name, value in found.items() if name != field}
        effect = dataclasses.replace(effect, provenance=found)
    return effect
