"""The audit critic as a Flax module: a score of realism, and the audit's measure.

The critic and CAK's generator own one detector, read from the one tree of parameters
(`layers.Params`). Source: arXiv 2508.02643 and the published training code.
"""

from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from cak_jax.model import cak
from cak_jax.model.layers import (
    LEAK,
    ConvLayer,
    DenseLayer,
    Detector,
    Params,
    instance_norm,
)


class Realism(nn.Module):
    """The critic's realism branch: a spectrogram to one score."""

    widths: tuple[int, int, int]
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, freq, frame]` to `[batch]`, float32."""
        hidden = ConvLayer(self.widths[0], name="conv1")(
            x[..., None].astype(self.dtype)
        )
        hidden = nn.leaky_relu(hidden, LEAK)
        hidden = ConvLayer(self.widths[1], name="conv2")(hidden)
        hidden = nn.leaky_relu(instance_norm(hidden), LEAK)
        hidden = ConvLayer(self.widths[2], name="conv3")(hidden)
        hidden = nn.leaky_relu(instance_norm(hidden), LEAK)
        means = jnp.mean(hidden.astype(jnp.float32), axis=(1, 2))
        return DenseLayer(1, name="dense")(means)[..., 0]


class AuditCritic(nn.Module):
    """Realism score, and the audit's measure by the shared detector."""

    widths: tuple[int, int, int] = (32, 64, 128)
    dtype: str = "float32"

    def setup(self) -> None:
        """Make the detector and the realism branch."""
        self.detector = Detector()
        self.realism = Realism(self.widths, self.dtype)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return `(score [batch], m(x) [batch])` for x `[batch, freq, frame]`."""
        return self.score(x), self.measure(x)

    def score(self, x: jax.Array) -> jax.Array:
        """Return the realism score `[batch]`."""
        return self.realism(x)

    def measure(self, x: jax.Array) -> jax.Array:
        """Return `m(x) = mean_{freq, frame} D(x)`, `[batch]`."""
        # Two means, not one over a million values: float32 sums drift less.
        return jnp.mean(jnp.mean(cak.detect(x, *self.detector()), axis=-1), axis=-1)


def draw(key: jax.Array, widths: tuple[int, int, int]) -> Params:
    """Draw what the critic owns beside the detector: `{"realism": ...}`.

    Args:
      key: typed random key.
      widths: channels of the three convolutions; (32, 64, 128) published.
    """
    drawn = AuditCritic(widths).init(key, jnp.zeros((1, 16, 16)))["params"]
    return {"realism": drawn["realism"]}


def score(params: Params, x: jax.Array, dtype: str = "float32") -> jax.Array:
    """Apply the realism branch, computed in `dtype`: `[batch]` float32."""
    realism = params["realism"]
    names = ("conv1", "conv2", "conv3")
    widths = tuple(realism[name]["bias"].shape[0] for name in names)
    module = AuditCritic(widths, dtype)
    scores = module.apply({"params": params}, x, method="score")
    return cast(jax.Array, scores)


def measure(params: Params, x: jax.Array) -> jax.Array:
    """Apply the audit's measure: `[batch]`."""
    measures = AuditCritic().apply({"params": params}, x, method="measure")
    return cast(jax.Array, measures)
