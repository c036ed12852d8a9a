"""The published code's setting: the paper's, and what only the code does.

    python -m cak_jax.main --config=configs/published.py --workdir=runs/published \\
        --config.corpus.path=FOLDER

Of the paper's pairs only those that the published index arithmetic reaches (50 of 100
for 200 clips, each four times an epoch), and short files start at the clip's start.
As long as `configs/paper.py`.
"""

from cak_jax.training.config import load_sibling


def get_config():
    """Return the published code's configuration."""
    config = load_sibling(__file__, "paper")
    config.name = "published"
    config.game.pairing = "published_code"
    config.corpus.short = "start"
    return config
