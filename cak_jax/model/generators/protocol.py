"""What the game needs of a generator: a module with these names."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax

from cak_jax.model.layers import Params


class EffectNumbers(NamedTuple):
    """The eleven learned numbers, as an effect file holds them."""

    kernel: jax.Array
    bias: jax.Array
    scale: jax.Array


class Generator(Protocol):
    """A generator. A module of this folder is one.

    Attributes:
      TITLE: its name in sentences for people.
      PARTS: names of the sub-trees of the parameters that it owns and trains.
      effect_numbers: reads the eleven numbers of an effect file off the parameters;
        None where no effect file can hold the generator.
    """

    @property
    def TITLE(self) -> str: ...  # noqa: D102

    @property
    def PARTS(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def effect_numbers(self) -> Callable[[Params], EffectNumbers] | None: ...  # noqa: D102

    def draw(self, key: jax.Array) -> Params:
        """Draw the sub-trees that it owns beside the detector."""

    def apply(
        self,
        params: Params,
        x: jax.Array,
        control: jax.Array,
        threshold: jax.Array,
        temperature: jax.Array,
        spacing: tuple[int, int] = (1, 1),
    ) -> tuple[jax.Array, jax.Array]:
        """Transform spectrograms.

        Args:
          params: the shared tree.
          x: `[batch, freq, frame]`, normalised.
          control: `[batch]`.
          threshold, temperature: of the gate.
          spacing: bins and frames between the kernel's cells.

        Returns:
          `(y, pattern)`, both `[batch, freq, frame]`; the pattern is what the
          regulariser keeps from vanishing.
        """

    def learned_numbers(self, params: Params) -> dict[str, jax.Array]:
        """Return the scalars that the metrics log after every iteration."""
