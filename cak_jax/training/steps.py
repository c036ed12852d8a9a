"""Iterations on planned batches: what a training program consists of, pure."""

import jax

from cak_jax.model import spectral
from cak_jax.model.train_state import GameSpec, HParams, TrainState
from cak_jax.model.train_step import draw_alpha, skip_if_not_finite, train_iteration
from cak_jax.training import batch_plan


def train_steps(
    state: TrainState,
    plan: batch_plan.Plan,
    audio: jax.Array | None,
    hparams: HParams,
    constants: spectral.Normalization,
    *,
    spec: GameSpec,
    crop: tuple[int, int],
    settings: spectral.SpectrogramSettings,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Make the iterations of a plan, one after the other, in one program.

    One in which anything is not finite is taken back.

    Returns:
      The state after them and every metric `[step]`, "skipped" among them.
    """

    def one(state, step):
        static = {"spec": spec, "crop": crop, "settings": settings}
        after, metrics = train_step(state, step, audio, hparams, constants, **static)
        return skip_if_not_finite(state, after, metrics)

    return jax.lax.scan(one, state, plan)


def train_step(
    state: TrainState,
    step: batch_plan.Plan,
    audio: jax.Array | None,
    hparams: HParams,
    constants: spectral.Normalization,
    *,
    spec: GameSpec,
    crop: tuple[int, int],
    settings: spectral.SpectrogramSettings,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Make one iteration: `step` is a plan without its step axis."""
    batch = batch_plan.batch_of(step, audio, crop, settings, constants)
    alpha = draw_alpha(state, step.control.shape[0], spec)
    return train_iteration(state, batch, alpha, hparams, spec=spec)


def dispatch_size(steps: int, limit: int) -> int:
    """Return the largest divisor of `steps` up to `limit`.

    A divisor: a shorter last dispatch would be a second program to compile.
    """
    return max(size for size in range(1, min(limit, steps) + 1) if steps % size == 0)
