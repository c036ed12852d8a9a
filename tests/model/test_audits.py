"""Every audit of the table does what the protocol asks for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.heard_sound import listen, noise_bursts, sound_of

from cak_jax.model import cak, losses, train_state
from cak_jax.model.audits.table import AUDITS, DEFAULT_AUDIT
from cak_jax.model.train_state import GameSpec


@pytest.fixture(scope="module")
def params():
    return train_state.initial_params(jax.random.key(4), (2, 2, 2))


@pytest.fixture(scope="module")
def heard_input():
    # The last one is silent.
    return sound_of(noise_bursts(3) * np.array([[1.0], [0.5], [0.0]]))


@pytest.fixture(scope="module")
def x(heard_input):
    return heard_input[0]


@pytest.fixture(scope="module")
def sound(heard_input):
    return heard_input[1]


def louder(x, amount):
    return cak.apply_pattern(x, jnp.full(x.shape, 0.1), amount)


@functools.cache
def measured(name):
    """The measure of an audit as one program of `(params, y, x, sound)`."""

    def measure(params, y, x, sound):
        return AUDITS[name].measure(params, y, x, listen(y, x, sound))

    return jax.jit(measure)


@functools.partial(jax.jit, static_argnames="audit")
def violation(params, y, x, request, sound, audit):
    return losses.violation(params, y, x, request, audit, listen(y, x, sound))


@pytest.mark.parametrize("name", AUDITS)
def test_it_measures_what_it_can_hear(params, x, sound, name):
    audit = AUDITS[name]
    audible = np.asarray(audit.audible(x))
    assert audible.dtype == bool and audible.shape == (3,)
    assert audible[:2].all() and audible[-1] == (audit.INAUDIBLE == "")
    read = np.asarray(measured(name)(params, louder(x, 1.0), x, sound))
    assert read.shape == (3,) and np.isfinite(read).all()
    # Off its request it costs what is missing; what it cannot hear costs nothing.
    wanted = read + 0.25
    missed = violation(params, louder(x, 1.0), x, wanted, sound, audit=name)
    np.testing.assert_allclose(missed, np.where(audible, 0.25, 0.0), rtol=1e-4)


@pytest.mark.parametrize("name", AUDITS)
def test_its_amounts_are_enough_to_interpolate(params, x, sound, name):
    """What the evaluation reads between `AMOUNTS` is what it would measure there."""
    audit = AUDITS[name]
    amounts = np.asarray(audit.AMOUNTS)
    assert amounts[0] == 0 and amounts[-1] == 1 and (np.diff(amounts) > 0).all()
    heard = np.asarray(audit.audible(x))
    ends = np.stack(
        [measured(name)(params, louder(x, a), x, sound) for a in amounts], axis=1
    )
    # The heard measure bends a little between its amounts.
    near = 3e-2 if audit.HEARS else 1e-3
    for amount in (0.1, 0.5, 0.83):
        direct = np.asarray(measured(name)(params, louder(x, amount), x, sound))
        between = [np.interp(amount, amounts, row) for row in ends]
        np.testing.assert_allclose(
            direct[heard], np.array(between)[heard], rtol=near, atol=1e-3
        )


@pytest.mark.parametrize("name", AUDITS)
def test_it_has_a_gradient_on_silence_too(params, x, sound, name):
    def cost(y):
        return jnp.sum(violation(params, y, x, jnp.full(3, 5.0), sound, audit=name))

    slope = jax.jit(jax.grad(cost))(louder(x, 1.0))
    assert np.isfinite(slope).all() and np.abs(slope[0]).max() > 0


@pytest.mark.parametrize("name", [n for n in AUDITS if AUDITS[n].HEARS])
def test_one_that_hears_refuses_to_guess(params, x, name):
    with pytest.raises(ValueError, match="needs the sound"):
        AUDITS[name].measure(params, x, x)


@pytest.mark.parametrize("name", AUDITS)
def test_a_game_takes_it_by_name(name):
    assert GameSpec(audit=name).audit == name
    assert DEFAULT_AUDIT in AUDITS
