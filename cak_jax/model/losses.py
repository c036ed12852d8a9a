"""Every term of the audit game, one function each, and the two weighted sums.

    L_C = -E[C(real)] + E[C(fake)] + 10 GP + 2 E[V(fake, c)]
    L_G = -E[C(fake)] + 2 E[V(fake, c)] + 5 mean|fake - real|
          - 0.01 log(mean|D(x)| + 1e-8)

Terms are per example, `[batch]`; the sums reduce and weight. Source: arXiv 2508.02643,
section on AuGAN, with the weights of the published code.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from cak_jax.model import cak, networks

AUDITS = ("absolute", "relative")
REQUESTS = ("control", "gated")
# A frame whose mean is below this is a pause: a share of nothing means nothing.
QUIET = 1e-2
PATTERN_EPSILON = 1e-8


def mean_level(x: jax.Array) -> jax.Array:
    """Return the mean of a spectrogram over frequency and frame, `[...]`."""
    return jnp.mean(jnp.mean(x, axis=-1), axis=-1)


def heard_levels(y: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the mean levels of y and x where x sounds and D sees all its neighbours.

    That is: over the frames in which the mean of x is 0.01 or more and those beside
    them, where the detector's pattern of a short sound lands as well; without the outer
    rim, where its zero padding takes a share that a longer clip would keep. So a crop,
    its clip and the same clip with a pause measure alike.

    Args:
      y: what x became, `[..., freq, frame]`.
      x: `[..., freq, frame]`, at least 3 by 3.

    Returns:
      Levels of y and of x, `[...]`; both 0 where nothing sounds.
    """
    before = jnp.mean(x[..., 1:-1, 1:-1], axis=-2)
    after = jnp.mean(y[..., 1:-1, 1:-1], axis=-2)
    sounds = jnp.pad(before >= QUIET, [(0, 0)] * (before.ndim - 1) + [(1, 1)])
    heard = (sounds[..., :-2] | sounds[..., 1:-1] | sounds[..., 2:]).astype(x.dtype)
    share = heard / jnp.maximum(jnp.sum(heard, axis=-1, keepdims=True), 1.0)
    return jnp.sum(after * share, axis=-1), jnp.sum(before * share, axis=-1)


def relative_measure(level_y: jax.Array, level_x: jax.Array) -> jax.Array:
    """Return `(level_y - level_x) / level_x`: change as a share of the input.

    With the levels of `heard_levels` this is `(m(y) - m(x)) / (m(x) - bias)` with the
    detector's m: its kernel's sum S cancels, and so does the pole where S passes 0.
    With `a = c gate(c) scale` it reads `a (S + bias / level_x)`, whatever the clip's
    loudness once the bias is 0, so that one effect can meet a requested value on every
    clip. 0 where nothing sounds. Ours; not in the paper.
    """
    heard = level_x > 0
    return jnp.where(heard, (level_y - level_x) / jnp.where(heard, level_x, 1.0), 0.0)


def requested(
    control: jax.Array, threshold: jax.Array, temperature: jax.Array, request: str
) -> jax.Array:
    """Return what the audit asks for, shaped like `control`.

    Args:
      control: the pair's control values.
      threshold, temperature: of the gate.
      request: "control" (the paper): c itself, which a gate that is not quite open
        can reach only by a pattern that is too strong where it is; or "gated" (ours):
        `c gate(c)`, which one pattern meets at every c and at every temperature.
    """
    if request == "gated":
        return cak.strength(control, threshold, temperature)
    return control


def violation(
    params: networks.Params, y: jax.Array, x: jax.Array, asked: jax.Array, audit: str
) -> jax.Array:
    """Return `V = |measure - asked|`, `[batch]`.

    Args:
      params: the shared tree; the absolute audit reads its detector.
      y, x: output and input `[batch, freq, frame]`.
      asked: requested values `[batch]`, as `requested` gives them.
      audit: "absolute" (the paper): m(y); or "relative", which is silent (0) on an
        input that is.
    """
    if audit == "absolute":
        return jnp.abs(networks.measure(params, y) - asked)
    if audit != "relative":
        raise ValueError(f"audit must be one of {AUDITS}, got {audit!r}")
    after, before = heard_levels(y, x)
    distance = jnp.abs(relative_measure(after, before) - asked)
    return jnp.where(before > 0, distance, 0.0)


def safe_norm(x: jax.Array) -> jax.Array:
    """Return the Euclidean norm over all but the first axis, with gradient 0 at 0."""
    square = jnp.sum(jnp.square(x), axis=tuple(range(1, x.ndim)))
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1.0)), 0.0)


def gradient_penalty(
    score: Callable[[jax.Array], jax.Array],
    real: jax.Array,
    fake: jax.Array,
    alpha: jax.Array,
) -> jax.Array:
    """Return `(||grad C(a real + (1 - a) fake)|| - 1)^2`, `[batch]` (WGAN-GP).

    Args:
      score: maps `[batch, freq, frame]` to `[batch]`, each from its own example.
      real, fake: `[batch, freq, frame]`.
      alpha: interpolation draws in [0, 1], `[batch]`.
    """
    mix = alpha[:, None, None]
    between = mix * real + (1.0 - mix) * fake
    slope = jax.grad(lambda x: jnp.sum(score(x)))(between)
    return jnp.square(safe_norm(slope) - 1.0)


