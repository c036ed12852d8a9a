"""The state of one training run, its traced settings and its static ones."""

import dataclasses
import math
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from cak_jax.model import critic
from cak_jax.model.audits.request import REQUESTS
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.generators import cak as cak_generator
from cak_jax.model.generators.table import GENERATORS
from cak_jax.model.layers import Params
from cak_jax.model.losses import TERMS
from cak_jax.model.qualities import QUALITIES

CRITIC_DTYPES = ("float32", "bfloat16")
PULLS = ("whole", "across")


@dataclasses.dataclass(frozen=True)
class GameSpec:
    """Static settings: they fix shapes and control flow, so each is another program.

    Attributes:
      critic_widths: channels of the critic's three convolutions.
      critic_steps: critic updates per generator update; 0: a game without a critic.
      audit: a name of `audits.table.AUDITS`; "absolute" is the paper's.
      request: the value that the audit asks for; a name of `audits.request.REQUESTS`.
      spacing: bins and frames between the kernel's cells; (1, 1) is the paper's.
      pull: what the generator follows of the terms beside the audit; one of `PULLS`.
        "whole" (paper): their gradient. "across": its part that is orthogonal to the
        audit's gradient, so that they shape what the audit leaves free.
      leashed: whether `HParams.leash` holds. False: it must be 0, and one gradient does
        for all terms.
      reconstructed: whether the weight of the reconstruction holds. False: it must be
        0, and a game without a critic has no targets.
      kernel_gain: factor on the shape of the kernel's Xavier-normal draw; the sum of
        the nine weights is not changed.
      microbatch: examples that pass the critic at once; 0 takes the whole batch. Their
        gradients are added up: less memory, the same sums in another order.
      generator: a name of `generators.table.GENERATORS`; "cak" is the paper's.
      critic_dtype: type in which the realism branch computes. Detector, losses,
        parameters and optimisers are always float32.
    """

    critic_widths: tuple[int, int, int] = (32, 64, 128)
    critic_steps: int = 5
    audit: str = "absolute"
    microbatch: int = 0
    generator: str = "cak"
    critic_dtype: str = "float32"
    request: str = "control"
    kernel_gain: float = 0.1
    spacing: tuple[int, int] = (1, 1)
    pull: str = "whole"
    leashed: bool = True
    reconstructed: bool = True

    @property
    def reads_targets(self) -> bool:
        """Whether a batch needs target spectrograms."""
        return self.critic_steps > 0 or self.reconstructed

    def __post_init__(self) -> None:
        if len(self.critic_widths) != 3 or min(self.critic_widths) < 1:
            raise ValueError(
                f"critic_widths must be three positive sizes, got {self.critic_widths}"
            )
        if self.generator not in GENERATORS:
            names = tuple(GENERATORS)
            raise ValueError(f"generator must be in {names}, got {self.generator!r}")
        if self.critic_steps < 0:
            raise ValueError(f"critic_steps must be at least 0: {self.critic_steps}")
        if len(self.spacing) != 2 or min(self.spacing) < 1:
            raise ValueError(f"spacing must be two sizes of 1 up, got {self.spacing}")
        if self.audit not in AUDITS:
            raise ValueError(f"audit must be in {tuple(AUDITS)}, got {self.audit!r}")
        if self.request not in REQUESTS:
            raise ValueError(f"request must be in {REQUESTS}, got {self.request!r}")
        if self.pull not in PULLS:
            raise ValueError(f"pull must be in {PULLS}, got {self.pull!r}")
        if self.microbatch < 0:
            raise ValueError(f"microbatch must be 0 or more, got {self.microbatch}")
        if self.critic_dtype not in CRITIC_DTYPES:
            raise ValueError(
                f"critic_dtype must be in {CRITIC_DTYPES}, got {self.critic_dtype!r}"
            )


class HParams(flax.struct.PyTreeNode):
    """Numbers that a sweep may vary inside one compiled program, arrays all of them.

    Build it with `make_hparams`, because a Python float is a weak type and compiles
    again.
    `weights` has one number for each of `losses.TERMS`.
    `leash` bounds the generator's other gradients by the audit's (`step.leash_share`).
    `reader` weighs the change of each of `qualities.QUALITIES` in the heard audit.
    `target` is the reading that its full request leads to; infinite: a change of 1.
    `along` is the change of each quality, in its unit, that goes with a request of 1,
    and `trust` the weight of a deviation from it, `[quality]`.
    `decay_steps` is the length of the learning rates' cosine to 0; 0 keeps them. Over
    the first `warmup_steps` they rise to it in a straight line.
    """

    learning_rate_generator: jax.Array
    learning_rate_critic: jax.Array
    weights: dict[str, jax.Array]
    leash: jax.Array
    threshold: jax.Array
    temperature_initial: jax.Array
    temperature_final: jax.Array
    anneal_epochs: jax.Array
    steps_per_epoch: jax.Array
    decay_steps: jax.Array
    warmup_steps: jax.Array
    reader: jax.Array
    target: jax.Array
    along: jax.Array
    trust: jax.Array


