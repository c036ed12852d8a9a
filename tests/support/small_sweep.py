"""A sweep of a few tiny runs, and how the tests start it; no tests here."""

import json
import pathlib

from cak_jax.commands import train
from cak_jax.training import config as config_lib

ROOT = pathlib.Path(__file__).parent.parent.parent
CONFIG = ROOT / "tests" / "support" / "small_sweep_config.py"


def load(**overrides):
    config = config_lib.load_file(CONFIG)
    config.update_from_flattened_dict(overrides)
    return config


def command(folder, *flags) -> list[str]:
    return [f"--config={CONFIG}", f"--workdir={folder}", *flags]


def start(folder, *flags) -> int:
    return train.main(command(folder, *flags))


def rows(folder) -> dict[str, dict]:
    """The finished runs of a sweep by name."""
    paths = sorted((folder / "runs").glob("*/run.json"))
    found = [json.loads(path.read_text("utf-8")) for path in paths]
    return {row["run"]: row for row in found}


def learned(folder) -> dict[str, list]:
    """The eleven numbers of every run by name."""
    found = {}
    for path in sorted((folder / "runs").glob("*/effect.json")):
        effect = json.loads(path.read_text("utf-8"))
        kernel = [value for row in effect["kernel"] for value in row]
        found[path.parent.name] = [*kernel, effect["bias"], effect["scale"]]
    return found
