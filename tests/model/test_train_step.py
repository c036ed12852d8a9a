"""One iteration of the game: runs in parallel, one compilation, who updates what."""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.small_game import SPEC, leaves, make_batch

from cak_jax.model import cak, train_state as state_lib, train_step
from cak_jax.model.critic import measure
from cak_jax.model.generators import cak as cak_generator
from cak_jax.model.train_state import make_hparams


class Counted:
    """`train_iteration` with its own draws, counting how often it is traced."""

    def __init__(self):
        self.traced = 0
        self.jitted = jax.jit(self.plain)

    def plain(self, state, batch, hparams):
        self.traced += 1
        alpha = train_step.draw_alpha(state, 4, SPEC)
        return train_step.train_iteration(state, batch, alpha, hparams, spec=SPEC)


@pytest.fixture(scope="module")
def counted():
    return Counted()


@pytest.fixture(scope="module")
def start():
    return state_lib.create_state_quickly(jax.random.key(1), spec=SPEC)


@pytest.fixture(scope="module")
def critic():
    step = functools.partial(train_step.critic_step, spec=SPEC)
    return jax.jit(step)


@pytest.fixture(scope="module")
def generator():
    return jax.jit(functools.partial(train_step.generator_step, spec=SPEC))


def run(iterate, state, hparams, steps=3):
    history = []
    for index in range(steps):
        state, metrics = iterate(state, make_batch(index), hparams)
        history.append(jax.device_get(metrics))
    return state, history


def bits(state):
    plain = state.replace(key=jax.random.key_data(state.key))
    return {name: leaf.tobytes() for name, leaf in leaves(plain).items()}


def test_compiles_once(counted, start):
    state = start
    for index, rate in enumerate((1e-4, 3e-3, 1e-2, 1e-2)):
        hparams = make_hparams(learning_rate_critic=rate, steps_per_epoch=index + 1)
        state, _ = counted.jitted(state, make_batch(index), hparams)
    assert counted.traced == 1 and counted.jitted._cache_size() == 1
    assert state.step == 4


def test_same_seed_same_bits(counted, start):
    hparams = make_hparams()
    first, _ = run(counted.jitted, start, hparams)
    fresh = state_lib.create_state_quickly(jax.random.key(1), spec=SPEC)
    again, _ = run(counted.jitted, fresh, hparams)
    assert bits(first) == bits(again)
    other = state_lib.create_state_quickly(jax.random.key(2), spec=SPEC)
    different, _ = run(counted.jitted, other, hparams)
    assert bits(first) != bits(different)


# Their true gradient is 0 (a bias before an instance norm), or cancels between real
# and fake: what is left is rounding, and Adam with beta1 = 0 makes a full step of it.
NOISE = ("['conv2']['bias']", "['conv3']['bias']", "['dense']['bias']")


def test_vmapped_runs_equal_single_runs(counted):
    rates = (1e-4, 5e-4, 2e-3)
    hparams = [
        make_hparams(learning_rate_generator=rate, learning_rate_critic=2 * rate)
        for rate in rates
    ]
    states = [
        state_lib.create_state_quickly(jax.random.key(i), spec=SPEC) for i in range(3)
    ]
    stack = lambda *values: jnp.stack(values)  # noqa: E731
    many = jax.jit(jax.vmap(counted.plain, in_axes=(0, None, 0)))
    together, metrics = run(
        many, jax.tree.map(stack, *states), jax.tree.map(stack, *hparams), steps=2
    )
    for index in range(3):
        alone, history = run(counted.jitted, states[index], hparams[index], steps=2)
        own = jax.tree.map(operator.itemgetter(index), together.params)
        ours = leaves(own)
        for name, expected in leaves(alone.params).items():
            if name.endswith(NOISE):
                continue
            # Near 0, a thousandth of one update: Adam divides rounding by |g|.
            close = 1e-3 * 2 * rates[index]
            np.testing.assert_allclose(
                ours[name], expected, rtol=1e-5, atol=close, err_msg=name
            )
        for ours, expected in zip(metrics, history, strict=True):
            for name, value in expected.items():
                np.testing.assert_allclose(
                    ours[name][index], value, rtol=1e-4, atol=1e-5, err_msg=name
                )


