"""A run at one step as plain data, and the effect with its provenance.

Evaluation, reports and provenance read a snapshot; none of them needs the trainer.
"""

import dataclasses
from typing import Any

from cak_jax import __version__
from cak_jax.data.corpus import Corpus
from cak_jax.effect.effect import Effect, Quality, dumps
from cak_jax.model import cak
from cak_jax.model.generators.table import GENERATORS
from cak_jax.model.layers import Params
from cak_jax.model.spectrogram_settings import Normalization
from cak_jax.runtime import json_file
from cak_jax.training.config import Settings

# Largest size of an effect file, because provenance should not outgrow the effect.
FILE_BYTES = 4096
# Fields that are left out, in this order, where long names make a file too large. The
# hashes of configuration and corpus stay.
DISPENSABLE = ("config", "corpus", "metrics", "heard")


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A run at one step: parameters on the host, iterations and epochs done.

    Attributes:
      quality: that a heard game asks for; None in other games.
      knob: of the effect, once it is fitted; see `even_knob.with_knob`.
    """

    settings: Settings
    corpus: Corpus
    params: Params
    step: int
    epoch: int
    steps_per_epoch: int
    quality: Quality | None = None
    knob: tuple[float, ...] | None = None

    @property
    def normalization(self) -> Normalization:
        """The constants of the spectrogram's normalisation."""
        return normalization_of(self.settings, self.corpus)

    @property
    def temperature(self) -> float:
        """The gate's temperature in the epoch of the last step done."""
        gate = self.settings.hparams
        return float(
            cak.gate_temperature(
                max(0, self.step - 1) // self.steps_per_epoch,
                gate["temperature_initial"],
                gate["temperature_final"],
                gate["anneal_epochs"],
            )
        )

    @property
    def has_held_out(self) -> bool:
        """Whether the evaluation clips are held out; else they are training clips."""
        return bool(self.corpus.held_out.any())

    def effect(self, provenance: dict[str, Any] | None = None) -> Effect | None:
        """Return the learned effect, with the gate of the last epoch.

        None if no effect file can hold the generator.
        """
        read = GENERATORS[self.settings.game.generator].effect_numbers
        if read is None:
            return None
        learned = read(self.params)
        kernel: Any = tuple(tuple(float(v) for v in row) for row in learned.kernel)
        return Effect(
            name=self.settings.name,
            kernel=kernel,
            bias=float(learned.bias),
            scale=float(learned.scale),
            threshold=self.settings.hparams["threshold"],
            temperature=self.temperature,
            spectrogram=self.settings.spectrogram,
            normalization=self.normalization,
            provenance=provenance or {},
            spacing=self.settings.game.spacing,
            quality=self.quality,
            knob=self.knob,
        )


def normalization_of(settings: Settings, corpus: Corpus) -> Normalization:
    """Return the constants of the normalisation of a run's spectrograms."""
    return Normalization(settings.alpha, settings.gamma, corpus.low, corpus.high)


def effect_of(
    snapshot: Snapshot,
    metrics: dict[str, float],
    heard: str = "",
    usable_to: float | None = None,
) -> Effect | None:
    """Return the learned effect with its provenance, for a file below `FILE_BYTES`.

    The provenance holds names, numbers and hashes, but no paths. None if no effect file
    can hold the generator.

    Args:
      snapshot: of the run.
      metrics: measures of the effect by name; non-finite numbers become null.
      heard: a sentence on what is heard, for people; "" for none.
      usable_to: the largest recommended amount; None where it was not measured.
    """
    settings, corpus = snapshot.settings, snapshot.corpus
    provenance = {
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
        "epochs": snapshot.epoch,
        "config": settings.changes,
        "metrics": json_file.finite(metrics),
    }
    if heard:
        provenance["heard"] = heard
    if usable_to is not None:
        provenance["usable_to"] = usable_to
    effect = snapshot.effect(provenance)
    if effect is None:
        return None
    for field in DISPENSABLE:
        if len(dumps(effect).encode()) < FILE_BYTES:
            break
        provenance = {name: v for name, v in provenance.items() if name != field}
        effect = dataclasses.replace(effect, provenance=provenance)
    return effect
