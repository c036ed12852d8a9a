"""The critic's strided convolution, fast where XLA's own derivatives are not.

The 4x4, stride-2, padding-1 convolution and its two gradients are three bilinear maps.
The derivative of each consists of the other two. So three functions with custom
derivatives are closed under differentiation, and the gradient of the gradient penalty
uses them alone. On CPU each is made of matrix products, because XLA lowers the second
derivative to scalar loops there, which are several times slower. Other backends use
plain `lax` convolutions.

Under `vmap` with weights of their own, many runs become matrix products with a batch
axis, on every backend; XLA's own rule makes grouped convolutions of them, which are
slow. The rules are `_many_conv`, `_many_input_gradient`, `_many_weight_gradient`.

The matrix forms work on blocks: padded position p = 2q + r of x meets tap k = 2a + r
at output q - a. With the four parities r of a 2x2 block side by side as channels, the
convolution is a 2x2 one of stride 1. The narrower side is gathered, because copies cost
more than the products (measurements: `experiments/training_iteration.md`).

Layout: x `[batch, height, width, in]`, w `[4, 4, in, out]`,
y `[batch, height // 2, width // 2, out]`.
"""

import functools
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

KERNEL = 4
_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
Size = tuple[int, int]
Pair = tuple[jax.Array, jax.Array]
Function = Callable[[jax.Array, jax.Array], jax.Array]


def _plain_conv(x: jax.Array, w: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x, w, (2, 2), [(1, 1), (1, 1)], dimension_numbers=_DIMENSIONS
    )


def _plain_input_gradient(dy: jax.Array, w: jax.Array, size: Size) -> jax.Array:
    shape = (dy.shape[0], *size, w.shape[2])
    return _transposed(lambda x: _plain_conv(x, w), shape, dy)


def _plain_weight_gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
    shape = (KERNEL, KERNEL, x.shape[-1], dy.shape[-1])
    return _transposed(lambda w: _plain_conv(x, w), shape, dy)


def _transposed(
    function: Callable[[jax.Array], jax.Array], shape: tuple[int, ...], dy: jax.Array
) -> jax.Array:
    """Apply the transpose of a linear function of an array of a shape."""
    example = jnp.zeros(shape, dy.dtype)
    (value,) = jax.linear_transpose(function, example)(dy)
    transposed: jax.Array = value
    return transposed


def _to_blocks(x: jax.Array) -> jax.Array:
    """Pad by one and put 2x2 blocks into channels: `[batch, h + 1, w + 1, 4 in]`."""
    batch, height, width, inputs = x.shape
    rows, columns = height // 2 + 1, width // 2 + 1
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))[:, : 2 * rows, : 2 * columns]
    blocks = padded.reshape(batch, rows, 2, columns, 2, inputs)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, 4 * inputs)


def _from_blocks(blocks: jax.Array, size: Size) -> jax.Array:
    """Undo `_to_blocks` for x of height, width `size`."""
    batch, rows, columns, _ = blocks.shape
    full = blocks.reshape(batch, rows, columns, 2, 2, -1).transpose(0, 1, 3, 2, 4, 5)
    full = full.reshape(batch, 2 * rows, 2 * columns, -1)
    return full[:, 1 : size[0] + 1, 1 : size[1] + 1]


def _taps(w: jax.Array) -> jax.Array:
    """Order w for blocks: `[corner a, corner b, 4 in, out]`."""
    inputs, outputs = w.shape[2:]
    return _swap_parities(w.reshape(2, 2, 2, 2, inputs, outputs)).reshape(
        2, 2, 4 * inputs, outputs
    )


def _from_taps(taps: jax.Array, inputs: int, outputs: int) -> jax.Array:
    """Undo `_taps`."""
    return _swap_parities(taps.reshape(2, 2, 2, 2, inputs, outputs)).reshape(
        KERNEL, KERNEL, inputs, outputs
    )


def _swap_parities(w: jax.Array) -> jax.Array:
    return w.transpose(0, 2, 1, 3, 4, 5)


def _patches(x: jax.Array) -> jax.Array:
    """Gather the 16 taps of every output: `[batch, h, w, 16 in]`."""
    blocks = _to_blocks(x)
    rows, columns = blocks.shape[1] - 1, blocks.shape[2] - 1
    return jnp.concatenate(
        [blocks[:, a : a + rows, b : b + columns] for a, b in _CORNERS], axis=-1
    )


def _from_patches(patches: jax.Array, size: Size) -> jax.Array:
    """Sum the taps of every output at their places: the transpose of `_patches`."""
    shifted = [
        jnp.pad(part, ((0, 0), (a, 1 - a), (b, 1 - b), (0, 0)))
        for part, (a, b) in zip(jnp.split(patches, 4, axis=-1), _CORNERS, strict=True)
    ]
    return _from_blocks(functools.reduce(jnp.add, shifted), size)


def _matrix_conv(x: jax.Array, w: jax.Array) -> jax.Array:
    # XLA's own loops are fast for several channels and slow for one.
    if x.shape[-1] > 1:
        return _plain_conv(x, w)
    patches = _patches(x)
    return patches @ _taps(w).reshape(patches.shape[-1], -1)


