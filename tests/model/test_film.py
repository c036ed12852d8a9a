"""FiLM in CAK's place: its network, who updates what, one program, parallel runs."""

import dataclasses
import functools
import math
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.small_game import SPEC, leaves, make_batch

from cak_jax.model import cak, train_state, train_step
from cak_jax.model.generators import cak as cak_generator, film
from cak_jax.model.train_state import GameSpec, make_hparams

FILM = dataclasses.replace(SPEC, generator="film")


@pytest.fixture(scope="module")
def start():
    return train_state.create_state_quickly(jax.random.key(1), spec=FILM)


@pytest.fixture(scope="module")
def iterate():
    return Counted()


class Counted:
    """`train_iteration` with its own draws, counting how often it is traced."""

    def __init__(self):
        self.traced = 0
        self.jitted = jax.jit(self.plain)

    def plain(self, state, batch, hparams):
        self.traced += 1
        alpha = train_step.draw_alpha(state, 4, FILM)
        return train_step.train_iteration(state, batch, alpha, hparams, spec=FILM)


def correlate(x, kernel, bias):
    """3x3 correlation with zeros outside, one output number after the other."""
    rows, columns, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    y = np.empty((rows, columns, kernel.shape[-1]))
    for f in range(rows):
        for t in range(columns):
            window = padded[f : f + 3, t : t + 3, :, None]
            y[f, t] = (window * kernel).sum(axis=(0, 1, 2)) + bias
    return y


def film_numpy(network, x, control):
    """The network's residual for one spectrogram, in float64."""
    bumps = np.array([math.exp(-((control - i / 23) ** 2) * 23**2 / 2)
                      for i in range(24)])  # fmt: skip
    layers = {name: {k: np.asarray(v, np.float64) for k, v in layer.items()}
              for name, layer in network.items()}  # fmt: skip
    hidden = correlate(x[..., None], **layers["conv1"])
    modulation = bumps @ layers["dense"]["kernel"] + layers["dense"]["bias"]
    hidden = (1 + modulation[:16]) * hidden + modulation[16:]
    hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    return correlate(hidden, **layers["conv2"])[..., 0]


def test_the_network_is_the_one_described(start):
    batch = make_batch()
    threshold, temperature = 0.3, 7.0
    y, pattern = film.apply(
        start.params, batch.x_in, batch.control, threshold, temperature
    )
    x = np.asarray(batch.x_in, np.float64)
    for index, control in enumerate(np.asarray(batch.control, np.float64)):
        gated = control / (1 + math.exp(-(control - threshold) * temperature))
        expected = film_numpy(start.params["film"], x[index], gated)
        np.testing.assert_allclose(pattern[index], expected, rtol=1e-4, atol=2e-6)
        np.testing.assert_allclose(y[index], x[index] + expected, atol=2e-6)


def test_bumps():
    bumps = np.asarray(film.embed_control(jnp.asarray([0.0, 7 / 23, 1.0])))
    assert bumps.shape == (3, 24)
    for row, centre in zip(bumps, (0, 7, 23), strict=True):
        expected = np.exp(-0.5 * (np.arange(24) - centre) ** 2)
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_numbers_learned(start):
    sizes = jax.tree.map(jnp.size, start.params["film"])
    assert sizes == {
        "conv1": {"kernel": 9 * 16, "bias": 16},
        "dense": {"kernel": 24 * 32, "bias": 32},
        "conv2": {"kernel": 9 * 16, "bias": 1},
    }
    assert sum(jax.tree.leaves(sizes)) == 1105
    fans = {"conv1": 9, "dense": 24, "conv2": 144}
    for name, fan_in in fans.items():
        kernel = np.abs(start.params["film"][name]["kernel"])
        # 144 draws or more: the largest is within 5% of the limit, all but surely.
        assert 0.95 / math.sqrt(fan_in) < kernel.max() <= 1 / math.sqrt(fan_in)


def test_both_games_begin_with_the_same_critic(start):
    other = train_state.create_state_quickly(jax.random.key(1), spec=SPEC).params
    assert set(start.params) == {"film", "detector", "realism"}
    assert set(other) == {"scale", "detector", "realism"}
    for name in ("detector", "realism"):
        ours, theirs = leaves(start.params[name]), leaves(other[name])
        for leaf, value in theirs.items():
            np.testing.assert_array_equal(ours[leaf], value)


