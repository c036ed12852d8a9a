"""How long the heard game must be trained: epochs and learning rates, by two seeds.

    python -m cak_jax.main --config=configs/sweep_length.py --workdir=runs/length \\
        --config.corpus.path=FOLDER

Every epoch takes every clip twice, however few there are, and the gate warms over the
first 5/6 of the training. `experiments/heard_study.py` makes the table.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import add_sweep, part
from cak_jax.training.config import load_sibling

EPOCHS = (1, 2, 3, 6)


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration with a sweep of 16 runs."""
    config = load_sibling(__file__, "default")
    config.name = "length"
    config.train.least_steps = 0
    # Once, at the end.
    config.train.evaluate_every = 1000
    add_sweep(
        config,
        __file__,
        all=part(
            grid={
                "train.epochs": EPOCHS,
                "train.learning_rate_generator": (2e-2, 4e-2),
                "train.seed": (0, 1),
            },
            follow={"gate.anneal_epochs": tuple(5 / 6 * count for count in EPOCHS)},
            leader="train.epochs",
        ),
    )
    return config
