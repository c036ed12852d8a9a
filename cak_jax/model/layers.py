"""Layers that the critic and the generators share.

Source: arXiv 2508.02643 and the published training code (sizes, initial values).
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from cak_jax.model import strided_conv

# The one tree of parameters that both players share, by sub-tree:
#     {"detector": {"kernel" [3, 3], "bias" []},
#      "realism": {"conv1", "conv2", "conv3", "dense"},
#      and what the generator owns beside the detector: "scale" [], or "film"}
Params = dict[str, Any]
Initializer = Callable[[jax.Array, tuple[int, ...]], jax.Array]

# Standard deviation of a Xavier-normal draw of gain 1, one 3x3 channel in and out.
XAVIER_STD = math.sqrt(2.0 / 18.0)
PUBLISHED_GAIN = 0.1
LEAK = 0.2
INSTANCE_NORM_EPSILON = 1e-5


def uniform(fan_in: int) -> Initializer:
    """Return a draw from +-1/sqrt(fan_in), as the published layers have it."""
    limit = 1.0 / math.sqrt(fan_in)
    return lambda key, shape: jax.random.uniform(
        key, shape, minval=-limit, maxval=limit
    )


def _wide_draw(gain: float) -> Initializer:
    plain = nn.initializers.normal(PUBLISHED_GAIN * XAVIER_STD)

    def draw(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        # The sum is the published draw's, so that the audit pulls it no further; only
        # the deviations from the mean are widened.
        drawn = plain(key, shape)
        mean = jnp.mean(drawn)
        return drawn + (gain / PUBLISHED_GAIN - 1.0) * (drawn - mean)

    return draw


class Detector(nn.Module):
    """The ten learned numbers of the shared 3x3 detector D."""

    gain: float = PUBLISHED_GAIN

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array]:
        """Return the kernel `[3, 3]` and the bias that `cak.detect` takes."""
        kernel = self.param("kernel", _wide_draw(self.gain), (3, 3))
        return kernel, self.param("bias", nn.initializers.zeros, ())


class SameConv(nn.Module):
    """3x3 convolution of stride 1, zeros outside."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, freq, frame, in]` to `[batch, freq, frame, features]`."""
        shape = (3, 3, x.shape[-1], self.features)
        fan_in = 9 * x.shape[-1]
        kernel = self.param("kernel", uniform(fan_in), shape)
        bias = self.param("bias", uniform(fan_in), (self.features,))
        dimensions = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=dimensions
        )
        return y + bias[None, None, None, :]


class ConvLayer(nn.Module):
    """4x4 convolution of stride 2, padding 1."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, height, width, in]` to half the height and width."""
        fan_in = strided_conv.KERNEL**2 * x.shape[-1]
        shape = (strided_conv.KERNEL, strided_conv.KERNEL, x.shape[-1], self.features)
        kernel = self.param("kernel", uniform(fan_in), shape).astype(x.dtype)
        bias = self.param("bias", uniform(fan_in), (self.features,)).astype(x.dtype)
        return strided_conv.conv(x, kernel) + bias[None, None, None, :]


class DenseLayer(nn.Module):
    """Dense layer."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, in]` to `[batch, features]`."""
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", uniform(x.shape[-1]), shape)
        bias = self.param("bias", uniform(x.shape[-1]), (self.features,))
        return x @ kernel + bias[None, :]


def instance_norm(x: jax.Array) -> jax.Array:
    """Normalise each example and channel of `[batch, height, width, channel]`.

    Biased variance, no learned parameters; statistics in float32.
    """
    wide = x.astype(jnp.float32)
    centred = wide - jnp.mean(wide, axis=(1, 2), keepdims=True)
    variance = jnp.mean(centred**2, axis=(1, 2), keepdims=True)
    return (centred * jax.lax.rsqrt(variance + INSTANCE_NORM_EPSILON)).astype(x.dtype)