def reconstruction(fake: jax.Array, real: jax.Array) -> jax.Array:
    """Return `mean|fake - real|` over the spectrogram, `[batch]`."""
    return mean_level(jnp.abs(fake - real))


def pattern_strength(pattern: jax.Array) -> jax.Array:
    """Return `mean|D(x)|` over the whole batch, a scalar."""
    return jnp.mean(jnp.mean(jnp.abs(pattern), axis=-1))


def pattern_regularization(strength: jax.Array) -> jax.Array:
    """Return `-log(mean|D(x)| + 1e-8)`: keeps the detector from dying."""
    return -jnp.log(strength + PATTERN_EPSILON)


def critic_loss(
    params: networks.Params,
    fake: jax.Array,
    batch: Any,
    alpha: jax.Array,
    temperature: jax.Array,
    hparams: Any,
    spec: Any,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the critic's loss and its terms, means over the examples given.

    Args:
      params: the shared tree; differentiate by the detector and the realism branch.
      fake: generator output `[batch, freq, frame]`, a constant here.
      batch: `x_in`, `x_target` `[batch, freq, frame]`, `control` `[batch]`.
      alpha: interpolation draws `[batch]`.
      temperature: of the gate in this epoch.
      hparams: loss weights and the gate's threshold.
      spec: the audit, its request, and in which type the critic computes.
    """
    score = lambda x: networks.score(params, x, spec.critic_dtype)  # noqa: E731
    # One pass over both halves: same numbers, fewer and larger products.
    count = fake.shape[0]
    scores = score(jnp.concatenate([batch.x_target, fake]))
    wasserstein = jnp.mean(scores[:count]) - jnp.mean(scores[count:])
    penalty = jnp.mean(gradient_penalty(score, batch.x_target, fake, alpha))
    broken = _mean_violation(params, fake, batch, temperature, hparams, spec)
    loss = (
        -hparams.weight_adversarial * wasserstein
        + hparams.weight_gradient_penalty * penalty
        + hparams.weight_compliance * broken
    )
    return loss, {
        "critic_loss": loss,
        "wasserstein": wasserstein,
        "gradient_penalty": penalty,
        "critic_violation": broken,
    }


def _mean_violation(params, fake, batch, temperature, hparams, spec):
    asked = requested(batch.control, hparams.threshold, temperature, spec.request)
    return jnp.mean(violation(params, fake, batch.x_in, asked, spec.audit))


def _scores(params, x, spec):
    size = spec.microbatch or len(x)
    if size == len(x):
        return networks.score(params, x, spec.critic_dtype)
    # Kept for the gradient are the parts' inputs alone: one more pass forward, a
    # sixtieth of an iteration, for memory that does not grow with the batch.
    score = jax.checkpoint(lambda part: networks.score(params, part, spec.critic_dtype))
    return jax.lax.map(score, x.reshape(-1, size, *x.shape[1:])).ravel()


def generator_loss(
    params: networks.Params,
    batch: Any,
    temperature: jax.Array,
    hparams: Any,
    spec: Any,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the generator's loss and its terms; arguments as `generator_parts`."""
    (audited, others), metrics = generator_parts(
        params, batch, temperature, hparams, spec
    )
    return audited + others, metrics


def generator_parts(
    params: networks.Params,
    batch: Any,
    temperature: jax.Array,
    hparams: Any,
    spec: Any,
) -> tuple[tuple[jax.Array, jax.Array], dict[str, jax.Array]]:
    """Return the generator's loss in two parts, the audit's and all others, and terms.

    Args:
      params: the shared tree; differentiate by the detector and the scale.
      batch: as in `critic_loss`.
      temperature: of the gate in this epoch.
      hparams: loss weights and the gate's threshold.
      spec: as in `critic_loss`, and how many examples pass the critic at once.
    """
    fake, pattern = networks.generate(
        params, batch.x_in, batch.control, hparams.threshold, temperature
    )
    adversarial = -jnp.mean(_scores(params, fake, spec))
    broken = _mean_violation(params, fake, batch, temperature, hparams, spec)
    distance = jnp.mean(reconstruction(fake, batch.x_target))
    strength = pattern_strength(pattern)
    regularization = hparams.weight_pattern * pattern_regularization(strength)
    audited = hparams.weight_compliance * broken
    others = (
        hparams.weight_adversarial * adversarial
        + hparams.weight_reconstruction * distance
        + regularization
    )
    return (audited, others), {
        "generator_loss": audited + others,
        "adversarial": adversarial,
        "violation": broken,
        "reconstruction": distance,
        "pattern_strength": strength,
        "pattern_regularization": regularization,
    }
