"""Does the adversary matter? The default with and without a critic, two seeds each.

    python -m cak_jax.main --config=configs/sweep_adversary.py \\
        --workdir=runs/adversary --config.corpus.path=FOLDER

The critic judges crops as they are played against real crops that have as much of the
quality as was asked for. It pulls as strongly as the audit, and only across the audit's
gradient, so that it shapes what the audit leaves free. `experiments/heard_study.py`
makes the table.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import add_sweep, part
from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration with a sweep of 4 runs."""
    config = load_sibling(__file__, "default")
    config.name = "adversary"
    add_sweep(
        config,
        __file__,
        all=part(
            grid={"game.critic_steps": (0, 3), "train.seed": (0, 1)},
            follow={"game.pull": ("whole", "across"), "game.leash": (0.0, 1.0)},
            leader="game.critic_steps",
        ),
    )
    return config
