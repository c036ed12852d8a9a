"""Every term of the audit game, one function each, and the two weighted sums.

    L_C = -E[C(real)] + E[C(fake)] + 10 GP + 2 E[V(fake, c)]
    L_G = -E[C(fake)] + 2 E[V(fake, c)] + 5 mean|fake - real|
          - 0.01 log(mean|D(x)| + 1e-8)

The first functions are per example, `[batch]`. The terms reduce them, `TERMS` lists
the terms with their weights, and the sums iterate it. Source: arXiv 2508.02643, section
on AuGAN, with the weights of the published code.

To add a term, write its function, add a line to `TERMS`, and a field `game.weight_NAME`
to `configs/default.py`. `tests/model/test_losses.py` runs over the table.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from cak_jax.model import critic
from cak_jax.model.audits import heard
from cak_jax.model.audits.protocol import Hearing
from cak_jax.model.audits.request import requested
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.generators.table import GENERATORS
from cak_jax.model.layers import Params

Metrics = dict[str, jax.Array]
# Keeps the logarithm of a pattern of zeros finite.
PATTERN_EPSILON = 1e-8


def mean_level(x: jax.Array) -> jax.Array:
    """Return the mean of a spectrogram over frequency and frame, `[...]`."""
    return jnp.mean(jnp.mean(x, axis=-1), axis=-1)


def violation(
    params: Params,
    y: jax.Array,
    x: jax.Array,
    request: jax.Array,
    audit: str,
    hearing: Hearing | None = None,
) -> jax.Array:
    """Return `V = |measure - request|`, `[batch]`; 0 where the audit hears nothing.

    Args:
      params: the shared tree; the absolute audit reads its detector.
      y, x: output and input `[batch, freq, frame]`.
      request: requested values `[batch]`, from `audits.request.requested`; of each
        input the audit asks for that much of its `room`.
      audit: a name of `audits.table.AUDITS`.
      hearing: for an audit that hears.

    Raises:
      ValueError: for a name that is none of them.
    """
    if audit not in AUDITS:
        raise ValueError(f"audit must be one of {tuple(AUDITS)}, got {audit!r}")
    request = request * AUDITS[audit].room(x, hearing)
    distance = jnp.abs(AUDITS[audit].measure(params, y, x, hearing) - request)
    return jnp.where(AUDITS[audit].audible(x), distance, 0.0)


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


class Play(flax.struct.PyTreeNode):
    """What a term may read when a player moves.

    Attributes:
      params: the shared tree.
      fake: the generator's output `[batch, freq, frame]`; a constant where the critic
        moves.
      pattern: the generator's, shaped like it; None where the critic moves.
      batch: of `train_step.Batch`.
      alpha: interpolation draws of the gradient penalty `[batch]`; None where the
        generator moves.
      temperature: of the gate in this epoch.
      hparams: loss weights and the gate's threshold.
      spec: static settings of the game.
    """

    params: Params
    fake: jax.Array
    pattern: jax.Array | None
    batch: Any
    alpha: jax.Array | None
    temperature: jax.Array
    hparams: Any
    spec: Any = flax.struct.field(pytree_node=False)

    @functools.cached_property
    def hearing(self) -> Hearing | None:
        """How the output sounds; None where the batch has no sound."""
        if self.batch.sound is None:
            return None
        return heard.listen(
            self.fake,
            self.batch.x_in,
            self.batch.sound,
            self.spec.spacing[1],
            self.hparams.reader,
            self.hparams.target,
        )

    def score(self, x: jax.Array) -> jax.Array:
        """Return the critic's score of `[batch, freq, frame]`, `[batch]`."""
        return critic.score(self.params, x, self.spec.critic_dtype)


TermValue = tuple[jax.Array, Metrics]


def wasserstein(play: Play) -> TermValue:
    """Return `-(E[C(real)] - E[C(fake)])`, which the critic makes small."""
    # One pass over both halves: same numbers, fewer and larger products.
    scores = play.score(jnp.concatenate([play.batch.x_target, play.fake]))
    count = play.fake.shape[0]
    distance = jnp.mean(scores[:count]) - jnp.mean(scores[count:])
    return -distance, {"wasserstein": distance}


def adversarial(play: Play) -> TermValue:
    """Return `-E[C(fake)]`, which the generator makes small."""
    value = -jnp.mean(_scores_in_parts(play, play.fake))
    return value, {"adversarial": value}


def _scores_in_parts(play: Play, x: jax.Array) -> jax.Array:
    size = play.spec.microbatch or len(x)
    if size == len(x):
        return play.score(x)
    # The gradient keeps the parts' inputs alone: one more pass forward, a sixtieth of
    # an iteration, and memory does not grow with the batch.
    score = jax.checkpoint(play.score)
    parts = x.reshape(-1, size, *x.shape[1:])
    return jnp.ravel(jax.lax.map(score, parts))


def mean_gradient_penalty(play: Play) -> TermValue:
    """Return the mean of `gradient_penalty` between real and fake examples."""
    assert play.alpha is not None, "the critic's play has interpolation draws"
    penalty = jnp.mean(
        gradient_penalty(play.score, play.batch.x_target, play.fake, play.alpha)
    )
    return penalty, {"gradient_penalty": penalty}


def _mean_violation(play: Play) -> jax.Array:
    request = requested(
        play.batch.control, play.hparams.threshold, play.temperature, play.spec.request
    )
    batch, audit = play.batch, play.spec.audit
    return jnp.mean(
        violation(play.params, play.fake, batch.x_in, request, audit, play.hearing)
    )


