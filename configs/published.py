"""The published code's setting: the paper's, with two differences.

    python -m cak_jax.main --config=configs/published.py --workdir=runs/published \\
        --config.corpus.path=FOLDER

The pairs are those of the paper's that the published index arithmetic reaches (50 of
100 for 200 clips, each four times an epoch). Short files start at the clip's start. A
run takes as long as `configs/paper.py`.
"""

from ml_collections import config_dict

from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the published code's configuration."""
    config = load_sibling(__file__, "paper")
    config.name = "published"
    config.game.pairing = "published_code"
    config.corpus.short = "start"
    return config
