"""Generator and audit critic as Flax modules; the only place that knows linen.

Both own one detector: their parameters are read from one tree

    {"detector": {"kernel" [3, 3], "bias" []}, "scale" [],
     "realism": {"conv1", "conv2", "conv3", "dense"}}

Source: arXiv 2508.02643 and the published training code (sizes, initial values).
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from cak_jax import cak, conv

Params = dict[str, Any]

# Xavier-normal, gain 1, for one 3x3 channel in and out.
XAVIER_STD = math.sqrt(2.0 / 18.0)
LEAK = 0.2
INSTANCE_NORM_EPSILON = 1e-5


def _uniform(fan_in: int):
    limit = 1.0 / math.sqrt(fan_in)
    return lambda key, shape: jax.random.uniform(
        key, shape, minval=-limit, maxval=limit
    )


class Detector(nn.Module):
    """The shared 3x3 detector D."""

    gain: float = 0.1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, freq, frame]` to its pattern."""
        draw = nn.initializers.normal(self.gain * XAVIER_STD)
        kernel = self.param("kernel", draw, (3, 3))
        bias = self.param("bias", nn.initializers.zeros, ())
        return cak.detect(x, kernel, bias)


class Generator(nn.Module):
    """The CAK transform with its learned detector and scale."""

    kernel_gain: float = 0.1

    def setup(self):
        """Make the detector and the scale."""
        self.detector = Detector(self.kernel_gain)
        self.scale = self.param("scale", nn.initializers.ones, ())

    def __call__(
        self,
        x: jax.Array,
        control: jax.Array,
        threshold: jax.Array,
        temperature: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        """Map x `[batch, freq, frame]`, control `[batch]` to `(y, pattern)`."""
        pattern = self.detector(x)
        amount = cak.strength(control, threshold, temperature) * self.scale
        return cak.apply_pattern(x, pattern, amount), pattern


class ConvLayer(nn.Module):
    """4x4 convolution of stride 2, padding 1."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, height, width, in]` to half the height and width."""
        fan_in = conv.KERNEL**2 * x.shape[-1]
        shape = (conv.KERNEL, conv.KERNEL, x.shape[-1], self.features)
        kernel = self.param("kernel", _uniform(fan_in), shape).astype(x.dtype)
        bias = self.param("bias", _uniform(fan_in), (self.features,)).astype(x.dtype)
        return conv.conv(x, kernel) + bias[None, None, None, :]


class DenseLayer(nn.Module):
    """Dense layer to one number."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, in]` to `[batch]`."""
        kernel = self.param("kernel", _uniform(x.shape[-1]), (x.shape[-1], 1))
        bias = self.param("bias", _uniform(x.shape[-1]), (1,))
        return (x @ kernel)[..., 0] + bias[0]


def instance_norm(x: jax.Array) -> jax.Array:
    """Normalise each example and channel of `[batch, height, width, channel]`.

    Biased variance, no learned parameters; statistics in float32.
    """
    wide = x.astype(jnp.float32)
    centred = wide - jnp.mean(wide, axis=(1, 2), keepdims=True)
    variance = jnp.mean(centred**2, axis=(1, 2), keepdims=True)
    return (centred * jax.lax.rsqrt(variance + INSTANCE_NORM_EPSILON)).astype(x.dtype)


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
        return DenseLayer(name="dense")(means)


class AuditCritic(nn.Module):
    """Realism score, and the audit's measure by the shared detector."""

    widths: tuple[int, int, int] = (32, 64, 128)
    dtype: str = "float32"

    def setup(self):
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
        return jnp.mean(jnp.mean(self.detector(x), axis=-1), axis=-1)


def initial_params(
    key: jax.Array, widths: tuple[int, int, int], kernel_gain: float = 0.1
) -> Params:
    """Draw the one parameter tree that generator and critic share.

    Args:
      key: typed random key.
      widths: channels of the critic's three convolutions; (32, 64, 128) published.
      kernel_gain: of the detector's Xavier-normal draw; 0.1 published.
    """
    key_generator, key_critic = jax.random.split(key)
    x = jnp.zeros((1, 16, 16))
    zero = jnp.zeros((1,))
    generator = Generator(kernel_gain).init(key_generator, x, zero, 0.3, 20.0)["params"]
    critic = AuditCritic(widths).init(key_critic, x)["params"]
    return {**generator, "realism": critic["realism"]}


def generate(params: Params, x, control, threshold, temperature):
    """Apply the generator: `(y, pattern)`, both `[batch, freq, frame]`."""
    return Generator().apply({"params": params}, x, control, threshold, temperature)


def score(params: Params, x: jax.Array, dtype: str = "float32") -> jax.Array:
    """Apply the realism branch, computed in `dtype`: `[batch]` float32."""
    return _critic(params, dtype).apply({"params": params}, x, method="score")


def measure(params: Params, x: jax.Array) -> jax.Array:
    """Apply the audit's measure: `[batch]`."""
    return AuditCritic().apply({"params": params}, x, method="measure")


def _critic(params: Params, dtype: str) -> AuditCritic:
    realism = params["realism"]
    names = ("conv1", "conv2", "conv3")
    return AuditCritic(tuple(realism[name]["bias"].shape[0] for name in names), dtype)