def critic_compliance(play: Play) -> TermValue:
    """Return `E[V(fake, c)]`; the detector's gradient, not the generator's."""
    value = _mean_violation(play)
    return value, {"critic_violation": value}


def generator_compliance(play: Play) -> TermValue:
    """Return `E[V(fake, c)]`."""
    value = _mean_violation(play)
    return value, {"violation": value}


def mean_reconstruction(play: Play) -> TermValue:
    """Return the mean of `reconstruction` between the output and the target."""
    if play.batch.x_target is None:
        return _zero(), {}
    distance = jnp.mean(reconstruction(play.fake, play.batch.x_target))
    return distance, {"reconstruction": distance}


def pattern(play: Play) -> TermValue:
    """Return `pattern_regularization`; its metric carries the weight."""
    assert play.pattern is not None, "the generator's play has a pattern"
    strength = pattern_strength(play.pattern)
    value = pattern_regularization(strength)
    return value, {
        "pattern_strength": strength,
        "pattern_regularization": play.hparams.weights["pattern"] * value,
    }


def level(play: Play) -> TermValue:
    """Return the mean absolute change of the sound's level, in bels (10 dB)."""
    if play.hearing is None:
        return _zero(), {}
    value = jnp.mean(jnp.abs(play.hearing.bels))
    return value, {"level_change_bels": value}


def direction(play: Play) -> TermValue:
    """Return how far the sounds are from the corpus's direction.

    In the corpus a quality seldom rises alone. The term is
    `mean(sum_q trust_q |change_q - request along_q|)`, where the other qualities rise
    by `along` as the one of the knob rises by its range.
    """
    if play.hearing is None:
        return _zero(), {}
    x, hparams = play.batch.x_in, play.hparams
    request = requested(
        play.batch.control, hparams.threshold, play.temperature, play.spec.request
    )
    asked = jnp.outer(request * heard.room(x, play.hearing), hparams.along)
    distance = jnp.abs(play.hearing.moved - asked) @ hparams.trust
    value = jnp.mean(jnp.where(heard.audible(x), distance, 0.0))
    return value, {"off_direction": value}


def pattern_size(play: Play) -> TermValue:
    """Return the sum of squares of the nine weights, times the scale's square.

    With a small weight it leaves of the kernel what the audit asks for, and no more.
    """
    read = GENERATORS[play.spec.generator].effect_numbers
    if read is None:
        return _zero(), {}
    learned = read(play.params)
    value = jnp.sum(jnp.square(learned.kernel * learned.scale))
    return value, {"pattern_size": value}


class Panel(NamedTuple):
    """Where a term is drawn in the history figure.

    Attributes:
      title: of the panel.
      metric: that is drawn, epoch by epoch.
      held_out: whether the metric is measured on held-out clips as well.
    """

    title: str
    metric: str
    held_out: bool = False


class Term(NamedTuple):
    """A term of the game.

    Attributes:
      paper_weight: in the paper; 0 for a term that the paper does not have.
      critic, generator: its value in the two players' losses; None where it has none.
      panel: in the history figure; None for no panel.
      needs_critic: whether the generator's value reads the critic, so that a game
        without one leaves it out.
    """

    paper_weight: float
    critic: Callable[[Play], TermValue] | None
    generator: Callable[[Play], TermValue] | None
    panel: Panel | None = None
    needs_critic: bool = False


# The term that the leash measures all others by.
AUDIT_TERM = "compliance"
TERMS = {
    "adversarial": Term(
        1.0,
        wasserstein,
        adversarial,
        Panel("Wasserstein distance", "wasserstein"),
        needs_critic=True,
    ),
    "gradient_penalty": Term(10.0, mean_gradient_penalty, None),
    AUDIT_TERM: Term(
        2.0,
        critic_compliance,
        generator_compliance,
        Panel("Violation", "violation", True),
    ),
    "reconstruction": Term(
        5.0, None, mean_reconstruction, Panel("Reconstruction", "reconstruction", True)
    ),
    "pattern": Term(0.01, None, pattern, Panel("Pattern strength", "pattern_strength")),
    "level": Term(0.0, None, level, Panel("Level change, bels", "level_change_bels")),
    "direction": Term(0.0, None, direction),
    "pattern_size": Term(0.0, None, pattern_size),
}


def _zero() -> jax.Array:
    return jnp.zeros((), jnp.float32)


def critic_loss(play: Play) -> tuple[jax.Array, Metrics]:
    """Return the critic's loss and its terms' metrics, means over the examples.

    Args:
      play: with `fake` a constant; differentiate by detector and realism branch.
    """
    metrics: Metrics = {}
    loss = _zero()
    for name, term in TERMS.items():
        if term.critic is not None:
            value, measured = term.critic(play)
            loss = loss + play.hparams.weights[name] * value
            metrics |= measured
    return loss, metrics | {"critic_loss": loss}


def generator_parts(play: Play) -> tuple[tuple[jax.Array, jax.Array], Metrics]:
    """Return the generator's loss in two parts, audit and others, and its metrics.

    Args:
      play: differentiate by what the generator owns.
    """
    metrics: Metrics = {}
    audited, others = _zero(), _zero()
    for name, term in TERMS.items():
        unscored = term.needs_critic and not play.spec.critic_steps
        if term.generator is not None and not unscored:
            value, measured = term.generator(play)
            weighted = play.hparams.weights[name] * value
            if name == AUDIT_TERM:
                audited = audited + weighted
            else:
                others = others + weighted
            metrics |= measured
    return (audited, others), metrics | {"generator_loss": audited + others}
