"""A game of a few numbers, for the tests of its steps."""

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.model import train_step
from cak_jax.model.train_state import GameSpec

SPEC = GameSpec((2, 3, 4), 2, "absolute")


def make_batch(seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.asarray(rng.random(shape), jnp.float32)  # noqa: E731
    return train_step.Batch(
        draw(4, 17, 18), draw(4, 17, 18), jnp.asarray([0, 0.2, 0.3, 0.8])
    )


def leaves(tree):
    pairs = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in pairs}
