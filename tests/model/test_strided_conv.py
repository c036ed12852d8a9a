"""The critic's convolution against plain lax and lax's own derivatives."""

import functools

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cak_jax.model import spectral, strided_conv, train_state as state_lib, train_step
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.model.train_state import GameSpec, make_hparams
from cak_jax.rendering import residual

SHAPES = [(9, 6, 3, 2), (6, 11, 1, 2), (5, 7, 2, 3), (2, 2, 1, 1)]


def plain(x, w):
    return lax.conv_general_dilated(
        x, w, (2, 2), [(1, 1), (1, 1)], dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def case(height, width, inputs, outputs, batch=2):
    rng = np.random.default_rng(height * 100 + width)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    return (
        draw(batch, height, width, inputs),
        draw(4, 4, inputs, outputs),
        draw(batch, height // 2, width // 2, outputs),
    )


def close(ours, theirs):
    # Relative to the largest entry: sums of a few hundred products in another order.
    theirs = np.asarray(theirs)
    tolerance = 2e-5 * max(1.0, np.abs(theirs).max())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients(shape):
    x, w, dy = case(*shape)

    @jax.jit  # one program: compiling is what this costs
    def both(x, w, dy):
        ours, pull_ours = jax.vjp(strided_conv.conv, x, w)
        theirs, pull_theirs = jax.vjp(plain, x, w)
        direct = (
            strided_conv.input_gradient(dy, w, x.shape[1:3]),
            strided_conv.weight_gradient(x, dy),
        )
        return (
            (ours, *pull_ours(dy), *direct),
            (theirs, *pull_theirs(dy), *pull_theirs(dy)),
        )

    ours, theirs = both(x, w, dy)
    assert ours[0].shape == dy.shape
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


def penalty(convolve, w, x, y):
    """A gradient norm, nonlinear in the convolution: what the critic differentiates."""

    def score(x):
        return jnp.sum(jnp.tanh(convolve(x, w)) * y)

    slope = jax.grad(score)(x)
    return jnp.sum(jnp.square(slope)) + score(x)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_of_a_gradient_norm(shape):
    x, w, y = case(*shape)
    arguments = (0, 1, 2)

    @jax.jit
    def gradient(w, x, y):
        ours = jax.grad(functools.partial(penalty, strided_conv.conv), arguments)(
            w, x, y
        )
        return ours, jax.grad(functools.partial(penalty, plain), arguments)(w, x, y)

    ours, theirs = gradient(w, x, y)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


def test_third_maps_derivatives():
    """Derivatives of weight_gradient and input_gradient themselves."""
    x, w, dy = case(9, 6, 3, 2)
    probe = jnp.cos(jnp.arange(w.size, dtype=jnp.float32)).reshape(w.shape)
    ours = jax.grad(
        lambda *a: jnp.sum(strided_conv.weight_gradient(*a) * probe), (0, 1)
    )(x, dy)
    # sum(dw(x, dy) * p) = sum(conv(x, p) * dy) by definition of the gradient.
    theirs = jax.grad(lambda x, dy: jnp.sum(plain(x, probe) * dy), (0, 1))(x, dy)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)
    probe = jnp.cos(jnp.arange(x.size, dtype=jnp.float32)).reshape(x.shape)
    ours = jax.grad(
        lambda dy, w: jnp.sum(strided_conv.input_gradient(dy, w, (9, 6)) * probe),
        (0, 1),
    )(dy, w)
    theirs = jax.grad(lambda dy, w: jnp.sum(plain(probe, w) * dy), (0, 1))(dy, w)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


@pytest.mark.parametrize("axes", [(0, None, None), (0, 0, 0), (None, 0, 0)])
@pytest.mark.parametrize("shape", [(6, 7, 2, 3), (9, 6, 1, 2)])
def test_many_runs_equal_one_after_the_other(shape, axes):
    """Whichever of weights and sounds each run has of its own."""
    arrays = [
        side if axis is None else jnp.stack([side, -side, 0.5 * side + 1.0])
        for side, axis in zip(case(*shape), (axes[1], axes[0], axes[2]), strict=True)
    ]
    x, w, y = arrays
    ours = jax.grad(functools.partial(penalty, strided_conv.conv), (0, 1, 2))
    stacked = jax.jit(jax.vmap(ours, axes))(w, x, y)
    theirs = jax.jit(jax.grad(functools.partial(penalty, plain), (0, 1, 2)))
    for index in range(3):
        own = [
            side if axis is None else side[index]
            for side, axis in zip((w, x, y), axes, strict=True)
        ]
        for found, wanted in zip(stacked, theirs(*own), strict=True):
            close(found[index], wanted)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_many_runs_are_products_and_no_grouped_convolutions(platform):
    """Of the second derivative too, on every backend."""
    x, w, y = (jnp.stack([side] * 3) for side in case(6, 7, 2, 3))
    second = jax.grad(functools.partial(penalty, strided_conv.conv), (0, 1, 2))
    exported = jax.export.export(jax.jit(jax.vmap(second)), platforms=[platform])(
        w, x, y
    )
    program = exported.mlir_module()
    assert "stablehlo.convolution" not in program
    assert "batching_dims = [0]" in program


def test_default_and_cpu_branches_agree():
    x, w, dy = case(9, 6, 3, 2)
    close(
        strided_conv._matrix_input_gradient(dy, w, (9, 6)),
        strided_conv._plain_input_gradient(dy, w, (9, 6)),
    )
    close(
        strided_conv._matrix_weight_gradient(x, dy),
        strided_conv._plain_weight_gradient(x, dy),
    )
    close(strided_conv._matrix_conv(x, w), strided_conv._plain_conv(x, w))


def test_rendering_lowers_for_every_platform():
    settings = SpectrogramSettings(8000, 64, 16)
    layout = residual.Layout(settings)
    constants = spectral.constant_arrays(Normalization(10.0, 0.85, 0.0, 3.0))
    numbers = residual.Numbers(
        jnp.ones((3, 3)),
        jnp.float32(0.0),
        jnp.ones(settings.bins),
        jnp.float32(1.0),
        jnp.float32(1e-6),
        constants,
    )
    platforms = ("cpu", "cuda", "tpu")
    start, stop = residual.segment_span(0, 32, layout)
    frames = 32 + 2 * (layout.overlap + layout.look)
    program = jax.jit(residual.block, static_argnames="layout")
    exported = jax.export.export(program, platforms=platforms)(
        jnp.zeros((2, stop - start)),
        jnp.ones(frames - 2 * layout.look),
        jnp.ones(frames),
        jnp.ones((32 + 2 * layout.aside) * 16),
        numbers,
        layout=layout,
    )
    assert exported.platforms == platforms
    assert [aval.shape for aval in exported.out_avals] == [(2, 512)]


def test_training_lowers_for_every_platform():
    spec = GameSpec((2, 2, 2), 2)
    state = state_lib.create_state_quickly(jax.random.key(0), spec=spec)
    x = jnp.zeros((2, 16, 16))
    batch = train_step.Batch(x, x, jnp.zeros(2))

    @jax.jit
    def iterate(state, batch, hparams):
        alpha = train_step.draw_alpha(state, 2, spec)
        return train_step.train_iteration(state, batch, alpha, hparams, spec=spec)

    platforms = ("cpu", "cuda", "tpu")
    exported = jax.export.export(iterate, platforms=platforms)(
        state, batch, make_hparams()
    )
    assert exported.platforms == platforms
    before = jax.tree.map(lambda leaf: leaf.shape, state)
    after, _ = jax.tree.unflatten(exported.out_tree, exported.out_avals)
    assert jax.tree.map(lambda leaf: leaf.shape, after) == before
