"""The bound on what pulls at the generator beside the audit."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.small_game import SPEC, make_batch

from cak_jax.model import losses, train_step
from cak_jax.model.generators import cak as cak_generator
from cak_jax.model.train_state import create_state_quickly, make_hparams

generator_step = jax.jit(train_step.generator_step, static_argnames="spec")


def test_leash_share_closed_forms():
    audit = {"a": jnp.asarray([3.0, 0.0]), "b": jnp.asarray(4.0)}  # norm 5
    other = {"a": jnp.asarray([0.0, 6.0]), "b": jnp.asarray(-8.0)}  # norm 10
    share = lambda *given: float(train_step.leash_share(*given))  # noqa: E731
    assert share(audit, other, 0.5) == pytest.approx(0.25)
    assert share(audit, other, 2.0) == 1.0
    assert share(audit, other, 5.0) == 1.0
    assert share(audit, other, 0.0) == 1.0
    nothing = jax.tree.map(jnp.zeros_like, audit)
    assert share(nothing, other, 0.5) == 0.0
    assert share(audit, nothing, 0.5) == 1.0


def test_the_leash_holds_any_critic():
    """However heavy the critic, the update's gradient stays with the audit."""
    batch, state = make_batch(), create_state_quickly(jax.random.key(0), spec=SPEC)
    tree = jax.tree.map(lambda w: 1e4 * w, state.params["realism"])
    state = state.replace(params=state.params | {"realism": tree})

    def updated(leash):
        hparams = make_hparams(weight_compliance=3.0, leash=leash)
        new, metrics = generator_step(state, batch, hparams, spec=SPEC)
        # With beta1 = 0 and a first step, nu = (1 - beta2) gradient^2.
        nu = new.generator_optimizer.nu
        squares = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(nu)])
        return np.sqrt(float(squares.sum()) / 0.1), float(metrics["leash_share"])

    def audit(own):
        heat = train_step.current_temperature(state, make_hparams())
        params = {**state.params, **own}
        hparams = make_hparams(weight_compliance=3.0)
        made = cak_generator.apply(params, batch.x_in, batch.control, 0.3, heat)
        play = losses.Play(params, *made, batch, None, heat, hparams, SPEC)
        return losses.generator_parts(play)[0][0]

    own = {name: state.params[name] for name in ("detector", "scale")}
    slope = jax.jit(jax.grad(audit))
    gradient = jax.tree.leaves(slope(own))
    norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in gradient))
    free, all_of_it = updated(0.0)
    held, some_of_it = updated(0.5)
    assert all_of_it == 1.0 and free > 10 * norm
    assert 0 < some_of_it < 0.1 and 0.49 * norm < held < 1.51 * norm


def test_what_pulls_across_does_not_touch_the_audit():
    audit = {"a": jnp.asarray([3.0, 0.0]), "b": jnp.asarray(4.0)}
    other = {"a": jnp.asarray([1.0, 6.0]), "b": jnp.asarray(-8.0)}
    left = train_step.across(audit, other)
    # The product is -29, the audit's norm 5.
    np.testing.assert_allclose(left["a"], [1 + 3 * 29 / 25, 6], rtol=1e-6)
    np.testing.assert_allclose(left["b"], -8 + 4 * 29 / 25, rtol=1e-6)
    nothing = jax.tree.map(jnp.zeros_like, audit)
    assert all(
        np.isfinite(leaf).all()
        for leaf in jax.tree.leaves(train_step.across(nothing, other))
    )


def test_a_game_can_pull_across():
    batch, state = make_batch(), create_state_quickly(jax.random.key(0), spec=SPEC)
    hparams = make_hparams(weight_compliance=3.0)

    def moved(spec):
        new, _ = generator_step(state, batch, hparams, spec=spec)
        mu = jax.tree.leaves(new.generator_optimizer.nu)
        return np.sqrt(np.concatenate([np.ravel(leaf) for leaf in mu]) / 0.1)

    whole = moved(SPEC)
    across = moved(dataclasses.replace(SPEC, pull="across"))
    assert np.abs(across - whole).max() > 1e-3 * np.abs(whole).max()
    # Without a leash the two gradients are one gradient of the sum.
    at_once = moved(dataclasses.replace(SPEC, leashed=False))
    np.testing.assert_allclose(at_once, whole, rtol=1e-4, atol=1e-6 * whole.max())
    with pytest.raises(ValueError, match="pull must be in"):
        dataclasses.replace(SPEC, pull="sideways")
