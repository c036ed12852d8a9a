"""Two short heard runs that differ in the weight of the level; no tests here."""

import pathlib

from ml_collections import config_dict
from support.heard_game import config_of

from cak_jax.sweep.grid import part
from cak_jax.training.config import load_file

CONFIGS = pathlib.Path(__file__).parent.parent.parent / "configs"


def get_config():
    config = config_of(**{"train.epochs": 1})
    with config.unlocked():
        config.sweep = load_file(CONFIGS / "sweep.py").sweep
    config.sweep.vectorise = "map"
    config.sweep.parts = config_dict.ConfigDict(
        {"level": part(grid={"game.weight_level": (0.0, 0.1)})}
    )
    return config
