"""The critic's strided convolution, fast where XLA's own derivatives are not.

The 4x4, stride-2, padding-1 convolution and its two gradients are three bilinear
maps; the derivative of each is made of the other two. Written as three functions
with custom derivatives they are closed under differentiation, so the gradient of
the gradient penalty never leaves them. On CPU each has a form made of matrix
products: XLA's generic lowering of the second derivative falls to scalar loops
there, several times slower. Elsewhere plain `lax` convolutions are used.

Layout: x `[batch, height, width, in]`, w `[4, 4, in, out]`,
y `[batch, height // 2, width // 2, out]`.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

KERNEL = 4
_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def _plain_conv(x: jax.Array, w: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x, w, (2, 2), [(1, 1), (1, 1)], dimension_numbers=_DIMENSIONS
    )


def _plain_input_gradient(dy: jax.Array, w: jax.Array, size) -> jax.Array:
    shape = (dy.shape[0], *size, w.shape[2])
    (dx,) = jax.linear_transpose(
        lambda x: _plain_conv(x, w), jax.ShapeDtypeStruct(shape, dy.dtype)
    )(dy)
    return dx


def _plain_weight_gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
    shape = (KERNEL, KERNEL, x.shape[-1], dy.shape[-1])
    (dw,) = jax.linear_transpose(
        lambda w: _plain_conv(x, w), jax.ShapeDtypeStruct(shape, x.dtype)
    )(dy)
    return dw


def _matrix_input_gradient(dy: jax.Array, w: jax.Array, size) -> jax.Array:
    """Compute the input gradient as a stride-1 2x2 convolution.

    Padded input position p = 2q + r meets tap k = 2a + r at output q - a, so the
    four parities r are four groups of output channels of one small convolution.
    """
    batch, rows, columns, outputs = dy.shape
    inputs = w.shape[2]
    taps = w.reshape(2, 2, 2, 2, inputs, outputs)[::-1, :, ::-1]
    taps = taps.transpose(0, 2, 5, 1, 3, 4).reshape(2, 2, outputs, 4 * inputs)
    depth = lax.conv_general_dilated(
        dy, taps, (1, 1), [(1, 1), (1, 1)], dimension_numbers=_DIMENSIONS
    )
    depth = depth.reshape(batch, rows + 1, columns + 1, 2, 2, inputs)
    full = depth.transpose(0, 1, 3, 2, 4, 5)
    full = full.reshape(batch, 2 * rows + 2, 2 * columns + 2, inputs)
    return full[:, 1 : size[0] + 1, 1 : size[1] + 1]


def _matrix_weight_gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
    """Compute the weight gradient as one matrix product over 16 gathered taps."""
    rows, columns, outputs = dy.shape[1:]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [
        padded[:, i : i + 2 * rows : 2, j : j + 2 * columns : 2]
        for i in range(KERNEL)
        for j in range(KERNEL)
    ]
    patches = jnp.concatenate(taps, axis=-1)
    dw = jnp.einsum("bhwp,bhwo->po", patches, dy)
    return dw.reshape(KERNEL, KERNEL, x.shape[-1], outputs)


@jax.custom_vjp
def conv(x: jax.Array, w: jax.Array) -> jax.Array:
    """Convolve with stride 2 and padding 1.

    Args:
      x: `[batch, height, width, in]`, height and width at least 2.
      w: `[4, 4, in, out]`.

    Returns:
      `[batch, height // 2, width // 2, out]`.
    """
    return _plain_conv(x, w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def input_gradient(dy: jax.Array, w: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Return the gradient of `sum(conv(x, w) * dy)` by x, of height, width `size`."""
    return lax.platform_dependent(
        dy,
        w,
        cpu=lambda dy, w: _matrix_input_gradient(dy, w, size),
        default=lambda dy, w: _plain_input_gradient(dy, w, size),
    )


@jax.custom_vjp
def weight_gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
    """Return the gradient of `sum(conv(x, w) * dy)` by w, `[4, 4, in, out]`."""
    return lax.platform_dependent(
        x, dy, cpu=_matrix_weight_gradient, default=_plain_weight_gradient
    )


def _conv_backward(saved, dy):
    x, w = saved
    return input_gradient(dy, w, x.shape[1:3]), weight_gradient(x, dy)


def _input_gradient_backward(size, saved, dx):
    del size  # dx has it
    dy, w = saved
    return conv(dx, w), weight_gradient(dx, dy)


def _weight_gradient_backward(saved, dw):
    x, dy = saved
    return input_gradient(dy, dw, x.shape[1:3]), conv(x, dw)


conv.defvjp(lambda x, w: (conv(x, w), (x, w)), _conv_backward)
input_gradient.defvjp(
    lambda dy, w, size: (input_gradient(dy, w, size), (dy, w)),
    _input_gradient_backward,
)
weight_gradient.defvjp(
    lambda x, dy: (weight_gradient(x, dy), (x, dy)), _weight_gradient_backward
)
