"""Generators and audit critic as Flax modules; the only place that knows linen.

CAK and the critic own one detector: their parameters are read from one tree

    {"detector": {"kernel" [3, 3], "bias" []}, "scale" [],
     "realism": {"conv1", "conv2", "conv3", "dense"}}

With FiLM, which CAK is compared with, "film" stands in place of "scale" and the
detector is the critic's alone.

Source: arXiv 2508.02643 and the published training code (sizes, initial values).
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from cak_jax.model import cak, strided_conv

Params = dict[str, Any]

# Xavier-normal, gain 1, for one 3x3 channel in and out.
XAVIER_STD = math.sqrt(2.0 / 18.0)
PUBLISHED_GAIN = 0.1
LEAK = 0.2
INSTANCE_NORM_EPSILON = 1e-5
# Numbers that stand for the control in FiLM, as in the paper; the width is ours.
FILM_CONTROLS = 24
FILM_WIDTH = 16


def _uniform(fan_in: int):
    limit = 1.0 / math.sqrt(fan_in)
    return lambda key, shape: jax.random.uniform(
        key, shape, minval=-limit, maxval=limit
    )


def _wide_draw(gain: float):
    plain = nn.initializers.normal(PUBLISHED_GAIN * XAVIER_STD)

    def draw(key, shape):
        # Only the shape is widened: the sum starts where the published one does, so
        # that the audit has no further to pull it.
        drawn = plain(key, shape)
        mean = jnp.mean(drawn)
        return drawn + (gain / PUBLISHED_GAIN - 1.0) * (drawn - mean)

    return draw


class Detector(nn.Module):
    """The shared 3x3 detector D."""

    gain: float = PUBLISHED_GAIN

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, freq, frame]` to its pattern."""
        kernel = self.param("kernel", _wide_draw(self.gain), (3, 3))
        bias = self.param("bias", nn.initializers.zeros, ())
        return cak.detect(x, kernel, bias)


class Generator(nn.Module):
    """The CAK transform with its learned detector and scale."""

    kernel_gain: float = PUBLISHED_GAIN

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
        return cak.apply_pattern(x, pattern, amount[:, None, None]), pattern


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


class SameConv(nn.Module):
    """3x3 convolution of stride 1, zeros outside."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, freq, frame, in]` to `[batch, freq, frame, features]`."""
        shape = (3, 3, x.shape[-1], self.features)
        fan_in = 9 * x.shape[-1]
        kernel = self.param("kernel", _uniform(fan_in), shape)
        bias = self.param("bias", _uniform(fan_in), (self.features,))
        dimensions = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=dimensions
        )
        return y + bias[None, None, None, :]


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


class ConvLayer(nn.Module):
    """4x4 convolution of stride 2, padding 1."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, height, width, in]` to half the height and width."""
        fan_in = strided_conv.KERNEL**2 * x.shape[-1]
        shape = (strided_conv.KERNEL, strided_conv.KERNEL, x.shape[-1], self.features)
        kernel = self.param("kernel", _uniform(fan_in), shape).astype(x.dtype)
        bias = self.param("bias", _uniform(fan_in), (self.features,)).astype(x.dtype)
        return strided_conv.conv(x, kernel) + bias[None, None, None, :]


class DenseLayer(nn.Module):
    """Dense layer."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x `[batch, in]` to `[batch, features]`."""
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", _uniform(x.shape[-1]), shape)
        bias = self.param("bias", _uniform(x.shape[-1]), (self.features,))
        return x @ kernel + bias[None, :]


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
        return DenseLayer(1, name="dense")(means)[..., 0]


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
    key: jax.Array,
    widths: tuple[int, int, int],
    generator: str = "cak",
    kernel_gain: float = 0.1,
) -> Params:
    """Draw the one parameter tree that generator and critic share.

    Args:
      key: typed random key; detector and realism branch are the same draws for both
        generators.
      widths: channels of the critic's three convolutions; (32, 64, 128) published.
      generator: "cak", or "film", which owns "film" in place of the scale.
      kernel_gain: of the shape of the detector's Xavier-normal draw; 0.1 published.
    """
    key_generator, key_critic = jax.random.split(key)
    x = jnp.zeros((1, 16, 16))
    zero = jnp.zeros((1,))
    drawn = Generator(kernel_gain).init(key_generator, x, zero, 0.3, 20.0)
    cak_params = drawn["params"]
    critic = AuditCritic(widths).init(key_critic, x)["params"]
    shared = {"detector": cak_params["detector"], "realism": critic["realism"]}
    if generator == "film":
        # One key for both: linen folds the names of the layers into it.
        return {**shared, "film": Film().init(key_generator, x, zero)["params"]}
    return {**shared, "scale": cak_params["scale"]}


def generate(params: Params, x, control, threshold, temperature):
    """Apply the generator that `params` hold: `(y, pattern)`, `[batch, freq, frame]`.

    Both take the control through the gate, `c gate(c)`: CAK to multiply its pattern,
    FiLM to embed it. FiLM's pattern is all that it adds, `y - x`.
    """
    if "film" in params:
        amount = cak.strength(control, threshold, temperature)
        pattern = Film().apply({"params": params["film"]}, x, amount)
        return x + pattern, pattern
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