def _matrix_input_gradient(dy: jax.Array, w: jax.Array, size: Size) -> jax.Array:
    inputs, outputs = w.shape[2:]
    if inputs > 1:
        taps = _taps(w)[::-1, ::-1].swapaxes(2, 3)
        return _from_blocks(
            lax.conv_general_dilated(
                dy, taps, (1, 1), [(1, 1), (1, 1)], dimension_numbers=_DIMENSIONS
            ),
            size,
        )
    return _from_patches(dy @ _taps(w).reshape(16 * inputs, outputs).T, size)


def _matrix_weight_gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
    inputs, outputs = x.shape[-1], dy.shape[-1]
    if inputs == 1:
        taps = _product(_patches(x), dy)
        return _from_taps(taps, inputs, outputs)
    shifted = [
        jnp.pad(dy, ((0, 0), (a, 1 - a), (b, 1 - b), (0, 0))) for a, b in _CORNERS
    ]
    taps = _product(_to_blocks(x), jnp.concatenate(shifted, axis=-1))
    taps = taps.reshape(4 * inputs, 4, outputs).swapaxes(0, 1)
    return _from_taps(taps, inputs, outputs)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    """Contract all but the last axes: `[a channel, b channel]`."""
    # Example by example, because shorter sums stay in cache and round less.
    batch = a.shape[0]
    a, b = (side.reshape(batch, -1, side.shape[-1]) for side in (a, b))
    return jnp.einsum("bna,bnc->bac", a, b).sum(0)


def _many_conv(x: jax.Array, w: jax.Array) -> jax.Array:
    """Convolve each run's x with its w, `[run, ...]`."""
    patches = jax.vmap(_patches)(x)
    taps = jax.vmap(_taps)(w).reshape(len(w), patches.shape[-1], -1)
    return jnp.einsum("rbhwk,rko->rbhwo", patches, taps)


def _many_input_gradient(dy: jax.Array, w: jax.Array, size: Size) -> jax.Array:
    """Return `input_gradient` of each run, `[run, ...]`."""
    inputs, outputs = w.shape[3:]
    taps = jax.vmap(_taps)(w).reshape(len(w), 16 * inputs, outputs)
    patches = jnp.einsum("rbhwo,rko->rbhwk", dy, taps)
    return jax.vmap(lambda patches: _from_patches(patches, size))(patches)


def _many_weight_gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
    """Return `weight_gradient` of each run, `[run, ...]`."""
    inputs, outputs = x.shape[-1], dy.shape[-1]
    taps = jax.vmap(_product)(jax.vmap(_patches)(x), dy)
    return jax.vmap(lambda taps: _from_taps(taps, inputs, outputs))(taps)


def _with_many(one: Function, many: Function) -> Function:
    """Return a function of two arrays that `vmap` maps to `many` over both of them."""
    mapped: Any = jax.custom_batching.custom_vmap(one)

    def rule(size: int, is_mapped: list[bool], *both: jax.Array) -> tuple[Any, bool]:
        whole = (
            side if is_own else jnp.broadcast_to(side, (size, *side.shape))
            for side, is_own in zip(both, is_mapped, strict=True)
        )
        return many(*whole), True

    mapped.def_vmap(rule)
    return cast(Function, mapped)


def _one_conv(x: jax.Array, w: jax.Array) -> jax.Array:
    y: jax.Array = lax.platform_dependent(x, w, cpu=_matrix_conv, default=_plain_conv)
    return y


def _one_weight_gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
    dw: jax.Array = lax.platform_dependent(
        x, dy, cpu=_matrix_weight_gradient, default=_plain_weight_gradient
    )
    return dw


def _one_input_gradient(dy: jax.Array, w: jax.Array, size: Size) -> jax.Array:
    dx: jax.Array = lax.platform_dependent(
        dy,
        w,
        cpu=lambda dy, w: _matrix_input_gradient(dy, w, size),
        default=lambda dy, w: _plain_input_gradient(dy, w, size),
    )
    return dx


_conv = _with_many(_one_conv, _many_conv)
_weight_gradient = _with_many(_one_weight_gradient, _many_weight_gradient)


@jax.custom_vjp
def conv(x: jax.Array, w: jax.Array) -> jax.Array:
    """Convolve with stride 2 and padding 1.

    Args:
      x: `[batch, height, width, in]`, height and width at least 2.
      w: `[4, 4, in, out]`.

    Returns:
      `[batch, height // 2, width // 2, out]`.
    """
    return _conv(x, w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def input_gradient(dy: jax.Array, w: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Return the gradient of `sum(conv(x, w) * dy)` by x, of height, width `size`."""
    one = functools.partial(_one_input_gradient, size=size)
    return _with_many(one, functools.partial(_many_input_gradient, size=size))(dy, w)


@jax.custom_vjp
def weight_gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
    """Return the gradient of `sum(conv(x, w) * dy)` by w, `[4, 4, in, out]`."""
    return _weight_gradient(x, dy)


def _conv_backward(saved: Pair, dy: jax.Array) -> Pair:
    x, w = saved
    return input_gradient(dy, w, x.shape[1:3]), weight_gradient(x, dy)


def _input_gradient_backward(size: Size, saved: Pair, dx: jax.Array) -> Pair:
    del size  # dx has it
    dy, w = saved
    return conv(dx, w), weight_gradient(dx, dy)


def _weight_gradient_backward(saved: Pair, dw: jax.Array) -> Pair:
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
