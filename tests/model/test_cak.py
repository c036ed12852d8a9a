"""The CAK transform against scipy, closed forms and its own invariants."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal, special

from cak_jax.model import cak

GATE = {"threshold": 0.3, "temperature": 20.0}


def numbers(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "kernel": jnp.asarray(rng.normal(size=(3, 3)), jnp.float32),
        "bias": jnp.float32(rng.normal()),
        "scale": jnp.float32(1.7),
    }


def spectrogram(*shape, seed=1):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (9, 14)])
def test_detect_is_cross_correlation(shape):
    x = spectrogram(*shape)
    learned = numbers()
    ours = cak.detect(jnp.asarray(x), learned["kernel"], learned["bias"])
    theirs = signal.correlate2d(
        x.astype(np.float64), np.asarray(learned["kernel"], np.float64), mode="same"
    )
    # For inputs smaller than the kernel "same" centres otherwise: use "full".
    full = signal.correlate2d(x.astype(np.float64), learned["kernel"], mode="full")
    theirs = theirs if min(shape) >= 3 else full[1:-1, 1:-1]
    expected = theirs + float(learned["bias"])
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_kernel_taps_sit_where_the_design_says():
    # kernel[i, j] multiplies x[f + i - 1, t + j - 1]: an impulse at (3, 4) is seen
    # from (3 - i + 1, 4 - j + 1).
    x = jnp.zeros((7, 9)).at[3, 4].set(1.0)
    kernel = jnp.arange(1.0, 10.0).reshape(3, 3)
    pattern = cak.detect(x, kernel, jnp.float32(0))
    for i in range(3):
        for j in range(3):
            assert pattern[4 - i, 5 - j] == kernel[i, j]
    assert jnp.sum(pattern) == jnp.sum(kernel)


def test_control_zero_is_identity_bit_for_bit():
    x = spectrogram(3, 6, 5)
    x[0, 0, :2] = 0.0, 1.0
    y, _ = cak.transform(jnp.asarray(x), jnp.zeros(3), **numbers(), **GATE)
    assert np.asarray(y).tobytes() == x.tobytes()
    assert cak.strength(0.0, 0.3, 20.0) == 0.0


def test_gate_closed_forms():
    assert cak.soft_gate(0.3, 0.3, 20.0) == 0.5
    control = jnp.linspace(0, 1, 11)
    gate = cak.soft_gate(control, 0.3, 20.0)
    expected = special.expit((np.linspace(0, 1, 11) - 0.3) * 20.0)
    np.testing.assert_allclose(gate, expected, rtol=5e-6)
    # sigmoid(a) + sigmoid(-a) = 1: the gate is symmetric about its threshold.
    mirrored = cak.soft_gate(0.6 - control, 0.3, 20.0)
    np.testing.assert_allclose(gate + mirrored, 1.0, rtol=1e-6)
    flat = cak.soft_gate(control, 0.3, 0.0)
    np.testing.assert_array_equal(flat, np.full(11, 0.5, np.float32))
    # The raw knob, as a perfect audit behind this gate would have it.
    for control, asked in ((0.1, 0.002), (0.2, 0.024), (0.4, 0.35)):
        assert float(cak.strength(control, 0.3, 20.0)) == pytest.approx(asked, abs=5e-3)


@pytest.mark.parametrize(
    "epoch, expected", [(0, 2.0), (1, 5.6), (4, 16.4), (5, 20.0), (99, 20.0)]
)
def test_temperature_rises_linearly_then_stays(epoch, expected):
    heat = cak.gate_temperature(epoch, 2.0, 20.0, 5.0)
    assert float(heat) == pytest.approx(expected, rel=1e-6)


def test_temperature_without_anneal_is_final_and_differentiable():
    assert cak.gate_temperature(0, 2.0, 20.0, 0.0) == 20.0
    # The guarded division leaves no NaN behind in the derivative either.
    slope = jax.grad(lambda length: cak.gate_temperature(0, 2.0, 20.0, length))(0.0)
    assert slope == 0.0


def test_jit_equals_no_jit():
    x, control = jnp.asarray(spectrogram(2, 8, 9)), jnp.asarray([0.2, 0.9])
    plain = cak.transform(x, control, **numbers(), **GATE)
    compiled = jax.jit(cak.transform)(x, control, **numbers(), **GATE)
    for ours, theirs in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_batch_item_equals_single_item():
    x, control = jnp.asarray(spectrogram(3, 8, 9)), jnp.asarray([0.0, 0.4, 0.9])
    batch, _ = cak.transform(x, control, **numbers(), **GATE)
    for index in range(3):
        single, _ = cak.transform(x[index], control[index], **numbers(), **GATE)
        np.testing.assert_allclose(batch[index], single, rtol=1e-6, atol=1e-6)


def test_transform_is_the_equation():
    x, learned = spectrogram(4, 5), numbers()
    y, pattern = cak.transform(jnp.asarray(x), jnp.float32(0.5), **learned, **GATE)
    amount = 0.5 * special.expit(0.2 * 20) * 1.7
    np.testing.assert_allclose(y, x + np.asarray(pattern) * amount, rtol=1e-5)


@pytest.mark.parametrize(
    "x, kernel",
    [((5,), (3, 3)), ((5, 5), (3,)), ((5, 5), (2, 3)), ((5, 5), (1, 1, 3, 3))],
)
def test_wrong_shapes_are_refused(x, kernel):
    with pytest.raises(ValueError, match=r"got \(5,.*\) and \("):
        cak.detect(jnp.zeros(x), jnp.zeros(kernel), jnp.float32(0))


def test_numpy_and_jax_agree_and_numpy_stays_numpy():
    """One text for both: the renderer's gate in float64 is the trainer's."""
    rng = np.random.default_rng(5)
    x, control = rng.random((2, 6, 7)), np.array([0.1, 0.8])
    learned = {name: np.asarray(value, np.float64) for name, value in numbers().items()}
    y, pattern = cak.transform(x, control, **learned, **GATE)
    assert isinstance(y, np.ndarray) and y.dtype == pattern.dtype == np.float64
    traced = jax.jit(lambda x, c: cak.transform(x, c, **numbers(), **GATE))
    ours, _ = traced(jnp.float32(x), jnp.float32(control))
    np.testing.assert_allclose(ours, y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("control", [-1e3, -30.0, 0.3, 30.0, 1e3])
def test_gate_and_its_gradient_are_finite_everywhere(control):
    gate, slope = jax.value_and_grad(lambda c: cak.soft_gate(c, 0.3, 20.0))(control)
    expected = special.expit((control - 0.3) * 20.0)
    assert float(gate) == pytest.approx(expected, rel=1e-4, abs=1e-30)
    assert float(slope) == pytest.approx(20 * expected * (1 - expected), abs=1e-4)
