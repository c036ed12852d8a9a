"""The critic's batch in parts, and its narrower type."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.small_game import SPEC, leaves, make_batch

from cak_jax.model import critic, train_state as state_lib, train_step
from cak_jax.model.train_state import make_hparams


@pytest.fixture(scope="module")
def start():
    return state_lib.create_state_quickly(jax.random.key(1), spec=SPEC)


def gradients(start, spec):
    """The optimisers of critic and generator after a step of each, and its metrics.

    Their second moments are 0.1 of the squared gradients.
    """
    hparams, batch = make_hparams(), make_batch()
    alpha = train_step.draw_alpha(start, 4, SPEC)

    @jax.jit
    def steps(params):
        state = start.replace(params=params)
        one, metrics = train_step.critic_step(
            state, batch, alpha[0], hparams, spec=spec
        )
        other, terms = train_step.generator_step(state, batch, hparams, spec=spec)
        return (one.critic_optimizer, other.generator_optimizer), (metrics, terms)

    return steps(start.params)


@pytest.fixture(scope="module")
def whole(start):
    return gradients(start, SPEC)


@pytest.mark.parametrize("size", [1, 2])
def test_the_critic_in_parts_is_the_critic(start, whole, size):
    """Gradient accumulation: the same sums, in another order."""
    in_parts = gradients(start, dataclasses.replace(SPEC, microbatch=size))
    for one, other in zip(whole[0], in_parts[0], strict=True):
        one, other = leaves(one), leaves(other)
        for name, leaf in one.items():
            biased = "conv2" in name or "conv3" in name
            if "bias" in name and biased:
                continue  # before an instance norm: true gradient 0
            scale = np.abs(leaf).max()
            # Most of this sum cancels, because an instance norm follows the next layer:
            # its square differs by 4e-5 on some processors.
            bound = 1e-4 if "conv1" in name and "bias" in name else 2e-5
            np.testing.assert_allclose(other[name], leaf, rtol=0, atol=bound * scale)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5), whole[1], in_parts[1]
    )


@pytest.mark.slow
def test_bfloat16_is_the_critics_alone(start):
    hparams, batch = make_hparams(), make_batch()
    half = dataclasses.replace(SPEC, critic_dtype="bfloat16")
    iterate = jax.jit(train_step.train_iteration, static_argnames="spec")
    alpha = train_step.draw_alpha(start, 4, SPEC)
    _, metrics = iterate(start, batch, alpha, hparams, spec=SPEC)
    state, rounded = iterate(start, batch, alpha, hparams, spec=half)
    assert {leaf.dtype for leaf in jax.tree.leaves((state.params, rounded))} == {
        jnp.dtype("float32")
    }
    # What does not pass through the critic differs only by the detector's own steps.
    for name in ("reconstruction", "violation", "pattern_strength"):
        assert float(rounded[name]) == pytest.approx(float(metrics[name]), rel=1e-2)
    score = functools.partial(critic.score, start.params, batch.x_in)
    difference = np.abs(score() - score("bfloat16")).max()
    # Eight bits of mantissa, three layers.
    assert 0 < difference < 0.05 * np.abs(score()).max()
