"""Parity with the published PyTorch system, on its own numbers.

The folder is `CAK_GOLDEN_DIR` (default `tests/golden`); its README says what each
file holds. Tolerances are float32's: what two correct programs that add in another
order differ by, with a factor of a few to spare. Where one is looser than 1e-5 the
reason stands beside it.
"""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.compiling import OPTIMISED

from cak_jax.effect.effect import Effect
from cak_jax.model import (
    cak,
    critic,
    losses,
    spectral,
    train_state as state_lib,
    train_step,
)
from cak_jax.model.generators import cak as cak_generator
from cak_jax.model.train_state import GameSpec, make_hparams
from cak_jax.rendering import in_memory

WEIGHTS = [f"{layer}_{kind}" for layer in ("conv1", "conv2", "conv3", "dense")
           for kind in "wb"]  # fmt: skip
# Biases before an instance norm: true gradient zero, what is left is rounding.
NOT_COMPARABLE = {"conv2_b", "conv3_b"}
# The detector's bias gradient is a sum of equal terms whose exact value is known
# (-2 in the shipped set); the published float32 sum is 5e-5 off, ours is not.
BIAS_TOLERANCE = 1e-4


def load(golden_dir, name):
    with np.load(golden_dir / name, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def to_params(arrays, prefix=""):
    """Our parameter tree from PyTorch's arrays."""

    def layer(name):
        weight = arrays[f"{prefix}{name}_w"]
        weight = weight.T if weight.ndim == 2 else weight.transpose(2, 3, 1, 0)
        return {
            "kernel": jnp.asarray(weight),
            "bias": jnp.asarray(arrays[f"{prefix}{name}_b"]),
        }

    return {
        "detector": {
            "kernel": jnp.asarray(arrays[prefix + "kernel"]),
            "bias": jnp.asarray(arrays[prefix + "bias"]).reshape(()),
        },
        "scale": jnp.asarray(arrays[prefix + "scale"]).reshape(()),
        "realism": {n: layer(n) for n in ("conv1", "conv2", "conv3", "dense")},
    }


def from_params(params):
    """PyTorch's arrays from our parameter (or gradient) tree."""
    arrays = {}
    for name, leaf in params.get("realism", {}).items():
        weight = np.asarray(leaf["kernel"])
        order = (1, 0) if weight.ndim == 2 else (3, 2, 0, 1)
        arrays[name + "_w"] = weight.transpose(order)
        arrays[name + "_b"] = np.asarray(leaf["bias"])
    arrays["kernel"] = np.asarray(params["detector"]["kernel"])
    arrays["bias"] = np.asarray(params["detector"]["bias"])
    if "scale" in params:
        arrays["scale"] = np.asarray(params["scale"])
    return arrays


def relative_error(ours, theirs):
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.size == theirs.size, (ours.shape, theirs.shape)
    difference = np.linalg.norm(ours.ravel() - theirs.ravel())
    norm = np.linalg.norm(theirs)
    return difference / norm if norm > 0 else difference


def test_gate_and_temperature(golden_dir):
    z = load(golden_dir, "transform.npz")
    heat = jax.vmap(lambda e: cak.gate_temperature(e, 2.0, 20.0, 5.0))(z["epoch"])
    np.testing.assert_allclose(heat, z["temperature"], rtol=3e-7)
    gate = cak.soft_gate(z["control"][None, :], z["threshold"], heat[:, None])
    np.testing.assert_allclose(gate, z["gate"], rtol=3e-6, atol=1e-12)


def test_transform(golden_dir):
    z = load(golden_dir, "transform.npz")
    pattern = cak.detect(z["x"], z["kernel"], z["bias"].reshape(()))
    np.testing.assert_allclose(pattern, z["pattern"], rtol=1e-5, atol=2e-8)
    for epoch, temperature in enumerate(z["temperature"]):
        for index, control in enumerate(z["control"]):
            y, _ = cak.transform(
                jnp.asarray(z["x"]),
                jnp.full(z["x"].shape[0], control),
                kernel=z["kernel"],
                bias=z["bias"].reshape(()),
                scale=z["scale"].reshape(()),
                threshold=z["threshold"],
                temperature=temperature,
            )
            np.testing.assert_allclose(y, z["y"][epoch, index], rtol=5e-7, atol=2e-7)


def test_critic(golden_dir):
    z = load(golden_dir, "critic.npz")
    params = to_params(z)
    np.testing.assert_allclose(critic.score(params, z["x"]), z["score"], rtol=5e-6)
    measured = critic.measure(params, z["x"])
    np.testing.assert_allclose(measured, z["measured_texture"], rtol=2e-6, atol=1e-8)
    broken = losses.violation(
        params, z["x"], z["x"], z["claimed_control"], audit="absolute"
    )
    np.testing.assert_allclose(broken, z["violation"], rtol=1e-6)


@pytest.fixture(scope="module")
def loss_case(golden_dir):
    z = load(golden_dir, "losses.npz")
    batch = train_step.Batch(
        *(jnp.asarray(z[name]) for name in ("x_in", "x_target", "control"))
    )
    heat = cak.gate_temperature(z["epoch"], 2.0, 20.0, 5.0)
    return z, to_params(z, "w_"), batch, heat


def test_critic_loss_and_gradients(loss_case):
    z, params, batch, heat = loss_case
    hparams = make_hparams()
    fake, _ = cak_generator.apply(
        params, batch.x_in, batch.control, hparams.threshold, heat
    )

    def loss(tree):
        alpha = jnp.asarray(z["alpha"])
        play = losses.Play(tree, fake, None, batch, alpha, heat, hparams, GameSpec())
        return losses.critic_loss(play)

    gradient, terms = jax.grad(loss, has_aux=True)(params)
    pairs = {
        "critic_loss": "critic_loss",
        "wasserstein": "critic_wasserstein",
        "gradient_penalty": "critic_gradient_penalty",
        "critic_violation": "critic_violation",
    }
    for ours, theirs in pairs.items():
        # The Wasserstein term is a difference of two scores near each other.
        np.testing.assert_allclose(terms[ours], z[theirs], rtol=2e-6, atol=1e-7)
    ours = from_params(gradient)
    for name in ["kernel", "bias", "scale", *WEIGHTS]:
        if name in NOT_COMPARABLE:
            np.testing.assert_allclose(ours[name], 0.0, atol=1e-6)
        elif name == "dense_b":  # cancels exactly between real and fake
            np.testing.assert_allclose(ours[name], z["critic_grad_dense_b"], atol=1e-6)
        else:
            error = relative_error(ours[name], z["critic_grad_" + name])
            assert error < (BIAS_TOLERANCE if name == "bias" else 1e-5), (name, error)


def test_generator_loss_and_gradients(loss_case):
    z, params, batch, heat = loss_case
    hparams = make_hparams()

    def loss(own):
        tree = {**params, **own}
        gate = hparams.threshold, heat
        made = cak_generator.apply(tree, batch.x_in, batch.control, *gate)
        play = losses.Play(tree, *made, batch, None, heat, hparams, GameSpec())
        parts, terms = losses.generator_parts(play)
        return sum(parts), terms

    own = state_lib.part(params, cak_generator.PARTS)
    gradient, terms = jax.grad(loss, has_aux=True)(own)
    names = "loss", "adversarial", "violation", "reconstruction"
    for name in (*names, "pattern_regularization", "pattern_strength"):
        ours = terms.get("generator_" + name, terms.get(name))
        np.testing.assert_allclose(ours, z["generator_" + name], rtol=2e-6)
    ours = from_params(gradient)
    for name in ("kernel", "bias", "scale"):
        error = relative_error(ours[name], z["generator_grad_" + name])
        assert error < (BIAS_TOLERANCE if name == "bias" else 1e-5), (name, error)


def run_trace(z, iterate):
    state = state_lib.create_state(jax.random.key(0), GameSpec())
    params = to_params(z, "w0_")
    state = state.replace(params=params)
    history = []
    for index in range(len(z["epoch"])):
        batch = train_step.Batch(
            z["x_in"][index], z["x_target"][index], z["control"][index]
        )
        state, metrics = iterate(state, batch, z["alpha"][index])
        history.append((jax.device_get(state.params), jax.device_get(metrics)))
    return history


def test_training_trace(golden_dir):
    z = load(golden_dir, "trace.npz")
    # The gate's epoch is the iteration index in this trace.
    np.testing.assert_array_equal(z["epoch"], np.arange(len(z["epoch"])))
    hparams = make_hparams(steps_per_epoch=1)

    @functools.partial(jax.jit, compiler_options=OPTIMISED)
    def iterate(state, batch, alpha):
        return train_step.train_iteration(state, batch, alpha, hparams, spec=GameSpec())

    history = run_trace(z, iterate)
    start = from_params(to_params(z, "w0_"))
    for index, (params, metrics) in enumerate(history):
        for name, theirs in zip(z["metric_names"], z["metrics"][index], strict=True):
            np.testing.assert_allclose(
                metrics[name], theirs, rtol=TRACE_RTOL[name], err_msg=f"{index} {name}"
            )
        ours = from_params(params)
        for name in ("kernel", "bias", "scale"):
            theirs = z["trace_" + name][index].reshape(start[name].shape)
            assert relative_error(ours[name], theirs) < 1e-4, (index, name)
            movement = relative_error(ours[name] - start[name], theirs - start[name])
            assert movement < 1e-2, (index, name, movement)
    for name in sorted(set(WEIGHTS) - NOT_COMPARABLE):
        # Compare the movement: the weights themselves barely change in six steps.
        theirs = z["trace_" + name].reshape(start[name].shape) - start[name]
        error = relative_error(ours[name] - start[name], theirs)
        assert error < 0.2, (name, error)


# With beta1 = 0 Adam's first steps are nearly sign(gradient): where a gradient is
# rounding noise its sign is too, and the critic's paths part. Measured on the shipped
# set: this program in float64 ends 0.3% from the published GP (in float32 0.1%) and
# its conv3 movement 14% (in float32 9%), so nothing tighter could be demanded of the
# critic; what does not pass through it agrees to 2e-5.
TRACE_RTOL = {
    "critic_loss": 1e-2,
    "gradient_penalty": 1e-2,
    "wasserstein": 3e-2,
    "generator_loss": 5e-4,
    "violation": 2e-5,
    "reconstruction": 5e-6,
    "pattern_strength": 1e-4,
}


def normalization(golden_dir):
    model = json.loads((golden_dir / "published_model.json").read_text("utf-8"))
    return spectral.Normalization(**model["effect"]["normalization"])


def test_spectrogram(golden_dir):
    z = load(golden_dir, "spectrogram.npz")
    settings = spectral.SpectrogramSettings()
    transformed = spectral.stft(jnp.asarray(z["audio"]), settings)
    assert transformed.shape == z["stft"].shape
    peak = np.abs(z["stft"]).max()
    np.testing.assert_allclose(transformed, z["stft"], rtol=0, atol=5e-7 * peak)
    constants = normalization(golden_dir)
    ours = spectral.normalise(jnp.abs(z["stft"]), constants)
    np.testing.assert_allclose(ours, z["normalized"], rtol=0, atol=3e-7)
    inverse = spectral.denormalise(z["normalized"], constants, guard=1e-8)
    np.testing.assert_allclose(inverse, z["denormalized"], rtol=4e-6)


@pytest.fixture(scope="module")
def published_effect(golden_dir):
    model = json.loads((golden_dir / "published_model.json").read_text("utf-8"))
    return Effect(
        name="published",
        **{
            k: model["effect"][k] for k in ("bias", "scale", "threshold", "temperature")
        },
        kernel=tuple(tuple(row) for row in model["effect"]["kernel"]),
        normalization=normalization(golden_dir),
    )


@pytest.mark.parametrize("control", [0.0, 0.5, 1.0])
def test_published_rendering(golden_dir, published_effect, control):
    z = load(golden_dir, "render.npz")
    theirs = z[f"rendered_{control}"].astype(np.float64)
    ours = in_memory.render(
        published_effect,
        z["audio"],
        int(z["sample_rate"]),
        control,
        mode="published",
    )
    assert ours.shape == theirs.shape
    noise = np.sum((ours - theirs) ** 2)
    assert 10 * np.log10(np.sum(theirs**2) / noise) > 110