def test_learning_rate_zero_leaves_the_parameters(counted, start):
    still = make_hparams(learning_rate_generator=0.0, learning_rate_critic=0.0)
    state, history = run(counted.jitted, start, still, steps=1)
    jax.tree.map(np.testing.assert_array_equal, state.params, start.params)
    assert history[0]["scale"] == 1.0
    kernel = np.asarray(start.params["detector"]["kernel"])
    assert history[0]["kernel_sum"] == pytest.approx(kernel.sum(), rel=1e-5)
    # The moments move all the same.
    assert state.generator_optimizer.count == 1
    assert state.critic_optimizer.count == SPEC.critic_steps


def test_step_counts_and_temperature_follows_the_epoch(counted, start):
    hparams = make_hparams(steps_per_epoch=2, anneal_epochs=2.0)
    state, history = run(counted.jitted, start, hparams, steps=6)
    assert state.step == 6 and state.step.dtype == jnp.int32
    # Epochs 0, 0, 1, 1, 2, 2 of an anneal over two.
    heats = [float(metrics["temperature"]) for metrics in history]
    assert heats == pytest.approx([2, 2, 11, 11, 20, 20])


def test_draws_depend_on_the_step_only(start):
    alpha = train_step.draw_alpha(start, 400, SPEC)
    assert alpha.shape == (2, 400)
    assert 0 <= alpha.min() < 0.02 and 0.98 < alpha.max() < 1
    np.testing.assert_array_equal(alpha, train_step.draw_alpha(start, 400, SPEC))
    later = train_step.draw_alpha(start.replace(step=start.step + 1), 400, SPEC)
    assert (alpha != later).all()


def test_each_player_moves_its_own_parts(critic, generator, start):
    hparams, batch = make_hparams(), make_batch()
    alpha = train_step.draw_alpha(start, 4, SPEC)[0]
    after_critic, _ = critic(start, batch, alpha, hparams)
    after_generator, _ = generator(start, batch, hparams)
    before = leaves(start.params)
    for after, moves in (
        (after_critic, ("['detector']", "['realism']")),
        (after_generator, ("['detector']", "['scale']")),
    ):
        for name, value in leaves(after.params).items():
            if not name.startswith(moves):
                np.testing.assert_array_equal(value, before[name], err_msg=name)
            elif not name.endswith(NOISE):
                # Adam's first step is sign(gradient) times the rate of 1e-4.
                moved = np.abs(value - before[name])
                assert (moved > 0).any() and moved.max() < 1.01e-4, name
    # The other player's moments are untouched, bit for bit.
    for after, other in (
        (after_critic, "generator_optimizer"),
        (after_generator, "critic_optimizer"),
    ):
        own, expected = leaves(getattr(after, other)), leaves(getattr(start, other))
        assert all((own[name] == expected[name]).all() for name in expected)
    # One detector in both optimisers, with different moments.
    moments = [
        np.asarray(optimizer.nu["detector"]["kernel"])
        for optimizer in (
            after_critic.critic_optimizer,
            after_generator.generator_optimizer,
        )
    ]
    assert (moments[0] > 0).all() and (moments[1] > 0).all()
    assert (moments[0] != moments[1]).all()


def test_metrics_are_of_the_last_critic_update(counted, critic, start):
    hparams, batch = make_hparams(), make_batch()
    state = start
    for draws in train_step.draw_alpha(start, 4, SPEC):
        state, expected = critic(state, batch, draws, hparams)
    _, metrics = counted.jitted(start, batch, hparams)
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-4, atol=1e-6)