def test_control_0_is_no_identity(start):
    x = make_batch().x_in
    y, _ = film.apply(start.params, x, jnp.zeros(4), 0.3, 20.0)
    assert float(jnp.mean(jnp.abs(y - x))) > 1e-3


@pytest.mark.parametrize("audit", ["absolute", "relative"])
def test_each_player_updates_its_own(start, audit):
    spec = dataclasses.replace(FILM, audit=audit)
    # In float32 half a step of 1e-2 shows in every number.
    hparams = make_hparams(learning_rate_generator=1e-2, learning_rate_critic=1e-2)
    batch = make_batch()
    before = leaves(start.params)
    critic, generator = (
        jax.jit(functools.partial(step, spec=spec))
        for step in (train_step.critic_step, train_step.generator_step)
    )
    after = leaves(critic(start, batch, jnp.full(4, 0.5), hparams)[0].params)
    moved = {name for name in before if (after[name] != before[name]).any()}
    tops = {name.split("'")[1] for name in moved}
    # The relative audit, read off a given output, does not depend on D.
    assert tops == {"realism"} | ({"detector"} if audit == "absolute" else set())
    state, metrics = generator(start, batch, hparams)
    after = leaves(state.params)
    moved = {name for name in before if (after[name] != before[name]).any()}
    # Every leaf of the network gets a gradient, and nothing else moves.
    assert moved == {name for name in before if name.startswith("['film']")}
    assert "detector" not in str(jax.tree.structure(state.generator_optimizer))
    y, _ = film.apply(
        start.params, batch.x_in, batch.control, 0.3, metrics["temperature"]
    )
    left = np.abs(np.asarray(y) - np.asarray(batch.x_in)).mean()
    np.testing.assert_allclose(metrics["pattern_strength"], left, rtol=1e-4)


def test_compiles_once_and_logs_what_it_has(iterate, start):
    state = start
    for index, rate in enumerate((1e-4, 3e-3, 1e-2)):
        hparams = make_hparams(learning_rate_critic=rate, steps_per_epoch=index + 1)
        state, metrics = iterate.jitted(state, make_batch(index), hparams)
    assert iterate.traced == 1 and iterate.jitted._cache_size() == 1
    assert not {"scale", "bias", "kernel_sum"} & set(metrics)
    assert np.isfinite([float(value) for value in metrics.values()]).all()


@pytest.mark.slow
def test_vmapped_runs_equal_single_runs(iterate):
    states = [
        train_state.create_state_quickly(jax.random.key(i), spec=FILM) for i in range(2)
    ]
    rates = (1e-4, 2e-3)
    hparams = [make_hparams(learning_rate_generator=rate) for rate in rates]
    stack = lambda *values: jnp.stack(values)  # noqa: E731
    many = jax.jit(jax.vmap(iterate.plain, in_axes=(0, None, 0)))
    batch = make_batch()
    together, _ = many(
        jax.tree.map(stack, *states), batch, jax.tree.map(stack, *hparams)
    )
    for index, rate in enumerate(rates):
        alone, _ = iterate.jitted(states[index], batch, hparams[index])
        own = jax.tree.map(operator.itemgetter(index), together.params["film"])
        expected = leaves(alone.params["film"])
        for name, value in leaves(own).items():
            np.testing.assert_allclose(
                value, expected[name], rtol=1e-5, atol=1e-2 * rate, err_msg=name
            )


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="generator must be in"):
        GameSpec(generator="unet")


def test_cak_is_untouched_by_the_choice():
    """The same key gives CAK what it gave before there was a choice."""
    params = train_state.initial_params(jax.random.key(3), (2, 3, 4))
    x = make_batch().x_in
    control = jnp.asarray([0.0, 0.2, 0.3, 0.8])
    y, _ = cak_generator.apply(params, x, control, 0.3, 20.0)
    expected, _ = cak.transform(
        x, control, **params["detector"], scale=params["scale"],
        threshold=0.3, temperature=20.0,
    )  # fmt: skip
    np.testing.assert_array_equal(y, expected)
