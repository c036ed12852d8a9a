"""What the game and the evaluation need of an audit: a module with these names."""

import math
from typing import Protocol

import flax.struct
import jax

from cak_jax.model.layers import Params
from cak_jax.model.resynthesis import Sound


class Hearing(flax.struct.PyTreeNode):
    """What an audit of the resynthesised sound needs beside the spectrograms.

    Attributes:
      sound: the samples of the inputs.
      reader: weight of the change of each quality, `[quality]`, in the order of
        `qualities.QUALITIES`; one quality over its range is `1 / range` in one place.
      target: the reading that a full request leads to; infinite where every input is
        asked for the same change.
      frames_aside: frames between the kernel's cells; static.
    """

    sound: Sound
    reader: jax.Array
    target: jax.Array | float = math.inf
    frames_aside: int = flax.struct.field(pytree_node=False, default=1)


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
          hearing: the sound behind x, for an audit that `HEARS`; None for others.

        Raises:
          ValueError: the audit hears and has nothing to hear.
        """

    def room(self, x: jax.Array, hearing: Hearing | None = None) -> jax.Array:
        """Return the change that a request of 1 asks of each input, `[batch]`.

        1 for an audit that asks every input for the same change.
        """

    def audible(self, x: jax.Array) -> jax.Array:
        """Say which inputs can be audited, `[batch]` bool; the others cost nothing."""
