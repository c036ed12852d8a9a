"""The paper's audit: `m(y) = mean D(y)`, by the detector that is the generator's too.

It mostly reads how loud a clip is: the mean of the spectrogram times the kernel's sum.
"""

import jax
import jax.numpy as jnp

from cak_jax.model import critic
from cak_jax.model.audits.protocol import Hearing
from cak_jax.model.layers import Params

# y = x + a D(x) and D is affine, so the measure is affine in a.
AMOUNTS = (0.0, 1.0)
HEARS = False
INAUDIBLE = ""


def measure(
    params: Params, y: jax.Array, x: jax.Array, hearing: Hearing | None = None
) -> jax.Array:
    """Return `m(y)`, `[batch]`; see `protocol.Audit.measure`."""
    return critic.measure(params, y)


def room(x: jax.Array, hearing: Hearing | None = None) -> jax.Array:
    """Return 1 for every input; see `protocol.Audit.room`."""
    return jnp.ones(x.shape[:-2])


def audible(x: jax.Array) -> jax.Array:
    """Return True for every input."""
    return jnp.ones(x.shape[:-2], bool)
