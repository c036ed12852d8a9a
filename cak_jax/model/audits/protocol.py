"""What the game and the evaluation need of an audit: a module with these names."""

import math
from typing import Protocol

import flax.struct
import jax

from cak_jax.model.layers import Params


class Hearing(flax.struct.PyTreeNode):
    """How a play sounds, and what is asked of it; `heard.listen` makes it.

    Qualities are in the order of `qualities.QUALITIES`.

    Attributes:
      moved: change of each quality, `[batch, quality]`.
      bels: change of the level, in units of 10 dB, `[batch]`.
      dry: qualities of the inputs, `[batch, quality]`.
      reader: weight of each quality, `[quality]`; one quality over its range is
        `1 / range` in one place.
      target: the reading that a full request leads to; infinite where every input is
        asked for the same change.
    """

    moved: jax.Array
    bels: jax.Array
    dry: jax.Array
    reader: jax.Array
    target: jax.Array | float = math.inf


class Audit(Protocol):
    """An audit. A module of this folder is one.

    Attributes:
      AMOUNTS: shares of the full pattern, rising from 0 to 1, at which an evaluation
        measures an effect; between them it interpolates. (0, 1) is exact where the
        measure is affine in the amount.
      HEARS: whether it measures the resynthesised sound.
      INAUDIBLE: why a clip cannot be audited, and the remedy, as the end of a message;
        "" where every clip can.
    """

    @property
    def AMOUNTS(self) -> tuple[float, ...]: ...  # noqa: D102

    @property
    def HEARS(self) -> bool: ...  # noqa: D102

    @property
    def INAUDIBLE(self) -> str: ...  # noqa: D102

    def measure(
        self,
        params: Params,
        y: jax.Array,
        x: jax.Array,
        hearing: Hearing | None = None,
    ) -> jax.Array:
        """Read the value that was applied, `[batch]`.

        Args:
          params: the shared tree; an audit may read its detector.
          y, x: output and input `[batch, freq, frame]`, normalised.
          hearing: how y sounds, for an audit that `HEARS`; None for others.

        Raises:
          ValueError: the audit hears and has nothing to hear.
        """

    def room(self, x: jax.Array, hearing: Hearing | None = None) -> jax.Array:
        """Return the change that a request of 1 asks of each input, `[batch]`.

        1 for an audit that asks every input for the same change.
        """

    def audible(self, x: jax.Array) -> jax.Array:
        """Say which inputs can be audited, `[batch]` bool; the others cost nothing."""
