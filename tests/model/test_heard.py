"""The heard game: it hears what the renderer plays, and needs no critic."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.heard_sound import (
    READER,
    SETTINGS,
    listen,
    noise_bursts,
    sound_of,
    tones,
)

from cak_jax.effect.effect import Effect
from cak_jax.model import cak, losses, qualities, resynthesis
from cak_jax.model.audits import heard
from cak_jax.model.spectrogram_settings import Normalization
from cak_jax.model.train_state import GameSpec, create_state_quickly, make_hparams
from cak_jax.model.train_step import Batch, draw_alpha, train_iteration
from cak_jax.rendering import in_memory

KERNEL = np.array([[0.1, -0.2, 0.1], [0.0, 0.4, 0.0], [-0.1, 0.2, 0.0]], np.float32)
SPEC = GameSpec(critic_widths=(2, 2, 2), critic_steps=0, audit="heard", request="gated")


def iteration(spec):
    """An iteration as one program."""
    step = functools.partial(train_iteration, spec=spec)
    return jax.jit(step)


def test_the_game_hears_what_the_renderer_plays():
    samples = noise_bursts(1)[0].astype(np.float32)
    x, sound = sound_of(samples[None])
    pattern = cak.detect(x, jnp.asarray(KERNEL), 0.02)
    played = resynthesis.resynthesise(x + 0.7 * pattern, x, sound)[0]
    effect = Effect(
        "e",
        tuple(map(tuple, KERNEL.astype(float).tolist())),
        0.02,
        1.0,
        spectrogram=SETTINGS,
        normalization=Normalization(10.0, 0.85, 0.0, 3.0),
    )
    # The crop starts half a window into the first frame of its centred transform.
    half = SETTINGS.n_fft // 2
    padded = np.pad(samples, (SETTINGS.hop_length * 4 - half, 512))
    rendered = in_memory.render(
        effect, padded, SETTINGS.sample_rate, amount=0.7, loudness="none", peaks="none"
    )[SETTINGS.hop_length * 4 - half :]
    middle = slice(200, len(samples) - 200)
    np.testing.assert_allclose(played[middle], rendered[middle], atol=2e-6)
    assert np.abs(played - samples)[middle].max() > 1e-2


def test_a_gain_is_worth_nothing_and_the_level_term_sees_it():
    x, sound = sound_of(tones(2))
    nothing = listen(x, x, sound)
    assert np.abs(nothing.moved).max() == 0 and np.abs(nothing.bels).max() == 0
    slope = jnp.linspace(0, 1, x.shape[1])[None, :, None]
    brighter = jnp.clip(x + 0.1 * slope, 0, 1)
    more = listen(brighter, x, sound)
    assert (np.asarray(more.moved[:, 1]) > 0.05).all()
    assert (np.asarray(more.bels) > 0).all()
    measured = heard.measure({}, brighter, x, more)
    np.testing.assert_allclose(measured, more.moved @ READER, rtol=1e-6)


def test_a_request_is_a_share_of_the_way_to_the_target():
    samples = np.concatenate([tones(2), noise_bursts(2)])
    x, sound = sound_of(samples)
    np.testing.assert_array_equal(heard.room(x, listen(x, x, sound)), np.ones(4))
    dry = resynthesis.middle(sound.samples, SETTINGS, 1)
    measure = jax.jit(qualities.measure, static_argnums=1)
    reading = np.asarray(measure(dry, SETTINGS.sample_rate) @ READER)
    target = float(np.sort(reading)[2])
    hearing = listen(x, x, sound, jnp.float32(target))
    way = np.maximum(target - reading, 0)
    assert np.count_nonzero(way) == 2
    np.testing.assert_allclose(heard.room(x, hearing), way, atol=1e-5)
    # Nothing is done, so the whole request is missing.
    violation = jax.jit(losses.violation, static_argnames="audit")
    missing = violation({}, x, x, jnp.full(4, 0.5), audit="heard", hearing=hearing)
    np.testing.assert_allclose(missing, 0.5 * way, atol=1e-5)


def test_a_direction_asks_for_the_other_qualities_too():
    """Where nothing is done, all of it is missing, and each unit costs its trust."""
    x, sound = sound_of(np.concatenate([tones(2), noise_bursts(2)]))
    control = jnp.asarray([0.25, 0.5, 0.75, 1.0])
    batch = Batch(x, x, control, sound)
    hparams = make_hparams(
        reader=READER, along=(0.0, 2.0, -1.0, 0.0), trust=(0.0, 0.5, 0.25, 0.0)
    )
    spec = dataclasses.replace(SPEC, request="control")
    temperature = jnp.float32(20.0)

    def missing(fake):
        play = losses.Play({}, fake, None, batch, None, temperature, hparams, spec)
        return losses.direction(play)[0]

    assert missing(x) == pytest.approx(0.625 * (2 * 0.5 + 1 * 0.25), abs=1e-4)
    changed = jnp.clip(0.9 * x + 0.1, 0.0, 1.0)
    moved = listen(changed, x, sound).moved
    asked = np.outer(control, hparams.along)
    expected = np.mean(np.abs(np.array(moved) - asked) @ np.array(hparams.trust))
    assert missing(changed) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("spacing", [(1, 1), (2, 3)])
def test_an_iteration_without_a_critic_lowers_the_violation(spacing):
    """It trains kernel, bias and scale; the realism branch stays as it was drawn."""
    x, sound = sound_of(tones(4))
    control = jnp.asarray([0.2, 0.5, 0.8, 1.0])
    batch = Batch(x, x, control, sound)
    spec = GameSpec(
        critic_widths=(2, 2, 2),
        critic_steps=0,
        audit="heard",
        request="gated",
        spacing=spacing,
    )
    hparams = make_hparams(
        reader=(0.05, 0.0, 0.0, 0.0),
        weight_compliance=1.0,
        weight_reconstruction=0.0,
        weight_pattern=0.0,
        weight_level=0.1,
        temperature_initial=20.0,
        learning_rate_generator=2e-2,
        decay_steps=30,
    )
    state = create_state_quickly(jax.random.key(0), spec=spec)
    step = iteration(spec)
    drawn, series = state.params, []
    for _ in range(30):
        state, metrics = step(state, batch, draw_alpha(state, 4, spec), hparams)
        series.append({name: float(value) for name, value in metrics.items()})
    assert series[-1]["violation"] < 0.4 * series[0]["violation"]
    assert {"adversarial", "wasserstein", "critic_loss"}.isdisjoint(series[0])
    assert series[-1][losses.TERMS["level"].panel.metric] > 0
    for leaf, before in zip(
        jax.tree.leaves(state.params["realism"]),
        jax.tree.leaves(drawn["realism"]),
        strict=True,
    ):
        np.testing.assert_array_equal(leaf, before)


def test_a_critic_in_parts_plays_the_same_game():
    x, sound = sound_of(tones(4))
    batch = Batch(x, x, jnp.asarray([0.2, 0.5, 0.8, 1.0]), sound)
    hparams = make_hparams(reader=(0.05, 0.0, 0.0, 0.0), leash=1.0)
    after = {}
    for size in (0, 2):
        spec = dataclasses.replace(SPEC, critic_steps=1, pull="across", microbatch=size)
        state = create_state_quickly(jax.random.key(0), spec=spec)
        alpha = draw_alpha(state, 4, spec)
        after[size] = iteration(spec)(state, batch, alpha, hparams)
    for name, value in after[0][1].items():
        np.testing.assert_allclose(after[2][1][name], value, rtol=1e-3, atol=1e-5)
    assert {"adversarial", "wasserstein"} <= after[2][1].keys()


def test_size_term_shrinks_what_the_audit_leaves_free():
    x, sound = sound_of(tones(2))
    batch = Batch(x, x, jnp.asarray([0.5, 1.0]), sound)
    nothing = {f"weight_{name}": 0.0 for name in losses.TERMS}
    hparams = make_hparams(
        **nothing | {"weight_pattern_size": 1.0}, learning_rate_generator=1e-2
    )
    state = create_state_quickly(jax.random.key(1), spec=SPEC)
    step = iteration(SPEC)
    before = jnp.sum(state.params["detector"]["kernel"] ** 2)
    for _ in range(20):
        state, _ = step(state, batch, draw_alpha(state, 2, SPEC), hparams)
    kernel = state.params["detector"]["kernel"] * state.params["scale"]
    assert float(jnp.sum(kernel**2)) < 0.5 * float(before)


def test_a_play_is_heard_once_by_all_terms():
    """Two transforms each of the dry and the wet sound, and two on the way back."""
    x, sound = sound_of(tones(2))
    batch = Batch(x, x, jnp.asarray([0.5, 1.0]), sound)
    state = create_state_quickly(jax.random.key(1), spec=SPEC)
    arguments = state, batch, draw_alpha(state, 2, SPEC), make_hparams()
    step = functools.partial(train_iteration, spec=SPEC)
    assert str(jax.make_jaxpr(step)(*arguments)).count(" fft[") == 6


def test_a_game_that_reads_no_targets_needs_none():
    x, sound = sound_of(tones(2))
    batch = Batch(x, 0.5 * x, jnp.asarray([0.5, 1.0]), sound)
    hparams = make_hparams(reader=(0.05, 0.0, 0.0, 0.0), weight_reconstruction=0.0)
    spec = dataclasses.replace(SPEC, reconstructed=False)
    assert not spec.reads_targets and SPEC.reads_targets
    state = create_state_quickly(jax.random.key(1), spec=SPEC)
    alpha = draw_alpha(state, 2, SPEC)
    expected, measured = iteration(SPEC)(state, batch, alpha, hparams)
    without = batch.replace(x_target=None)
    found, fewer = iteration(spec)(state, without, alpha, hparams)
    assert measured.keys() - fewer.keys() == {"reconstruction"}
    for a, b in zip(
        jax.tree.leaves(found.params), jax.tree.leaves(expected.params), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