def test_generator_step_against_numpy(generator):
    """Reconstruction alone, whose gradient is plain: three steps in numpy."""
    nothing = {
        f"weight_{name}": 0.0
        for name in ("adversarial", "gradient_penalty", "compliance", "pattern")
    }
    hparams = make_hparams(**nothing, learning_rate_generator=0.05, anneal_epochs=0.0)
    state = state_lib.create_state_quickly(jax.random.key(4), spec=SPEC)
    detector = jax.tree.map(
        lambda v: np.asarray(v, np.float64), state.params["detector"]
    )
    values = np.concatenate([detector["kernel"].ravel(), [detector["bias"], 1.0]])
    second = np.zeros(11)
    for count in range(1, 4):
        batch = make_batch(count)
        x, target = (np.asarray(v, np.float64) for v in (batch.x_in, batch.x_target))
        control = np.asarray(batch.control, np.float64)
        strength = control / (1 + np.exp(-(control - 0.3) * 20))
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        taps = [padded[:, i : i + 17, j : j + 18] for i in range(3) for j in range(3)]
        pattern = np.tensordot(values[:9], taps, 1) + values[9]
        amount = (strength * values[10])[:, None, None]
        sign = np.sign(x + pattern * amount - target)
        slope = [np.mean(sign * amount * tap) for tap in [*taps, 1.0]]
        slope.append(np.mean(sign * pattern * strength[:, None, None]))
        gradient = 5.0 * np.array(slope)
        second = 0.9 * second + 0.1 * gradient**2
        corrected = np.sqrt(second / (1 - 0.9**count)) + 1e-8
        values = values - 0.05 * gradient / corrected
        state, _ = generator(state, batch, hparams)
    kernel = np.asarray(state.params["detector"]["kernel"]).ravel()
    np.testing.assert_allclose(kernel, values[:9], atol=2e-5)
    np.testing.assert_allclose(state.params["detector"]["bias"], values[9], atol=2e-5)
    np.testing.assert_allclose(state.params["scale"], values[10], atol=2e-5)


def test_fake_is_a_constant_for_the_critic(critic, start):
    """The detector's critic gradient, by its bias, leaves out the generator."""
    batch = make_batch()
    kernel = jnp.full((3, 3), 0.1, jnp.float32)
    detector = {**start.params["detector"], "kernel": kernel}
    start = start.replace(params={**start.params, "detector": detector})
    only = {
        f"weight_{name}": 0.0 for name in ("adversarial", "gradient_penalty", "pattern")
    }
    hparams = make_hparams(**only, weight_compliance=1.0)
    after, metrics = critic(start, batch, jnp.ones(4), hparams)
    heat = train_step.current_temperature(start, hparams)
    fake, _ = cak_generator.apply(start.params, batch.x_in, batch.control, 0.3, heat)
    broken = np.asarray(measure(start.params, fake) - batch.control)
    assert float(metrics["critic_violation"]) == pytest.approx(
        np.abs(broken).mean(), rel=1e-5
    )
    # m(fake) rises as the bias does, by 1 with the fake fixed. Through the generator
    # it would rise by the amount times the kernel's sum more. Adam's nu is a tenth of
    # the squared gradient.
    slope = np.sign(broken).mean()
    amount = np.asarray(batch.control * cak.soft_gate(batch.control, 0.3, heat))
    total = float(start.params["detector"]["kernel"].sum())
    through = np.mean(np.sign(broken) * (1 + amount * total))
    assert abs(through / slope - 1) > 1e-2
    nu = float(after.critic_optimizer.nu["detector"]["bias"])
    assert nu == pytest.approx(0.1 * slope**2, rel=1e-4)


def test_learning_rate_follows_a_cosine(start):
    hparams = make_hparams(decay_steps=8)
    for count, expected in ((0, 1.0), (2, 0.853553), (4, 0.5), (8, 0.0), (9, 0.0)):
        state = start.replace(step=jnp.int32(count))
        factor = train_step.learning_rate_factor(state, hparams)
        assert float(factor) == pytest.approx(expected, abs=1e-6)
        assert train_step.learning_rate_factor(state, make_hparams()) == 1.0


def test_learning_rate_rises_in_a_warm_up(start):
    cosine = make_hparams(decay_steps=8)
    warm = make_hparams(warmup_steps=4)
    warm_cosine = make_hparams(warmup_steps=4, decay_steps=8)
    for count, share in ((0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (8, 1.0)):
        state = start.replace(step=jnp.int32(count))
        assert train_step.learning_rate_factor(state, warm) == share
        decayed = train_step.learning_rate_factor(state, cosine)
        both = train_step.learning_rate_factor(state, warm_cosine)
        assert float(both) == pytest.approx(share * float(decayed), abs=1e-7)


def test_a_finished_cosine_leaves_the_parameters(counted, start):
    late = start.replace(step=jnp.int32(8))
    state, _ = run(counted.jitted, late, make_hparams(decay_steps=8), steps=1)
    jax.tree.map(np.testing.assert_array_equal, state.params, start.params)
