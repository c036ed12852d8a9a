"""The paper's own setting (arXiv 2508.02643): full clips, full critic, 100 epochs.

    python -m cak_jax.main --config=configs/paper.py --workdir=runs/paper \\
        --config.corpus.path=FOLDER

It takes one clip from the middle of each of about 200 files: 400 items, 25 batches of
16 an epoch. A run takes about two days on two CPU cores (77 s an iteration) and is
meant for an accelerator. Expect the result that `experiments/paper.md` measures for
the published effect: an audit that reads mostly loudness.
"""

from ml_collections import config_dict

from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the paper's configuration."""
    config = load_sibling(__file__, "relative")
    config.name = "paper"
    config.corpus.clip = "centre"
    config.game.audit = "absolute"
    config.game.request = "control"
    config.game.pairing = "paper"
    config.game.critic_widths = (32, 64, 128)
    config.game.critic_steps = 5
    config.game.weight_compliance = 2.0
    config.game.leash = 0.0
    config.game.kernel_gain = 0.1
    config.train.epochs = 100
    config.train.batch_size = 16
    config.train.crop_frames = 0
    config.train.crop_bins = 0
    config.train.steps_per_dispatch = 1  # an iteration is long enough
    config.train.learning_rate_generator = 1e-4
    config.train.learning_rate_critic = 1e-4
    config.train.learning_rate_decay = "none"
    # Gives the embedded corpus the paper's number of training clips.
    config.corpus.synthetic_clips = 250
    return config