PAPER_HPARAMS = {
    "learning_rate_generator": 1e-4,
    "learning_rate_critic": 1e-4,
    **{f"weight_{name}": term.paper_weight for name, term in TERMS.items()},
    "leash": 0.0,
    "threshold": 0.3,
    "temperature_initial": 2.0,
    "temperature_final": 20.0,
    "anneal_epochs": 5.0,
    "steps_per_epoch": 25,
    "decay_steps": 0,
    "warmup_steps": 0,
    "reader": (0.0,) * len(QUALITIES),
    "target": math.inf,
    "along": (0.0,) * len(QUALITIES),
    "trust": (0.0,) * len(QUALITIES),
}
_WHOLE = ("steps_per_epoch", "decay_steps", "warmup_steps")


def make_hparams(**values: Any) -> HParams:
    """Return HParams of float32 arrays (numbers of steps int32).

    Args:
      **values: those that differ from the paper's; a loss weight is `weight_NAME`.

    Raises:
      TypeError: for a name that HParams does not have.
    """
    unknown = sorted(set(values) - set(PAPER_HPARAMS))
    if unknown:
        raise TypeError(f"HParams has no {', '.join(unknown)}")
    arrays = {
        name: jnp.asarray(value, jnp.int32 if name in _WHOLE else jnp.float32)
        for name, value in {**PAPER_HPARAMS, **values}.items()
    }
    weights = {name: arrays.pop(f"weight_{name}") for name in TERMS}
    return HParams(weights=weights, **arrays)


class TrainState(flax.struct.PyTreeNode):
    """All that training changes, and so all that a checkpoint holds.

    Attributes:
      step: iterations done, int32.
      params: the shared tree of `initial_params`.
      generator_optimizer: Adam's moments over the generator's parts.
      critic_optimizer: Adam's moments over {detector, realism}.
      key: typed random key, constant over the run; draws fold in the step.
    """

    step: jax.Array
    params: Params
    generator_optimizer: optax.OptState
    critic_optimizer: optax.OptState
    key: jax.Array


# beta1 = 0 as in the paper. The learning rate is traced, so it multiplies the update.
ADAM = optax.scale_by_adam(b1=0.0, b2=0.9, eps=1e-8)

# The detector belongs to the critic, and to a generator that lists it among its parts:
# then each optimiser keeps moments of its own for it.
CRITIC_PARTS = ("detector", "realism")


def initial_params(
    key: jax.Array,
    widths: tuple[int, int, int],
    generator: str = "cak",
    kernel_gain: float = 0.1,
) -> Params:
    """Draw the one parameter tree that generator and critic share.

    Args:
      key: typed random key; detector and realism branch are the same draws for all
        generators.
      widths: channels of the critic's three convolutions; (32, 64, 128) published.
      generator: a name of `GENERATORS`.
      kernel_gain: of the shape of the detector's Xavier-normal draw; 0.1 published.
    """
    key_generator, key_critic = jax.random.split(key)
    # One key for detector and generator, because linen folds the layers' names into it.
    return {
        **cak_generator.draw_detector(key_generator, kernel_gain),
        **critic.draw(key_critic, widths),
        **GENERATORS[generator].draw(key_generator),
    }


def part(params: Params, names: tuple[str, ...]) -> Params:
    """Return the sub-tree of `params` that one player owns."""
    return {name: params[name] for name in names}


def create_state(key: jax.Array, spec: GameSpec) -> TrainState:
    """Draw a fresh state.

    Args:
      key: typed random key (`jax.random.key(seed)`).
      spec: static settings.
    """
    key_params, key_run = jax.random.split(key)
    params = initial_params(
        key_params, spec.critic_widths, spec.generator, spec.kernel_gain
    )
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        generator_optimizer=ADAM.init(part(params, GENERATORS[spec.generator].PARTS)),
        critic_optimizer=ADAM.init(part(params, CRITIC_PARTS)),
        key=key_run,
    )


# `create_state` as one program, compiled without optimisation, because it runs once.
# So compiling takes 1.6 s of one core; with optimisation it takes 10.
create_state_quickly = jax.jit(
    create_state,
    static_argnames="spec",
    compiler_options={"xla_backend_optimization_level": 0},
)
