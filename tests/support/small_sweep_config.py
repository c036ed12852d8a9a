"""Six runs in seconds: two gates, two sizes of corpus, and two seeds of one of them."""

import pathlib

from ml_collections import config_dict

from cak_jax.sweep.grid import part
from cak_jax.training.config import load_file

CONFIGS = pathlib.Path(__file__).parent.parent.parent / "configs"


def get_config():
    config = load_file(CONFIGS / "smoke.py")
    config.sweep = load_file(CONFIGS / "sweep.py").sweep
    config.name = "small"
    config.update_from_flattened_dict(
        {
            "corpus.seconds": 0.5,
            "corpus.fade_seconds": 0.1,
            "corpus.synthetic_clips": 8,
            "spectrogram.sample_rate": 8000,
            "spectrogram.n_fft": 128,
            "spectrogram.hop_length": 64,
            "game.critic_widths": (2, 2, 2),
            "game.critic_steps": 1,
            "train.crop_bins": 16,
            "train.steps_per_dispatch": 3,
            "output.figures": False,
        }
    )
    config.sweep.vectorise = "map"
    config.sweep.parts = config_dict.ConfigDict(
        {
            "gate": part(
                grid={"gate.threshold": (0.0, 0.3), "train.clips": (3, 6)},
                follow={"train.epochs": (5, 2)},
                leader="train.clips",
            ),
            "seeds": part(grid={"train.seed": (1, 2), "gate.threshold": (0.0,)}),
        }
    )
    return config
