"""One iteration of the audit game: pure, without I/O, `vmap`-able over runs."""

import functools
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from cak_jax.model import cak, losses
from cak_jax.model.generators.table import GENERATORS
from cak_jax.model.layers import Params
from cak_jax.model.losses import Metrics, Play
from cak_jax.model.resynthesis import Sound
from cak_jax.model.train_state import (
    ADAM,
    CRITIC_PARTS,
    GameSpec,
    HParams,
    TrainState,
    part,
)


class Batch(flax.struct.PyTreeNode):
    """One batch of pairs.

    Attributes:
      x_in: input spectrograms, normalised, `[batch, freq, frame]`.
      x_target: target spectrograms, the same shape; equal to `x_in` where control is 0.
        None where the game does not read them (`GameSpec.reads_targets`).
      control: requested values `[batch]`.
      sound: the samples of the inputs, where the game hears them; else None.
    """

    x_in: jax.Array
    x_target: jax.Array | None
    control: jax.Array
    sound: Sound | None = None


def current_temperature(state: TrainState, hparams: HParams) -> jax.Array:
    """Return the gate's temperature in the state's epoch."""
    epoch = state.step // hparams.steps_per_epoch
    temperature: jax.Array = cak.gate_temperature(
        epoch,
        hparams.temperature_initial,
        hparams.temperature_final,
        hparams.anneal_epochs,
    )
    return temperature


def learning_rate_factor(state: TrainState, hparams: HParams) -> jax.Array:
    """Return the share of the learning rates in use: a cosine from 1 to 0, or 1.

    A warm-up is a factor on it, which reaches 1 with the last of its steps.
    """
    length, warmup = hparams.decay_steps, hparams.warmup_steps
    progress = jnp.minimum(state.step / jnp.maximum(length, 1), 1.0)
    decayed = jnp.where(length > 0, 0.5 * (1.0 + jnp.cos(jnp.pi * progress)), 1.0)
    return decayed * jnp.minimum((state.step + 1) / jnp.maximum(warmup, 1), 1.0)


def _update(
    params: Params,
    gradient: Params,
    optimizer: optax.OptState,
    names: tuple[str, ...],
    learning_rate: jax.Array,
) -> tuple[Params, optax.OptState]:
    owned = part(params, names)
    direction, optimizer = ADAM.update(gradient, optimizer, owned)
    updates = jax.tree.map(lambda d: -learning_rate * d, direction)
    return {**params, **optax.apply_updates(owned, updates)}, optimizer


def _mean_over_parts(
    function: Callable[..., Any], arguments: tuple[Any, ...], size: int
) -> Any:
    """Return the mean of `function` over parts of `size` examples of its arguments.

    `function` must be a mean over examples. A size of 0 takes all at once. Numbers
    among the arguments, such as the constants of a sound, belong to every part.
    """
    count = len(jax.tree.leaves(arguments)[0])
    if size in (0, count):
        return function(*arguments)

    def split(a: jax.Array) -> jax.Array:
        return (
            a.reshape(-1, size, *a.shape[1:])
            if a.ndim
            else jnp.repeat(a, count // size)
        )

    parts = jax.tree.map(split, arguments)

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(*part)), None

    shapes = jax.eval_shape(function, *jax.tree.map(lambda a: a[0], parts))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = jax.lax.scan(add, zero, parts)
    return jax.tree.map(lambda leaf: leaf * (size / count), total)


def critic_step(
    state: TrainState,
    batch: Batch,
    alpha: jax.Array,
    hparams: HParams,
    *,
    spec: GameSpec,
) -> tuple[TrainState, Metrics]:
    """Update detector and realism branch once.

    Args:
      state: before the update.
      batch: pairs.
      alpha: interpolation draws of the gradient penalty, `[batch]` in [0, 1].
      hparams: traced settings.
      spec: static settings.

    Returns:
      The state after it and the critic's metrics before it.
    """
    temperature = current_temperature(state, hparams)
    fake, _ = GENERATORS[spec.generator].apply(
        state.params,
        batch.x_in,
        batch.control,
        hparams.threshold,
        temperature,
        spec.spacing,
    )
    # No gradient passes through the generator in the critic's move. The detector still
    # gets one, as the auditor of this fake.
    fake = jax.lax.stop_gradient(fake)

    def loss(
        owned: Params, fake: jax.Array, batch: Batch, alpha: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        params = {**state.params, **owned}
        play = Play(params, fake, None, batch, alpha, temperature, hparams, spec)
        return losses.critic_loss(play)

    owned = part(state.params, CRITIC_PARTS)
    gradient, metrics = _mean_over_parts(
        functools.partial(jax.grad(loss, has_aux=True), owned),
        (fake, batch, alpha),
        spec.microbatch,
    )
    params, optimizer = _update(
        state.params,
        gradient,
        state.critic_optimizer,
        CRITIC_PARTS,
        hparams.learning_rate_critic * learning_rate_factor(state, hparams),
    )
    return state.replace(params=params, critic_optimizer=optimizer), metrics


def _norm(tree: Params) -> jax.Array:
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))


