"""A small run of the heard game."""

import pathlib

from cak_jax.training import config as config_lib

CONFIGS = pathlib.Path(__file__).parent.parent.parent / "configs"
SMALL = {
    "corpus.labels": "spectral_flatness",
    "corpus.seconds": 2.0,
    "corpus.fade_seconds": 0.1,
    "corpus.synthetic_clips": 12,
    "spectrogram.sample_rate": 16000,
    "spectrogram.n_fft": 512,
    "spectrogram.hop_length": 128,
    "game.spacing": (2, 2),
    "train.crop_frames": 80,
    "train.batch_size": 4,
    "train.epochs": 2,
    "train.least_steps": 0,
    "output.previews": 0,
    "output.figures": False,
}


def config_of(**overrides):
    """Return `configs/default.py`, made small."""
    config = config_lib.load_file(CONFIGS / "default.py")
    with config.unlocked():
        config.update_from_flattened_dict({**SMALL, **overrides})
    return config


def settings_of(**overrides):
    """Return the settings of `config_of`."""
    return config_lib.build(config_of(**overrides))
