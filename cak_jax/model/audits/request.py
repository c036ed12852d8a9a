"""What an audit asks for at a control."""

import jax

from cak_jax.model import cak

REQUESTS = ("control", "gated")


def requested(
    control: jax.Array, threshold: jax.Array, temperature: jax.Array, request: str
) -> jax.Array:
    """Return the value that the audit asks for, shaped like `control`.

    Args:
      control: the pair's control values.
      threshold, temperature: of the gate.
      request: "control" (the paper): c itself. A half-open gate can reach it only with
        a pattern that is too strong where the gate is open. "gated" (ours):
        `c gate(c)`, which one pattern meets at every c and at every temperature.
    """
    if request == "gated":
        share: jax.Array = cak.strength(control, threshold, temperature)
        return share
    return control
