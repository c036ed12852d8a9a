"""Iterations on planned batches: the body of a training program, pure.

Two loops call them. A single run (`trainer`) takes a step back that is not finite and
goes on, because a long training is worth rescuing; its dispatches divide an epoch,
because it saves and evaluates there. A run of a sweep (`sweep.train_together`) ends at
its first such step, because a sweep maps where training diverges, and its dispatches
cross epochs, because runs with epochs of different lengths share one program. The loops
share `train_step`, `Static`, `read_behind`, and `metrics_log.epoch_means`.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TypeVar

import jax

from cak_jax.model.audits.table import AUDITS
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.model.train_state import GameSpec, HParams, TrainState
from cak_jax.model.train_step import draw_alpha, skip_if_not_finite, train_iteration
from cak_jax.training import batch_plan

Dispatched = TypeVar("Dispatched")
# A state and the metrics of the steps that led to it.
Stepped = tuple[TrainState, dict[str, jax.Array]]


@dataclasses.dataclass(frozen=True)
class Static:
    """The static part of a training program; runs with equal ones share a program.

    `crop` is the number of bins and frames of an item.
    """

    spec: GameSpec
    crop: tuple[int, int]
    settings: SpectrogramSettings


def train_steps(
    state: TrainState,
    plan: batch_plan.Plan,
    audio: jax.Array | None,
    hparams: HParams,
    constants: Normalization,
    *,
    static: Static,
) -> Stepped:
    """Make the iterations of a plan, one after the other, in one program.

    An iteration with a loss or a state that is not finite is taken back.

    Returns:
      The state after them and every metric `[step]`, "skipped" among them.
    """

    def one(state: TrainState, step: batch_plan.Plan) -> Stepped:
        after, metrics = train_step(state, step, audio, hparams, constants, static)
        return skip_if_not_finite(state, after, metrics)

    return jax.lax.scan(one, state, plan)


def train_step(
    state: TrainState,
    step: batch_plan.Plan,
    audio: jax.Array | None,
    hparams: HParams,
    constants: Normalization,
    static: Static,
) -> Stepped:
    """Make one iteration.

    Args:
      state: before it.
      step: a plan without its step axis.
      audio: resident corpus `[clip, sample]`, or None where the plan has samples.
      hparams, constants: traced numbers of the losses and of the normalisation.
      static: of the program.

    Returns:
      The state after it and every metric, a scalar each.
    """
    batch = batch_plan.batch_of(
        step,
        audio,
        static.crop,
        static.settings,
        constants,
        hears=AUDITS[static.spec.audit].HEARS,
        targets=static.spec.reads_targets,
    )
    alpha = draw_alpha(state, step.control.shape[0], static.spec)
    return train_iteration(state, batch, alpha, hparams, spec=static.spec)


def read_behind(dispatched: Iterable[Dispatched]) -> Iterator[Dispatched]:
    """Yield every dispatch after the next one has been made; the last at the end.

    JAX returns from a dispatch before the device has finished it. Reading the metrics
    of the dispatch before leaves the device busy meanwhile.

    >>> def dispatch():
    ...     for number in range(3):
    ...         print("dispatch", number)
    ...         yield number
    >>> for number in read_behind(dispatch()):
    ...     print("read", number)
    dispatch 0
    dispatch 1
    read 0
    dispatch 2
    read 1
    read 2
    """
    waiting: list[Dispatched] = []
    for latest in dispatched:
        waiting.append(latest)
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting
