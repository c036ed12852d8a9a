"""The study of the heard audit: every quality, both ways, by several seeds.

    python -m cak_jax.main --config=configs/sweep_heard.py --workdir=runs/heard_study \\
        --config.corpus.path=FOLDER

It sweeps eight requests, more and less of each of the four qualities, and three seeds
of the training, in one program. `experiments/heard_study.py` makes its table: what was
heard on held-out clips, whether the seeds found the same kernel, and how much of the
effect a single cell would make.
"""

from ml_collections import config_dict

from cak_jax.model.quality_names import WORDS
from cak_jax.sweep.grid import add_sweep, part
from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration with a sweep of 24 runs."""
    config = load_sibling(__file__, "default")
    config.name = "heard study"
    add_sweep(
        config,
        __file__,
        all=part(
            grid={
                "corpus.labels": tuple(
                    sign + name for name in WORDS for sign in ("", "-")
                ),
                "train.seed": (0, 1, 2),
            }
        ),
    )
    return config
