"""What the game and the evaluation need of an audit: a module with these names."""

from typing import Protocol

import jax

from cak_jax.model.layers import Params


class Audit(Protocol):
    """An audit. A module of this folder is one.

    Attributes:
      AMOUNTS: shares of the full pattern, rising from 0 to 1, at which an evaluation
        measures an effect; between them it interpolates. (0, 1) is exact where the
        measure is affine in the amount.
      INAUDIBLE: why a clip cannot be audited, and the remedy, as the end of a message;
        "" where every clip can.
    """

    @property
    def AMOUNTS(self) -> tuple[float, ...]: ...  # noqa: D102

    @property
    def INAUDIBLE(self) -> str: ...  # noqa: D102

    def measure(self, params: Params, y: jax.Array, x: jax.Array) -> jax.Array:
        """Read the value that was applied, `[batch]`.

        Args:
          params: the shared tree; an audit may read its detector.
          y, x: output and input `[batch, freq, frame]`, normalised.
        """

    def audible(self, x: jax.Array) -> jax.Array:
        """Say which inputs can be audited, `[batch]` bool; the others cost nothing."""
