"""What is wrong with a configuration's values: one line per field."""

import os
from typing import Any

from ml_collections import config_dict

from cak_jax.runtime import json_file

_WEIGHT = (0.0, 1e6, True)
# field: (lowest, highest, lowest allowed). Choices and the corpus's own fields are
# checked by the objects they become.
RANGES = {
    "seed": (0, 2**31 - 1, True),
    "corpus.synthetic_clips": (4, 100_000, True),
    "spectrogram.sample_rate": (4000, 768_000, True),
    "spectrogram.n_fft": (16, 65_536, True),
    "spectrogram.hop_length": (1, 32_768, True),
    "spectrogram.alpha": (1e-6, 1e6, True),
    "spectrogram.gamma": (0.01, 100.0, True),
    "game.critic_steps": (1, 1000, True),
    "game.weight_adversarial": _WEIGHT,
    "game.weight_gradient_penalty": _WEIGHT,
    "game.weight_compliance": _WEIGHT,
    "game.weight_reconstruction": _WEIGHT,
    "game.weight_pattern": _WEIGHT,
    "game.leash": (0.0, 1e6, True),
    "game.kernel_gain": (0.0, 100.0, True),
    "gate.threshold": (-10.0, 10.0, True),
    "gate.temperature_initial": (0.0, 1e4, True),
    "gate.temperature_final": (0.0, 1e4, True),
    "gate.anneal_epochs": (0.0, 1e6, True),
    "train.epochs": (0, 1_000_000, True),
    "train.batch_size": (1, 65_536, True),
    "train.crop_frames": (0, 10_000_000, True),
    "train.crop_bins": (0, 32_769, True),
    "train.microbatch": (0, 65_536, True),
    "train.steps_per_dispatch": (1, 65_536, True),
    "train.skip_limit": (0, 1_000_000, True),
    "train.clips": (0, 10_000_000, True),
    "train.seed": (-1, 2**31 - 1, True),
    "train.devices": (0, 4096, True),
    "train.learning_rate_generator": (0.0, 10.0, False),
    "train.learning_rate_critic": (0.0, 10.0, False),
    "train.evaluate_every": (1, 1_000_000, True),
    "train.checkpoint_every": (1, 1_000_000, True),
    "train.checkpoints_kept": (1, 1000, True),
    "output.previews": (0, 100, True),
}
# The convolutions halve three times; fewer frames leave nothing to normalise over.
SMALLEST_CROP = 16
DECAYS = ("none", "cosine")
PATHS = ("corpus.path", "corpus.cache", "corpus.labels")
# How a person would say it.
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "True or False",
    "list": "a tuple",
    "NoneType": "None",
}


def flatten(config: Any) -> dict[str, Any]:
    """Return `{"train.epochs": 10, ...}`, tuples as lists as JSON has them."""
    return {
        field: list(value) if isinstance(value, tuple) else value
        for field, value in json_file.leaves(config)
    }


def kind_faults(flat: dict[str, Any], default: dict[str, Any]) -> list[str]:
    """Return one line per field that is missing, unknown or of another kind.

    A configuration file is a program: what its flags would refuse it may well do.

    Args:
      flat: a configuration, as `flatten` gives it.
      default: what it must look like.
    """
    found = [f"{field}: is missing" for field in default.keys() - flat.keys()]
    for field, value in flat.items():
        if field not in default:
            found.append(f"{field}: there is no such field")
        elif not _is_like(value, default[field]):
            wanted, got = type(default[field]).__name__, type(value).__name__
            found.append(f"{field}: must be {KINDS[wanted]}, got {KINDS.get(got, got)}")
    return sorted(found)


def _is_like(value, default) -> bool:
    if isinstance(default, float) and type(value) is int:
        return True
    return type(value) is type(default)


def faults(config: config_dict.ConfigDict) -> list[str]:
    """Return one line per field whose value cannot be used."""
    flat = flatten(config)
    found = []
    for field, (low, high, closed) in RANGES.items():
        value = flat[field]
        inside = low <= value <= high if closed else low < value <= high
        if not inside:  # true for NaN
            bound = f"{'from' if closed else 'above'} {low:g} to {high:g}"
            found.append(f"{field}: must be {bound}, got {value}")
    if not found:  # a crop can only be judged by sound settings
        found += _crop_faults(flat)
    if flat["train.learning_rate_decay"] not in DECAYS:
        got = flat["train.learning_rate_decay"][:80]
        found.append(f"train.learning_rate_decay: must be one of {DECAYS}, got {got!r}")
    batch, part = flat["train.batch_size"], flat["train.microbatch"]
    if (0 < part <= batch and batch % part) or (part > batch and not found):
        found.append(f"train.microbatch: must divide train.batch_size {batch}: {part}")
    widths = flat["game.critic_widths"]
    if len(widths) != 3 or not all(_is_count(width) for width in widths):
        found.append(f"game.critic_widths: must be 3 sizes from 1 to 4096: {widths}")
    controls = flat["output.preview_controls"]
    if not all(type(c) in (int, float) and 0 <= c <= 10 for c in controls):
        found.append(f"output.preview_controls: must be from 0 to 10, got {controls}")
    found += [
        f"{field}: holds a character that no path has"
        for field in PATHS
        if not _is_path(flat[field])
    ]
    name = flat["name"]
    if not (0 < len(name) <= 200 and name.isprintable()):
        found.append("name: must be 1 to 200 printable characters")
    return found


def _is_count(value) -> bool:
    return type(value) is int and 1 <= value <= 4096


def _is_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _crop_faults(flat) -> list[str]:
    crop, hop = flat["train.crop_frames"], flat["spectrogram.hop_length"]
    seconds, rate = flat["corpus.seconds"], flat["spectrogram.sample_rate"]
    if not (0.01 <= seconds <= 3600 and hop >= 1):
        return []  # reported elsewhere
    frames = 1 + int(seconds * rate) // hop
    if crop > frames:
        return [f"train.crop_frames: {crop} is longer than a clip ({frames} frames)"]
    if min(crop or frames, frames) < SMALLEST_CROP:
        return [f"train.crop_frames: must be 0 or at least {SMALLEST_CROP}, got {crop}"]
    bins, available = flat["train.crop_bins"], flat["spectrogram.n_fft"] // 2 + 1
    if bins and not SMALLEST_CROP <= bins <= available:
        span = f"0 or from {SMALLEST_CROP} to {available}"
        return [f"train.crop_bins: must be {span}, got {bins}"]
    return []
