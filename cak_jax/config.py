"""From a configuration file to checked, frozen settings; configs stop here."""

import dataclasses
import hashlib
import importlib.util
import json
import math
import pathlib
from typing import Any

from ml_collections import config_dict


class ConfigError(ValueError):
    """Unusable settings: one line per fault, each naming the field."""


def load_file(path: str | pathlib.Path) -> config_dict.ConfigDict:
    """Run the `get_config` of a configuration file."""
    spec = importlib.util.spec_from_file_location("cak_jax_config", path)
    if spec is None or spec.loader is None:
        raise ConfigError("is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


def load_sibling(file: str, name: str) -> config_dict.ConfigDict:
    """Return the configuration `name` that stands beside the file `file`.

    Variants derive from each other by place, so that they work from a clone, from an
    installed package and copied elsewhere together.
    """
    return load_file(pathlib.Path(file).with_name(f"{name}.py"))


def find(name: str) -> pathlib.Path:
    """Return the file of a configuration given by path or by shipped name.

    Raises:
      ConfigError: if there is neither.
    """
    given = pathlib.Path(name)
    if given.is_file():
        return given
    here = pathlib.Path(__file__).resolve().parent
    for folder in (here / "configs", here.parent / "configs"):
        shipped = folder / f"{given.stem}.py"
        if given.parent in (pathlib.Path("."), pathlib.Path("configs")) and (
            shipped.is_file()
        ):
            return shipped
    raise ConfigError(f"--config={name}: there is no such file; try --config=default")


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
# May differ between a run and its continuation: what they mean is checked otherwise
# (the corpus by its hash) or changes nothing that was learned.
FREE = (
    "train.epochs",
    "train.microbatch",
    "train.steps_per_dispatch",
    "corpus.path",
    "corpus.cache",
    "output",
)


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return `{"train.epochs": 10, ...}`, tuples as lists as JSON has them."""
    flat = {}
    for name, value in config.items():
        if hasattr(value, "items"):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat


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
        got = flat["train.learning_rate_decay"]
        found.append(f"train.learning_rate_decay: must be one of {DECAYS}, got {got}")
    batch, part = flat["train.batch_size"], flat["train.microbatch"]
    if part and batch % part:
        found.append(f"train.microbatch: must divide train.batch_size {batch}: {part}")
    widths = flat["game.critic_widths"]
    if len(widths) != 3 or not all(_is_count(width) for width in widths):
        found.append(f"game.critic_widths: must be 3 sizes from 1 to 4096: {widths}")
    controls = flat["output.preview_controls"]
    if not all(isinstance(c, int | float) and 0 <= c <= 10 for c in controls):
        found.append(f"output.preview_controls: must be from 0 to 10, got {controls}")
    name = flat["name"]
    if not (0 < len(name) <= 200 and name.isprintable()):
        found.append("name: must be 1 to 200 printable characters")
    return found


def _is_count(value) -> bool:
    return isinstance(value, int) and 1 <= value <= 4096


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


def digest(config: Any) -> str:
    """Return the SHA-256 of a configuration, without the fields that are `FREE`."""
    text = json.dumps(_bound(flatten(config)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _bound(flat):
    # A cosine ends with the run: another length is another run from its first step.
    bound = ("train.epochs",) if flat["train.learning_rate_decay"] == "cosine" else ()
    return {
        field: value
        for field, value in flat.items()
        if field in bound
        or not any(field == free or field.startswith(free + ".") for free in FREE)
    }


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return one "field: old -> new" per field that a continuation may not change.

    Args:
      old, new: flat configurations, as `flatten` gives them.
    """
    old, new = _bound(old), _bound(new)
    return [
        f"{field}: {old.get(field, 'absent')} -> {new.get(field, 'absent')}"
        for field in sorted(set(old) | set(new))
        if old.get(field, math.nan) != new.get(field, math.nan)
    ]


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How long and on what the loop runs; see `configs/default.py` for the fields."""

    seed: int
    pairing: str
    epochs: int
    batch_size: int
    crop_frames: int
    crop_bins: int
    microbatch: int
    storage: str
    steps_per_dispatch: int
    learning_rate_decay: str
    evaluate_every: int
    checkpoint_every: int
    checkpoints_kept: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """A whole configuration as the library's own objects."""

    name: str
    synthetic_clips: int
    corpus: Any
    spectrogram: Any
    alpha: float
    gamma: float
    game: Any
    train: TrainSettings
    hparams: dict[str, float]
    output: dict[str, Any]
    config_sha256: str


def _spectrogram(kind, values: dict):
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"spectrogram: {error}") from None


def build(config: config_dict.ConfigDict) -> Settings:
    """Check a configuration and turn it into settings.

    Raises:
      ConfigError: one line per fault.
    """
    found = faults(config)
    if found:
        raise ConfigError("\n".join(found))
    # Heavy imports only once there is something to run.
    from cak_jax.corpus import CorpusSettings
    from cak_jax.feed import STORAGES
    from cak_jax.losses import AUDITS
    from cak_jax.pairs import PAIRINGS
    from cak_jax.spectral import SpectrogramSettings
    from cak_jax.state import GameSpec

    game, train, gate = config.game, config.train, config.gate
    if game.pairing not in PAIRINGS:
        raise ConfigError(f"game.pairing: must be one of {PAIRINGS}: {game.pairing}")
    if game.audit not in AUDITS:
        raise ConfigError(f"game.audit: must be one of {AUDITS}: {game.audit}")
    if train.storage not in STORAGES:
        raise ConfigError(f"train.storage: must be one of {STORAGES}: {train.storage}")
    corpus = config.corpus.to_dict()
    synthetic = corpus.pop("synthetic_clips")
    spectrogram = config.spectrogram.to_dict()
    alpha, gamma = spectrogram.pop("alpha"), spectrogram.pop("gamma")
    names = [f.name for f in dataclasses.fields(TrainSettings)]
    try:
        return Settings(
            name=config.name,
            synthetic_clips=synthetic,
            corpus=CorpusSettings(seed=config.seed, **corpus),
            spectrogram=_spectrogram(SpectrogramSettings, spectrogram),
            alpha=alpha,
            gamma=gamma,
            game=GameSpec(
                tuple(game.critic_widths),
                game.critic_steps,
                game.audit,
                critic_dtype=game.critic_dtype,
            ),
            train=TrainSettings(
                seed=config.seed,
                pairing=game.pairing,
                **{n: train[n] for n in names if n not in ("seed", "pairing")},
            ),
            hparams={
                **{k: v for k, v in game.items() if k.startswith("weight_")},
                **gate.to_dict(),
                "learning_rate_generator": train.learning_rate_generator,
                "learning_rate_critic": train.learning_rate_critic,
            },
            output=config.output.to_dict(),
            config_sha256=digest(config),
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
