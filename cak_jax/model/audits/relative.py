"""The relative audit: the change of the mean level as a share of the input's.

Ours; not in the paper. One effect can meet a requested value on every clip, whatever
the clip's loudness.
"""

import jax
import jax.numpy as jnp

from cak_jax.model.audits.protocol import Hearing
from cak_jax.model.layers import Params

# The level is a mean of y = x + a D(x), so the measure is affine in a.
AMOUNTS = (0.0, 1.0)
# A frame whose mean is below this is a pause, because a share of nothing means nothing.
QUIET = 1e-2
HEARS = False
INAUDIBLE = (
    f"no frame of the spectrogram reaches a mean of {QUIET:g}; use louder sounds"
)


def heard_levels(y: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the mean levels of y and x where x sounds and D sees all its neighbours.

    The frames are those with a mean of x of 0.01 or more, and the frames beside them,
    because the pattern of a short sound reaches there too. The outer rim is left out,
    because zero padding takes a share of the pattern there. So a crop, its clip and the
    same clip with a pause measure alike.

    Args:
      y: what x became, `[..., freq, frame]`.
      x: `[..., freq, frame]`, at least 3 by 3.

    Returns:
      Levels of y and of x, `[...]`; both 0 where nothing sounds.
    """
    before = jnp.mean(x[..., 1:-1, 1:-1], axis=-2)
    after = jnp.mean(y[..., 1:-1, 1:-1], axis=-2)
    sounds = jnp.pad(before >= QUIET, [(0, 0)] * (before.ndim - 1) + [(1, 1)])
    heard = (sounds[..., :-2] | sounds[..., 1:-1] | sounds[..., 2:]).astype(x.dtype)
    share = heard / jnp.maximum(jnp.sum(heard, axis=-1, keepdims=True), 1.0)
    return jnp.sum(after * share, axis=-1), jnp.sum(before * share, axis=-1)


def relative_measure(level_y: jax.Array, level_x: jax.Array) -> jax.Array:
    """Return `(level_y - level_x) / level_x`: change as a share of the input.

    With the levels of `heard_levels` this equals `(m(y) - m(x)) / (m(x) - bias)` with
    the detector's m. The kernel's sum S cancels, and with it the pole at S = 0. With
    `a = c gate(c) scale` the measure is `a (S + bias / level_x)`. At bias 0 it does not
    depend on the clip's loudness, so one effect can meet a request on every clip. It is
    0 where nothing sounds.
    """
    heard = level_x > 0
    return jnp.where(heard, (level_y - level_x) / jnp.where(heard, level_x, 1.0), 0.0)


def measure(
    params: Params, y: jax.Array, x: jax.Array, hearing: Hearing | None = None
) -> jax.Array:
    """Return the relative change, `[batch]`; see `protocol.Audit.measure`."""
    return relative_measure(*heard_levels(y, x))


def room(x: jax.Array, hearing: Hearing | None = None) -> jax.Array:
    """Return 1 for every input; see `protocol.Audit.room`."""
    return jnp.ones(x.shape[:-2])


def audible(x: jax.Array) -> jax.Array:
    """Say in which inputs anything sounds."""
    return heard_levels(x, x)[1] > 0
