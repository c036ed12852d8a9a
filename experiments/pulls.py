"""How hard each term of the game pulls at the kernel, epoch by epoch.

    python experiments/pulls.py MUSIC [FIELD=VALUE ...]

Trains the default with those fields and prints, after every epoch, norms of the
gradients with respect to the nine weights (medians over 20 batches), the part of the
mean gradient that changes the kernel's shape and not its sum, and the held-out audit.
"""

import ast
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from command_line import arguments

from cak_jax.effect.gate import calibrate
from cak_jax.evaluation import agreement, audit
from cak_jax.model import losses, train_state
from cak_jax.model.generators import cak
from cak_jax.model.train_step import current_temperature
from cak_jax.training import batch_plan, config as config_lib, run_corpus
from cak_jax.training.trainer import Trainer

BATCHES = 20
# Each term alone: the weights of the others are 0.
PULLS = {
    "audit": "compliance",
    "critic": "adversarial",
    "reconstruction": "reconstruction",
}


def make_pulls(trainer):
    """Return a function from (state, batch) to each term's gradient, `[9]` each."""

    def pull(run_state, batch, weight):
        weights = {
            name: value if name == weight else jnp.float32(0)
            for name, value in trainer.hparams.weights.items()
        }
        hparams = trainer.hparams.replace(weights=weights)
        gate = hparams.threshold, current_temperature(run_state, hparams)

        def loss(owned):
            params = {**run_state.params, **owned}
            made = cak.apply(params, batch.x_in, batch.control, *gate)
            play = losses.Play(
                params, *made, batch, None, gate[1], hparams, trainer.spec
            )
            return sum(losses.generator_parts(play)[0])

        owned = train_state.part(run_state.params, cak.PARTS)
        return jnp.ravel(jax.grad(loss)(owned)["detector"]["kernel"])

    return jax.jit(
        lambda run_state, batch: {
            term: pull(run_state, batch, weight) for term, weight in PULLS.items()
        }
    )


def batches(trainer):
    """Yield the first batches of the coming epoch."""
    left = BATCHES
    for plan in trainer.dispatches(trainer.epoch):
        for index in range(min(left, len(plan))):
            step = jax.tree.map(lambda values, i=index: values[i], plan)
            yield batch_plan.batch_of(
                step,
                trainer.placement.audio,
                trainer.crop,
                trainer.settings.spectrogram,
                trainer.constants,
            )
            left -= 1


def fitted(trainer):
    """Return slope and R2 of the calibrated knob on 16 held-out clips."""
    effect = trainer.snapshot().effect()
    clips = run_corpus.clips_at(trainer.corpus, trainer.corpus.evaluation[:16])
    ends = audit.measure_clips(effect, clips)
    controls = np.array([calibrate(effect, c) for c in agreement.CONTROLS])
    curve = audit.audit_curve(effect, ends, controls, trainer.spec.audit)
    return agreement.fit(agreement.CONTROLS, curve)


def main(music, *fields):
    """Train and print a row per epoch."""
    config = config_lib.load_file(config_lib.find("relative"))
    pairs = (field.split("=", 1) for field in fields)
    given = {name: ast.literal_eval(value) for name, value in pairs}
    config.update_from_flattened_dict(
        {"corpus.path": music, "corpus.held_out": 0.15, **given}
    )
    settings = config_lib.build(config)
    trainer = Trainer(settings, run_corpus.prepare_corpus(settings))
    # The critic takes the batch in one piece here: gradients of single terms.
    trainer.spec = dataclasses.replace(trainer.spec, microbatch=0)
    pulls = make_pulls(trainer)
    print("| epoch | audit | critic | its shape part | reconstruction | leash lets "
          "through | Wasserstein | slope | R2 |")  # fmt: skip
    print("| --- " * 9 + "|")
    while trainer.epoch < settings.train.epochs:
        means = trainer.run_epoch(lambda metrics: None)
        found = [jax.device_get(pulls(trainer.state, b)) for b in batches(trainer)]
        norms = {
            term: float(np.median([np.linalg.norm(pull[term]) for pull in found]))
            for term in PULLS
        }
        critic = np.mean([pull["critic"] for pull in found], axis=0)
        shape = float(np.linalg.norm(critic - critic.mean()))
        fit = fitted(trainer)
        cells = [norms["audit"], norms["critic"], shape, norms["reconstruction"],
                 means["leash_share"], means["wasserstein"], fit["slope"]]  # fmt: skip
        row = " | ".join(f"{cell:.3f}" for cell in cells)
        print(f"| {trainer.epoch} | {row} | {fit['r2']:.4f} |", flush=True)


if __name__ == "__main__":
    main(*arguments(__doc__, 1))
