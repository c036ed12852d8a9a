"""Every term of the game by a closed form or by numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from cak_jax.model import critic, losses, train_state
from cak_jax.model.audits import relative
from cak_jax.model.audits.request import REQUESTS, requested
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.generators import cak as cak_generator
from cak_jax.model.train_state import GameSpec, make_hparams
from cak_jax.model.train_step import Batch

WIDTHS = (2, 2, 2)


@pytest.fixture(scope="module")
def params():
    return train_state.initial_params(jax.random.key(0), WIDTHS)


def with_detector(params, kernel, bias=0.0):
    detector = {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.float32(bias)}
    return {**params, "detector": detector}


def spectrogram(*shape, seed=0):
    values = np.random.default_rng(seed).random(shape)
    return jnp.asarray(values, jnp.float32)


def test_relative_measure():
    # (0.6 - 0.5) / 0.5, a fall, no change; nothing where nothing sounds.
    level_x = jnp.asarray([0.5, 0.4, 0.3, 0.0])
    level_y = jnp.asarray([0.6, 0.3, 0.3, 0.0])
    measured = relative.relative_measure(level_y, level_x)
    np.testing.assert_allclose(measured, [0.2, -0.25, 0.0, 0.0], rtol=1e-5)
    slope = jax.grad(lambda y: relative.relative_measure(y, level_x).sum())(level_y)
    np.testing.assert_allclose(slope, [2.0, 2.5, 1 / 0.3, 0.0], rtol=1e-5)


def test_heard_levels_against_numpy():
    x = np.array(spectrogram(2, 3, 6, 9), np.float64)
    y = np.array(spectrogram(2, 3, 6, 9, seed=1), np.float64)
    x[0, 0, :, 2:5] *= 0.01  # pauses
    x[1, 2] *= 0.001  # one that never sounds
    after, before = relative.heard_levels(jnp.float32(y), jnp.float32(x))
    for i, j in np.ndindex(2, 3):
        sounds = x[i, j, 1:-1, 1:-1].mean(axis=0) >= relative.QUIET
        heard = np.convolve(sounds, np.ones(3), "same") > 0  # and the frames beside
        wanted = [v[i, j, 1:-1, 1:-1][:, heard] for v in (y, x)]
        wanted = [v.mean() if v.size else 0.0 for v in wanted]
        np.testing.assert_allclose([after[i, j], before[i, j]], wanted, rtol=1e-5)
    assert heard.sum() == 0


def test_a_clip_measures_alike_with_a_pause_and_at_any_crop(params):
    # A stationary sound, so that all that could differ is rims and silence.
    column = spectrogram(1, 12, 1)
    x = jnp.tile(column, (1, 1, 20))
    tree = with_detector(params, np.random.default_rng(1).normal(size=(3, 3)))

    def measured(x, crop):
        y, _ = cak_generator.apply(tree, x, jnp.ones(1), 0.3, 20.0)
        after, before = relative.heard_levels(y[..., crop], x[..., crop])
        return float(relative.relative_measure(after, before)[0])

    whole = measured(x, slice(None))
    assert measured(x[..., :7], slice(None)) == pytest.approx(whole, rel=1e-5)
    # A pause after it, a stroke of a single frame: nothing of the pattern is lost.
    for sound in (x, x[..., :1]):
        paused = jnp.pad(sound, ((0, 0), (0, 0), (30, 30)))
        assert measured(paused, slice(None)) == pytest.approx(whole, rel=1e-5)


def test_requested():
    control = jnp.asarray([0.0, 0.3, 1.0])
    same = requested(control, 0.3, 20.0, "control")
    np.testing.assert_array_equal(same, control)
    gated = requested(control, 0.3, 20.0, "gated")
    np.testing.assert_allclose(
        gated, [0.0, 0.15, special.expit(14.0)], rtol=1e-6, atol=1e-9
    )


def test_a_gated_request_is_met_by_one_pattern_at_every_control(params):
    # Kernel of sum 1 and scale 1: the relative change is c gate(c) itself.
    x = jnp.pad(jnp.tile(spectrogram(5, 12, 1), 15), ((0, 0), (2, 2), (0, 0)))
    tree = with_detector(params, np.full((3, 3), 1 / 9)) | {"scale": jnp.float32(1)}
    control = jnp.linspace(0.0, 1.0, 5)
    y, _ = cak_generator.apply(tree, x, control, 0.3, 5.0)
    for request, kept in (("gated", True), ("control", False)):
        asked = requested(control, 0.3, 5.0, request)
        broken = losses.violation(tree, y, x, asked, "relative")
        assert (float(broken.max()) < 1e-3) == kept


def test_mean_level():
    x = spectrogram(2, 3, 6, 5)
    expected = np.asarray(x, np.float64).mean(axis=(-2, -1))
    np.testing.assert_allclose(losses.mean_level(x), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["", "Relative", "paper", None])
def test_unknown_audits_are_refused(params, name):
    x = jnp.ones((1, 4, 4))
    with pytest.raises(ValueError, match=r"audit must be one of .*got"):
        losses.violation(params, x, x, jnp.ones(1), name)


@pytest.mark.parametrize("bias", [0.0, -0.1])
@pytest.mark.parametrize("loudness", [1.0, 10.0])
def test_relative_violation_of_the_transform_is_exact(params, loudness, bias):
    # A steady sound with two empty rows at its rims: of D(x) nothing is lost within
    # them, so that the measure is a (S + b / mean x).
    x = jnp.tile(loudness * spectrogram(2, 12, 1), (1, 1, 15))
    x = jnp.pad(x, ((0, 0), (2, 2), (0, 0)))
    kernel = np.random.default_rng(1).normal(size=(3, 3))
    tree = with_detector(params, kernel, bias)
    control = jnp.asarray([0.3, 0.8])
    y, _ = cak_generator.apply(tree, x, control, 0.3, 0.0)
    amount = np.array([0.15, 0.4])  # a gate of temperature 0 is one half
    mean = np.asarray(x, np.float64)[:, 1:-1].mean(axis=(1, 2))
    expected = np.abs(amount * (kernel.sum() + bias / mean) - [0.3, 0.8])
    broken = losses.violation(tree, y, x, control, "relative")
    np.testing.assert_allclose(broken, expected, rtol=1e-4, atol=1e-6)


def test_absolute_violation(params):
    # Kernel 0: m = bias whatever the sound.
    tree = with_detector(params, np.zeros((3, 3)), 0.25)
    x = spectrogram(3, 6, 5)
    broken = losses.violation(tree, x, x, jnp.asarray([0.0, 0.25, 1.0]), "absolute")
    np.testing.assert_allclose(broken, [0.25, 0.0, 0.75], rtol=1e-6)


def test_safe_norm():
    x = spectrogram(3, 4, 5) - 0.5
    norm = np.linalg.norm(np.asarray(x, np.float64).reshape(3, -1), axis=1)
    np.testing.assert_allclose(losses.safe_norm(x), norm, rtol=1e-6)
    slope = jax.grad(lambda x: jnp.sum(losses.safe_norm(x)))(x)
    np.testing.assert_allclose(slope, np.asarray(x) / norm[:, None, None], rtol=1e-5)
    x = x.at[1].set(0.0)
    value, slope = jax.value_and_grad(lambda x: jnp.sum(losses.safe_norm(x)))(x)
    assert np.isfinite(value) and not np.asarray(slope[1]).any()
    np.testing.assert_allclose(slope[0], np.asarray(x[0]) / norm[0], rtol=1e-5)


def test_gradient_penalty_of_a_linear_score():
    weight = spectrogram(4, 5, seed=2)

    def score(x):
        return jnp.sum(jnp.sum(x * weight[None], axis=-1), axis=-1)

    real, fake = spectrogram(2, 4, 5), spectrogram(2, 4, 5, seed=1)
    penalty = losses.gradient_penalty(score, real, fake, jnp.asarray([0.2, 0.7]))
    expected = (np.linalg.norm(weight) - 1) ** 2
    np.testing.assert_allclose(penalty, [expected, expected], rtol=1e-5)


def test_gradient_penalty_looks_between_and_is_differentiable():
    # C(x) = k |x|^2 / 2 has the gradient kx, at x = a real + (1 - a) fake.
    real, fake = spectrogram(2, 4, 5), spectrogram(2, 4, 5, seed=1)
    alpha = jnp.asarray([0.0, 0.25])

    def penalty(k):
        score = lambda x: k / 2 * jnp.sum(jnp.sum(x * x, axis=-1), axis=-1)  # noqa: E731
        return losses.gradient_penalty(score, real, fake, alpha)

    mix = np.asarray(alpha)[:, None, None]
    norm = np.linalg.norm((mix * real + (1 - mix) * fake).reshape(2, -1), axis=1)
    np.testing.assert_allclose(penalty(0.7), (0.7 * norm - 1) ** 2, rtol=1e-5)
    slope = jax.jacobian(penalty)(0.7)
    np.testing.assert_allclose(slope, 2 * (0.7 * norm - 1) * norm, rtol=1e-4)


def test_gradient_penalty_without_gradient_is_one():
    x = jnp.zeros((2, 4, 5))

    def penalty(k):
        flat = lambda x: k * jnp.sum(jnp.sum(x * x, axis=-1), axis=-1)  # noqa: E731
        return jnp.sum(losses.gradient_penalty(flat, x, x, jnp.ones(2)))

    value, slope = jax.value_and_grad(penalty)(0.0)
    assert value == 2.0 and slope == 0.0


def test_gradient_penalty_is_finite_at_a_constant_input(params):
    x = jnp.full((1, 16, 16), 0.5)

    @jax.jit
    def penalty(realism, x):
        score = lambda x: critic.score({"realism": realism}, x)  # noqa: E731
        return jnp.sum(losses.gradient_penalty(score, x, x, jnp.ones(1)))

    zeros = jax.tree.map(jnp.zeros_like, params["realism"])
    slope = jax.jit(jax.grad(penalty))
    for realism in (params["realism"], zeros):
        assert np.isfinite(penalty(realism, x))
        leaves = jax.tree.leaves(slope(realism, x))
        assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert penalty(zeros, x) == 1.0


def test_reconstruction_and_pattern_terms():
    a, b = spectrogram(3, 6, 5), spectrogram(3, 6, 5, seed=1)
    expected = np.abs(np.asarray(a, np.float64) - b).mean(axis=(1, 2))
    np.testing.assert_allclose(losses.reconstruction(a, b), expected, rtol=1e-6)
    np.testing.assert_array_equal(losses.reconstruction(a, a), np.zeros(3))
    signed = a - 0.5
    strength = np.abs(np.asarray(signed, np.float64)).mean()
    np.testing.assert_allclose(losses.pattern_strength(signed), strength, rtol=1e-6)
    for value in (1.0, 0.01):
        term = losses.pattern_regularization(jnp.float32(value))
        assert float(term) == pytest.approx(-np.log(value + 1e-8), abs=1e-6)
    # A dead detector: -log(1e-8), with a finite slope away from it.
    dead, slope = jax.value_and_grad(losses.pattern_regularization)(0.0)
    assert float(dead) == pytest.approx(8 * np.log(10), rel=1e-6)
    assert float(slope) == pytest.approx(-1e8, rel=1e-5)


@pytest.fixture(scope="module")
def batch():
    x_in, x_target = spectrogram(2, 16, 17), spectrogram(2, 16, 17, seed=1)
    return Batch(x_in, x_target, jnp.asarray([0.0, 0.6]))


WEIGHTS = {
    "weight_adversarial": 1.5,
    "weight_gradient_penalty": 7.0,
    "weight_compliance": 3.0,
    "weight_reconstruction": 4.0,
    "weight_pattern": 0.5,
}


# `tests/model/test_heard.py` plays those that hear.
SEEN = [name for name in AUDITS if not AUDITS[name].HEARS]


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("audit", SEEN)
def test_critic_loss_is_the_weighted_sum(params, batch, audit, request_name):
    fake, alpha = spectrogram(2, 16, 17, seed=3), jnp.asarray([0.1, 0.8])
    compute = jax.jit(losses.critic_loss)
    hparams, spec = make_hparams(**WEIGHTS), GameSpec(audit=audit, request=request_name)
    loss, terms = compute(
        losses.Play(params, fake, None, batch, alpha, 5.0, hparams, spec)
    )
    gap = (
        critic.score(params, batch.x_target).mean() - critic.score(params, fake).mean()
    )
    assert float(terms["wasserstein"]) == pytest.approx(float(gap), rel=1e-4, abs=1e-6)
    score = lambda x: critic.score(params, x)  # noqa: E731
    penalty = losses.gradient_penalty(score, batch.x_target, fake, alpha).mean()
    asked = requested(batch.control, 0.3, 5.0, request_name)
    broken = losses.violation(params, fake, batch.x_in, asked, audit).mean()
    expected = -1.5 * gap + 7.0 * penalty + 3.0 * broken
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert terms["critic_loss"] == loss


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("audit", SEEN)
def test_generator_loss_is_the_weighted_sum(params, batch, audit, request_name):
    hparams, spec = make_hparams(**WEIGHTS), GameSpec(audit=audit, request=request_name)
    fake, pattern = cak_generator.apply(params, batch.x_in, batch.control, 0.3, 5.0)
    play = losses.Play(params, fake, pattern, batch, None, 5.0, hparams, spec)
    parts, terms = jax.jit(losses.generator_parts)(play)
    loss = sum(parts)
    strength = np.abs(np.asarray(pattern, np.float64)).mean()
    asked = requested(batch.control, 0.3, 5.0, request_name)
    expected = (
        -1.5 * critic.score(params, fake).mean()
        + 3.0 * losses.violation(params, fake, batch.x_in, asked, audit).mean()
        + 4.0 * np.abs(np.asarray(fake) - batch.x_target).mean()
        - 0.5 * np.log(strength + 1e-8)
    )
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(terms["pattern_strength"]) == pytest.approx(strength, rel=1e-5)


def test_generator_gradient_by_scale_in_closed_form(params, batch):
    # Only reconstruction: dL/dscale = mean(sign(fake - target) D(x) c gate(c)).
    nothing = dict.fromkeys(WEIGHTS, 0.0) | {"weight_reconstruction": 1.0}
    hparams = make_hparams(**nothing)

    def loss(scale):
        tree = {**params, "scale": scale}
        made = cak_generator.apply(tree, batch.x_in, batch.control, 0.3, 5.0)
        play = losses.Play(tree, *made, batch, None, 5.0, hparams, GameSpec())
        return sum(losses.generator_parts(play)[0])

    fake, pattern = cak_generator.apply(params, batch.x_in, batch.control, 0.3, 5.0)
    amount = np.array([0.0, 0.6 / (1 + np.exp(-1.5))])[:, None, None]
    sign = np.sign(np.asarray(fake) - np.asarray(batch.x_target))
    expected = np.mean(sign * np.asarray(pattern, np.float64) * amount)
    slope = jax.jit(jax.grad(loss))(params["scale"])
    assert float(slope) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", losses.TERMS)
def test_each_term_is_its_weight_times_its_value(params, batch, name):
    """Alone in the sum, a term is the loss; its metrics are finite scalars."""
    term = losses.TERMS[name]
    fake, pattern = cak_generator.apply(params, batch.x_in, batch.control, 0.3, 5.0)
    alone = {f"weight_{other}": 0.0 for other in losses.TERMS} | {f"weight_{name}": 2.0}
    rest = batch, jnp.asarray([0.1, 0.8]), 5.0, make_hparams(**alone), GameSpec(WIDTHS)
    play = losses.Play(params, fake, pattern, *rest)
    assert term.critic or term.generator
    players = {"critic": losses.critic_loss, "generator": losses.generator_parts}
    for player, total in players.items():
        compute = getattr(term, player)
        expected, metrics = (0.0, {}) if compute is None else compute(play)
        loss, logged = total(play)
        loss = sum(loss) if player == "generator" else loss
        assert float(loss) == pytest.approx(2.0 * float(expected), rel=1e-6)
        assert metrics.keys() <= logged.keys()
        assert all(np.isfinite(value) for value in logged.values())
        assert all(np.shape(value) == () for value in logged.values())
    metrics = [compute(play)[1] for compute in (term.critic, term.generator) if compute]
    # The level is that of a sound, which this batch has not: test_heard.py.
    drawn = term.panel is not None and name != "level"
    assert not drawn or any(term.panel.metric in m for m in metrics)
