"""Every part of a run in seconds; the effect it learns is not worth hearing.

python -m cak_jax.main --config=configs/smoke.py --workdir=runs/smoke
"""

from ml_collections import config_dict

from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the smallest configuration that exercises everything."""
    config = load_sibling(__file__, "relative")
    config.name = "smoke"
    config.corpus.seconds = 2.0
    config.corpus.fade_seconds = 0.2
    config.corpus.synthetic_clips = 8
    config.game.critic_widths = (2, 4, 8)
    config.game.critic_steps = 2
    config.gate.anneal_epochs = 1.0
    config.train.epochs = 2
    config.train.batch_size = 4
    config.train.crop_frames = 16
    config.train.crop_bins = 64
    config.train.evaluate_every = 1
    config.output.previews = 1
    config.game.kernel_gain = 0.1  # a wider draw needs more steps than these
    return config
