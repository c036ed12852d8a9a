"""Generator and critic: sizes, initial values, and a plain numpy critic."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cak_jax.model import cak, critic, layers, train_state
from cak_jax.model.generators import cak as cak_generator

WIDTHS = (2, 3, 4)


@pytest.fixture(scope="module")
def params():
    return train_state.initial_params(jax.random.key(3), WIDTHS)


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def x_batch(count=2, frames=18, seed=0):
    x = np.random.default_rng(seed).random((count, 17, frames))
    return jnp.asarray(x, jnp.float32)


def test_eleven_numbers_and_the_critics():
    shapes = jax.eval_shape(
        lambda: train_state.initial_params(jax.random.key(0), (32, 64, 128))
    )
    learned = {name: shapes[name] for name in ("detector", "scale")}
    assert size(learned) == 9 + 1 + 1
    # 4x4 taps x in x out + out, three times, and 128 + 1.
    layers = [16 * 1 * 32 + 32, 16 * 32 * 64 + 64, 16 * 64 * 128 + 128, 128 + 1]
    assert size(shapes["realism"]) == sum(layers) == 164_705
    assert size(shapes) == 164_716


@pytest.fixture(scope="module")
def many():
    keys = jax.random.split(jax.random.key(11), 3000)
    draw = jax.vmap(lambda key: train_state.initial_params(key, WIDTHS))
    return jax.jit(draw)(keys)


def test_detector_starts_xavier_normal_with_gain_a_tenth(many):
    kernel = np.asarray(many["detector"]["kernel"], np.float64).reshape(-1, 9)
    expected = 0.1 * math.sqrt(2 / 18)
    # 27 000 draws: the standard deviation is known to 0.43%, the mean to 0.6% of it.
    assert kernel.std() == pytest.approx(expected, rel=0.02)
    assert abs(kernel.mean()) < 0.03 * expected
    # Each tap alike, none correlated with another (3000 draws: 0.018).
    np.testing.assert_allclose(kernel.std(axis=0), expected, rtol=0.06)
    correlation = np.corrcoef(kernel.T) - np.eye(9)
    assert np.abs(correlation).max() < 0.09
    # Normal: kurtosis 3 (known to 0.03), not a uniform's 1.8.
    assert np.mean((kernel / kernel.std()) ** 4) == pytest.approx(3.0, abs=0.2)
    assert not np.asarray(many["detector"]["bias"]).any()
    assert (np.asarray(many["scale"]) == 1.0).all()


@pytest.mark.parametrize(
    "layer, fan_in", [("conv1", 16), ("conv2", 32), ("conv3", 48), ("dense", 4)]
)
def test_realism_starts_uniform(many, layer, fan_in):
    limit = 1 / math.sqrt(fan_in)
    for name in ("kernel", "bias"):
        values = np.asarray(many["realism"][layer][name], np.float64)
        assert np.abs(values).max() <= limit
        assert np.abs(values).max() > 0.99 * limit
        assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.04)
        assert abs(values.mean()) < 0.05 * limit


def test_instance_norm_gives_mean_0_and_variance_1():
    x = 5.0 + 3.0 * jax.random.normal(jax.random.key(1), (2, 6, 7, 3))
    y = np.asarray(layers.instance_norm(x), np.float64)
    np.testing.assert_allclose(y.mean(axis=(1, 2)), 0.0, atol=1e-6)
    variance = np.asarray(x, np.float64).var(axis=(1, 2))
    np.testing.assert_allclose(
        y.var(axis=(1, 2)), variance / (variance + 1e-5), rtol=1e-5
    )
    # A constant is silence, not NaN, and its derivative is finite.
    flat = jnp.full((1, 4, 4, 1), 0.7)
    np.testing.assert_allclose(layers.instance_norm(flat), 0.0, atol=1e-4)
    slope = jax.grad(lambda x: jnp.sum(layers.instance_norm(x) ** 2))(flat)
    np.testing.assert_allclose(slope, 0.0, atol=1e-2)


def plain_score(realism, x):
    """The realism branch in numpy, float64, loop by loop."""

    def convolve(x, layer):
        kernel = np.asarray(layer["kernel"], np.float64)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        rows, columns = x.shape[1] // 2, x.shape[2] // 2
        y = np.zeros((len(x), rows, columns, kernel.shape[-1]))
        for i in range(rows):
            for j in range(columns):
                patch = padded[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4]
                y[:, i, j] = np.einsum("bhwi,hwio->bo", patch, kernel)
        return y + np.asarray(layer["bias"])

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    def norm(x):
        mean, variance = x.mean(axis=(1, 2)), x.var(axis=(1, 2))
        scaled = (x - mean[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None]
        return scaled

    x = leaky(convolve(np.asarray(x, np.float64)[..., None], realism["conv1"]))
    x = leaky(norm(convolve(x, realism["conv2"])))
    x = leaky(norm(convolve(x, realism["conv3"]))).mean(axis=(1, 2))
    dense = realism["dense"]
    return x @ np.asarray(dense["kernel"], np.float64)[:, 0] + float(dense["bias"][0])


def test_score_equals_plain_numpy(params):
    x = x_batch(3)
    expected = plain_score(params["realism"], x)
    np.testing.assert_allclose(critic.score(params, x), expected, rtol=2e-4, atol=1e-5)


def test_batch_item_equals_single_item(params):
    x = x_batch(3)
    scores, measures = critic.score(params, x), critic.measure(params, x)
    for index in range(3):
        one = x[index : index + 1]
        np.testing.assert_allclose(
            critic.score(params, one)[0], scores[index], rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(
            critic.measure(params, one)[0], measures[index], rtol=1e-5
        )


def test_generator_is_the_transform_and_measure_the_mean(params):
    x, control = x_batch(), jnp.asarray([0.0, 0.8])
    learned = {**params["detector"], "scale": params["scale"]}
    expected = cak.transform(x, control, **learned, threshold=0.3, temperature=20.0)
    made = cak_generator.apply(params, x, control, 0.3, 20.0)
    for ours, theirs in zip(made, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    mean = np.asarray(expected[1], np.float64).mean(axis=(1, 2))
    np.testing.assert_allclose(critic.measure(params, x), mean, rtol=1e-5)


def test_generator_and_critic_share_the_detector(params):
    x, control = x_batch(), jnp.full(2, 0.9)
    other = {
        **params,
        "detector": {**params["detector"], "bias": jnp.float32(0.25)},
    }
    # A bias of 0.25 lifts the pattern and its mean by 0.25, the score not at all.
    lifted = critic.measure(other, x) - critic.measure(params, x)
    np.testing.assert_allclose(lifted, 0.25, rtol=1e-5)
    (y, pattern), (y_other, pattern_other) = (
        cak_generator.apply(p, x, control, 0.3, 20.0) for p in (params, other)
    )
    np.testing.assert_allclose(pattern_other - pattern, 0.25, rtol=1e-5)
    amount = 0.9 / (1 + math.exp(-12.0))
    np.testing.assert_allclose(y_other - y, 0.25 * amount, rtol=1e-5)
    np.testing.assert_array_equal(critic.score(other, x), critic.score(params, x))


def test_same_key_same_values_and_halves_differ():
    first, again = (
        train_state.initial_params(jax.random.key(5), WIDTHS) for _ in range(2)
    )
    jax.tree.map(np.testing.assert_array_equal, first, again)
    other = train_state.initial_params(jax.random.key(6), WIDTHS)
    assert (first["detector"]["kernel"] != other["detector"]["kernel"]).all()


def test_kernel_gain_scales_the_draw_and_nothing_else():
    small = train_state.initial_params(jax.random.key(3), (2, 3, 4))
    large = train_state.initial_params(jax.random.key(3), (2, 3, 4), kernel_gain=1.0)
    narrow, wide = (p["detector"].pop("kernel") for p in (small, large))
    shape = narrow - narrow.mean()
    np.testing.assert_allclose(wide - wide.mean(), 10 * shape, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(wide.sum(), narrow.sum(), atol=1e-6)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), small, large))
