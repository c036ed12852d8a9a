"""Every generator of the table does what the protocol asks for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cak_jax.model import train_state
from cak_jax.model.generators.table import GENERATORS
from cak_jax.model.train_state import GameSpec, create_state

WIDTHS = (2, 2, 2)
X = jnp.asarray(np.random.default_rng(0).random((3, 16, 18)), jnp.float32)
CONTROL = jnp.asarray([0.2, 0.5, 0.9])


def draw(name):
    return train_state.initial_params(jax.random.key(7), WIDTHS, name)


@pytest.mark.parametrize("name", GENERATORS)
def test_it_owns_what_it_draws(name):
    generator, params = GENERATORS[name], draw(name)
    drawn = set(generator.draw(jax.random.key(0)))
    assert drawn and drawn | {"detector"} == set(generator.PARTS) | {"detector"}
    assert set(params) == {"detector", "realism"} | drawn
    state = create_state(jax.random.key(1), GameSpec(WIDTHS, generator=name))
    assert set(state.generator_optimizer.nu) == set(generator.PARTS)


@pytest.mark.parametrize("name", GENERATORS)
def test_it_transforms_each_item_by_its_own_control(name):
    generator, params = GENERATORS[name], draw(name)
    y, pattern = generator.apply(params, X, CONTROL, 0.3, 20.0)
    assert y.shape == pattern.shape == X.shape
    for index in range(len(X)):
        one = slice(index, index + 1)
        alone, _ = generator.apply(params, X[one], CONTROL[one], 0.3, 20.0)
        np.testing.assert_allclose(alone[0], y[index], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GENERATORS)
def test_all_it_owns_gets_a_gradient(name):
    generator, params = GENERATORS[name], draw(name)

    def total(owned):
        y, _ = generator.apply({**params, **owned}, X, CONTROL, 0.3, 20.0)
        return jnp.sum(y**2)

    owned = train_state.part(params, generator.PARTS)
    for leaf in jax.tree.leaves(jax.grad(total)(owned)):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0


@pytest.mark.parametrize("name", GENERATORS)
def test_its_learned_numbers_are_scalars_and_its_effect_is_the_generator(name):
    generator, params = GENERATORS[name], draw(name)
    learned = generator.learned_numbers(params)
    assert all(value.shape == () for value in learned.values())
    assert generator.TITLE
    if generator.effect_numbers is not None:
        numbers = generator.effect_numbers(params)
        assert numbers.kernel.shape == (3, 3)
        assert numbers.bias.shape == numbers.scale.shape == ()
