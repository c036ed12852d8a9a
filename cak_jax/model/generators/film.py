"""FiLM, which the paper compares CAK with: a small network under modulation."""

from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from cak_jax.model import cak
from cak_jax.model.layers import LEAK, DenseLayer, Params, SameConv

TITLE = "FiLM"
PARTS: tuple[str, ...] = ("film",)
# A network of a thousand numbers: no effect file holds it.
effect_numbers = None
# Numbers that stand for the control, as in the paper.
FILM_CONTROLS = 24
# Channels; the paper gives no width.
FILM_WIDTH = 16


def embed_control(control: jax.Array) -> jax.Array:
    """Return the 24 numbers that stand for a control: bumps over [0, 1].

        e_i(c) = exp(-(23 c - i)^2 / 2),    i = 0 ... 23

    Args:
      control: `[batch]`.

    Returns:
      `[batch, 24]`, 1 where the control is at a bump's centre `i / 23`.
    """
    centres = jnp.arange(FILM_CONTROLS, dtype=jnp.float32)
    position = control[:, None] * (FILM_CONTROLS - 1)
    return jnp.exp(-0.5 * jnp.square(position - centres[None, :]))


class Film(nn.Module):
    """What a small network under feature-wise linear modulation adds to its input.

        h = conv1(x);  d, b = dense(e(c));  conv2(LeakyReLU((1 + d) h + b))

    1105 numbers with 16 channels; nothing makes it 0 at control 0. Modulation with
    1 + d after Perez et al. 2018 (arXiv 1709.07871); the paper does not give its
    network, so the rest is the least that modulates.
    """

    @nn.compact
    def __call__(self, x: jax.Array, control: jax.Array) -> jax.Array:
        """Map x `[batch, freq, frame]`, control `[batch]` to the residual y - x."""
        hidden = SameConv(FILM_WIDTH, name="conv1")(x[..., None])
        film = DenseLayer(2 * FILM_WIDTH, name="dense")(embed_control(control))
        change, shift = jnp.split(film[:, None, None, :], 2, axis=-1)
        hidden = nn.leaky_relu((1.0 + change) * hidden + shift, LEAK)
        return SameConv(1, name="conv2")(hidden)[..., 0]


def draw(key: jax.Array) -> Params:
    """Draw the network."""
    return {"film": Film().init(key, jnp.zeros((1, 16, 16)), jnp.zeros(1))["params"]}


def apply(
    params: Params,
    x: jax.Array,
    control: jax.Array,
    threshold: jax.Array,
    temperature: jax.Array,
    spacing: tuple[int, int] = (1, 1),
) -> tuple[jax.Array, jax.Array]:
    """Apply the network to the gated control; its pattern is all it adds, `y - x`."""
    if spacing != (1, 1):
        raise ValueError(f"FiLM has no cells to space, got {spacing}")
    amount = cak.strength(control, threshold, temperature)
    network = {"params": params["film"]}
    pattern = cast(jax.Array, Film().apply(network, x, amount))
    return x + pattern, pattern


def learned_numbers(params: Params) -> dict[str, jax.Array]:
    """Return nothing: a thousand numbers have no names."""
    return {}
