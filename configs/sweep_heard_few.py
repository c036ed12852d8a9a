"""How few clips the heard audit needs, and what the gate's sharpness changes.

    python -m cak_jax.main --config=configs/sweep_heard_few.py \\
        --workdir=runs/heard_few --config.corpus.path=FOLDER

It sweeps the number of clips {5, 25, 100} and, with 50 clips, the gate's final
temperature {5, 20, 80}, three seeds each: 18 runs of 150 iterations each (156 with 50
clips). A seed draws its clips, its batches and its first kernel; the held-out clips are
the same for all. `experiments/heard_study.py` makes the table. `FOLDER` has to give 100
training clips.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import add_sweep, part
from cak_jax.training.config import load_sibling

SEEDS = (0, 1, 2)
# Iterations of an epoch with a batch of 8: 1, 6, 25 for these sizes, 12 for 50 clips.
SIZES, EPOCHS, WARMING = (5, 25, 100), (150, 25, 6), (125.0, 125 / 6, 5.0)


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration with a sweep of 18 runs."""
    config = load_sibling(__file__, "default")
    config.name = "heard, few clips"
    # Once, at the end: with few clips an epoch is short.
    config.train.evaluate_every = 1000
    add_sweep(
        config,
        __file__,
        sizes=part(
            grid={"train.clips": SIZES, "train.seed": SEEDS},
            follow={"train.epochs": EPOCHS, "gate.anneal_epochs": WARMING},
            leader="train.clips",
        ),
        gates=part(
            grid={
                "gate.temperature_final": (5.0, 20.0, 80.0),
                "train.clips": (50,),
                "train.seed": SEEDS,
            },
            follow={"train.epochs": (13,), "gate.anneal_epochs": (10.4,)},
            leader="train.clips",
        ),
    )
    return config
