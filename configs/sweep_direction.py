"""What the corpus's direction buys: four weights of it, and two seeds.

    python -m cak_jax.main --config=configs/sweep_direction.py \\
        --workdir=runs/direction --config.corpus.path=FOLDER

With `game.weight_direction=0` the game asks for the quality alone. With more it also
asks the other qualities to move as they do in the corpus. `experiments/heard_study.py`
makes the table.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import add_sweep, part
from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration with a sweep of 8 runs."""
    config = load_sibling(__file__, "default")
    config.name = "direction"
    add_sweep(
        config,
        __file__,
        all=part(
            grid={
                "game.weight_direction": (0.0, 0.5, 0.75, 1.0),
                "train.seed": (0, 1),
            }
        ),
    )
    return config
