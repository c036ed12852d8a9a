"""Optimiser, traced settings and static ones."""

import jax.numpy as jnp
import numpy as np
import pytest

from cak_jax.model import train_state as state_lib
from cak_jax.model.losses import TERMS
from cak_jax.model.qualities import QUALITIES
from cak_jax.model.train_state import GameSpec, make_hparams


def test_adam_is_the_published_one():
    gradients = [0.3, -2.0, 0.01, 1e-6]
    state = state_lib.ADAM.init(jnp.float32(0))
    second = 0.0
    for count, gradient in enumerate(gradients, start=1):
        direction, state = state_lib.ADAM.update(jnp.float32(gradient), state)
        second = 0.9 * second + 0.1 * gradient**2
        expected = gradient / (np.sqrt(second / (1 - 0.9**count)) + 1e-8)
        assert float(direction) == pytest.approx(expected, rel=1e-5)


def test_refusals():
    with pytest.raises(TypeError, match="HParams has no weight_typo"):
        make_hparams(weight_typo=1.0)
    for wrong, name in (
        ({"critic_widths": (1, 2)}, "critic_widths"),
        ({"critic_widths": (0, 2, 3)}, "critic_widths"),
        ({"critic_steps": -1}, "critic_steps"),
        ({"spacing": (0, 1)}, "spacing"),
        ({"audit": "paper"}, "audit"),
    ):
        with pytest.raises(ValueError, match=name):
            GameSpec(**wrong)


def test_hparams_are_arrays_of_fixed_type():
    """A weak or changing type would be another program."""
    whole = {"steps_per_epoch", "decay_steps", "warmup_steps"}
    for values in ({}, {"threshold": 1, "steps_per_epoch": 7.0}):
        hparams = vars(make_hparams(**values))
        weights = hparams.pop("weights")
        assert set(weights) == set(TERMS)
        for name, leaf in {**hparams, **weights}.items():
            assert leaf.dtype == (jnp.int32 if name in whole else jnp.float32), name
            by_quality = name in ("reader", "along", "trust")
            shape = (len(QUALITIES),) if by_quality else ()
            assert leaf.shape == shape and not leaf.weak_type, name
