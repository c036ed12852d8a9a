"""The heard audit: a knob that moves what the sound is like to the ear.

    python -m cak_jax.main --config=configs/heard.py --workdir=runs/heard \\
        --config.corpus.path=FOLDER --config.corpus.labels=spectral_flatness

`corpus.labels` names the quality: `spectral_flatness`, `spectral_centroid`, `attack` or
`spectral_contrast`, with a minus in front for less of it; or it is the path of a table
of ratings, which the run learns to read from the sound. The audit plays every crop
back, measures the quality of the resynthesised sound, and asks it to move by the
control times the range that the training clips have. A gain is worth nothing. There is
no critic. The kernel's cells stand apart, because neighbours at 75 % overlap are nearly
one cell.
"""

from ml_collections import config_dict

from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration with the heard audit."""
    config = load_sibling(__file__, "default")
    config.name = "heard"
    config.corpus.labels = "spectral_flatness"
    game, train = config.game, config.train
    game.audit = "heard"
    game.pairing = "uniform"
    game.spacing = (4, 4)
    game.critic_steps = 0
    game.weight_compliance = 1.0
    game.weight_reconstruction = 0.0
    game.weight_pattern = 0.0
    game.weight_level = 0.1
    # Keeps small what the audit leaves free.
    game.weight_pattern_size = 0.03
    game.kernel_gain = 0.1
    game.leash = 0.0
    train.epochs = 6
    train.batch_size = 8
    train.crop_bins = 0
    train.crop_frames = 130
    train.learning_rate_generator = 2e-2
    return config