def leash_share(
    audit_gradient: Params, other_gradient: Params, leash: jax.Array
) -> jax.Array:
    """Return the share of the other terms' gradient that the leash lets through.

    `min(1, leash |g_audit| / |g_other|)`. The audit is a distance and not its square,
    so it pulls with full force until its request is met. With a leash below 1 no other
    term can keep the generator from meeting the request, however strong the critic is.

    Args:
      audit_gradient, other_gradient: trees of the generator's parameters.
      leash: at most this times the audit's norm; 0: no limit (the paper).
    """
    audit, other = map(_norm, (audit_gradient, other_gradient))
    share = jnp.minimum(1.0, leash * audit / jnp.maximum(other, 1e-30))
    return jnp.where(leash > 0, share, 1.0)


def across(audit_gradient: Params, other_gradient: Params) -> Params:
    """Return the part of a gradient that is orthogonal to the audit's.

    A step along it does not change the audit's term, to first order.
    """
    product = sum(
        jnp.sum(a * g)
        for a, g in zip(
            jax.tree.leaves(audit_gradient),
            jax.tree.leaves(other_gradient),
            strict=True,
        )
    )
    along = product / jnp.maximum(_norm(audit_gradient) ** 2, 1e-30)
    left: Params = jax.tree.map(
        lambda a, g: g - along * a, audit_gradient, other_gradient
    )
    return left


def generator_step(
    state: TrainState, batch: Batch, hparams: HParams, *, spec: GameSpec
) -> tuple[TrainState, Metrics]:
    """Update what the generator owns once; arguments as in `critic_step`."""
    temperature = current_temperature(state, hparams)
    generator = GENERATORS[spec.generator]

    def parts(owned: Params) -> tuple[tuple[jax.Array, jax.Array], Metrics]:
        params = {**state.params, **owned}
        fake, pattern = generator.apply(
            params,
            batch.x_in,
            batch.control,
            hparams.threshold,
            temperature,
            spec.spacing,
        )
        play = Play(params, fake, pattern, batch, None, temperature, hparams, spec)
        return losses.generator_parts(play)

    def others(owned: Params) -> tuple[jax.Array, Metrics]:
        (_, loss), metrics = parts(owned)
        return loss, metrics

    def whole(owned: Params) -> tuple[jax.Array, Metrics]:
        (audited, loss), metrics = parts(owned)
        return audited + loss, metrics

    owned = part(state.params, generator.PARTS)
    if spec.leashed or spec.pull == "across":
        audit_gradient = jax.grad(lambda owned: parts(owned)[0][0])(owned)
        gradient, metrics = jax.grad(others, has_aux=True)(owned)
        if spec.pull == "across":
            gradient = across(audit_gradient, gradient)
        share = leash_share(audit_gradient, gradient, hparams.leash)
        gradient = jax.tree.map(lambda a, g: a + share * g, audit_gradient, gradient)
    else:
        gradient, metrics = jax.grad(whole, has_aux=True)(owned)
        share = jnp.float32(1.0)
    params, optimizer = _update(
        state.params,
        gradient,
        state.generator_optimizer,
        generator.PARTS,
        hparams.learning_rate_generator * learning_rate_factor(state, hparams),
    )
    metrics |= {"temperature": temperature, "leash_share": share}
    return state.replace(params=params, generator_optimizer=optimizer), metrics


def draw_alpha(state: TrainState, count: int, spec: GameSpec) -> jax.Array:
    """Draw the interpolation of this iteration, `[critic_steps, count]` in [0, 1)."""
    key = jax.random.fold_in(state.key, state.step)
    return jax.random.uniform(key, (spec.critic_steps, count))


def train_iteration(
    state: TrainState,
    batch: Batch,
    alpha: jax.Array,
    hparams: HParams,
    *,
    spec: GameSpec,
) -> tuple[TrainState, Metrics]:
    """Make `critic_steps` critic updates and one generator update on one batch.

    Args:
      state: before the iteration.
      batch: pairs.
      alpha: `[critic_steps, batch]`, from `draw_alpha`.
      hparams: traced settings.
      spec: static settings.

    Returns:
      The state after it (step one higher) and metrics: the critic's from its last
      update, the generator's, and the learned numbers after it.
    """

    def update_critic(
        carry: TrainState, draws: jax.Array
    ) -> tuple[TrainState, Metrics]:
        return critic_step(carry, batch, draws, hparams, spec=spec)

    metrics: Metrics = {}
    if spec.critic_steps:
        state, series = jax.lax.scan(update_critic, state, alpha)
        metrics = jax.tree.map(lambda values: values[-1], series)
    state, generator_metrics = generator_step(state, batch, hparams, spec=spec)
    state = state.replace(step=state.step + 1)
    learned = GENERATORS[spec.generator].learned_numbers(state.params)
    return state, {**metrics, **generator_metrics, **learned}


def skip_if_not_finite(
    before: TrainState, after: TrainState, metrics: Metrics
) -> tuple[TrainState, Metrics]:
    """Take back an iteration that is not finite in its loss, gradient or state.

    Args:
      before, after: the states around it.
      metrics: of the iteration.

    Returns:
      `after`, or `before` with the step counted, so that the next iteration has another
      batch and other draws; and the metrics with "skipped", 1 or 0.
    """
    changed = (after.params, after.generator_optimizer, after.critic_optimizer)
    leaves = jax.tree.leaves((changed, metrics))
    good = jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()
    kept = jax.tree.map(
        lambda new, old: jnp.where(good, new, old),
        after.replace(key=None),
        before.replace(key=None, step=after.step),
    )
    skipped = jnp.where(good, 0.0, 1.0)
    return kept.replace(key=after.key), {**metrics, "skipped": skipped}
