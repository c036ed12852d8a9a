"""From a configuration file to checked, frozen settings, which the library reads."""

import dataclasses
import importlib.util
import math
import pathlib
from typing import TYPE_CHECKING, Any

from ml_collections import config_dict

from cak_jax.runtime import json_file
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import nearest
from cak_jax.training.config_checks import LONGEST_NAME, faults, flatten, kind_faults

if TYPE_CHECKING:
    from cak_jax.data.settings import CorpusSettings
    from cak_jax.model.spectrogram_settings import SpectrogramSettings
    from cak_jax.model.train_state import GameSpec


class ConfigError(InputError):
    """Unusable settings: one line per fault, each naming the field."""

    def faults(self) -> list[str]:
        """Return the lines of the message."""
        return str(self).split("\n")


def load_file(path: str | pathlib.Path) -> config_dict.ConfigDict:
    """Return what the `get_config` of a configuration file returns."""
    spec = importlib.util.spec_from_file_location("cak_jax_config", path)
    if spec is None or spec.loader is None:
        raise ConfigError("is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ConfigError("has no function get_config; configs/smoke.py shows one")
    return module.get_config()


def load_sibling(file: str, name: str) -> config_dict.ConfigDict:
    """Return the configuration `name` from the folder of the file `file`.

    Shipped variants load their base this way. So they work in a clone, in an installed
    package, and in any folder to which both are copied.
    """
    return load_file(pathlib.Path(file).with_name(f"{name}.py"))


def find(name: str) -> pathlib.Path:
    """Return the file of a configuration: a path, or the name of a shipped one.

    Raises:
      ConfigError: there is no such file.
    """
    path = pathlib.Path(name)
    if path.is_file():
        return path
    if path.parent in (pathlib.Path("."), pathlib.Path("configs")):
        path = shipped(path.stem)
        if path.is_file():
            return path
    near = nearest(path.stem, shipped_names()) or "default"
    raise ConfigError(f"--config={name}: there is no such file; try --config={near}")


def shipped(name: str) -> pathlib.Path:
    """Return the path of a shipped configuration, in a clone or installed."""
    here = pathlib.Path(__file__).resolve().parent.parent
    installed = here / "configs" / f"{name}.py"
    return installed if installed.is_file() else here.parent / "configs" / f"{name}.py"


def shipped_names() -> list[str]:
    """Return the names of the shipped configurations, sorted."""
    return sorted(path.stem for path in shipped("default").parent.glob("[!_]*.py"))


# Fields that the provenance in an effect file leaves out: they belong to a person's
# machine or do not shape the effect. Name and seed have fields of their own there.
PRIVATE = ("corpus.path", "corpus.cache", "output", "name", "seed")


def changes(flat: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that differ from `configs/default.py`, without any path.

    A table of labels keeps its file name only. Fields that the default lacks are left
    out, because they could hold anything.
    """
    default = flatten(load_file(shipped("default")))
    return {
        # The last part of a POSIX or Windows path.
        field: value.replace("\\", "/").rstrip("/").rpartition("/")[2]
        if field == "corpus.labels"
        else value
        for field, value in flat.items()
        if field in default and value != default[field] and not _is_in(field, PRIVATE)
    }


# Fields that may change when a run is continued: another check covers them (the corpus
# has a hash), or they do not shape the effect.
FREE = (
    "train.epochs",
    "train.microbatch",
    "train.steps_per_dispatch",
    "train.skip_limit",
    "corpus.path",
    "corpus.cache",
    "corpus.unread_labels",
    "train.devices",
    "output",
    # Every run of a sweep has its own configuration, which is compared.
    "sweep",
)


# Fields that older runs lack, with the values that leave such runs unchanged.
LATER = {
    "train.clips": 0,
    "train.seed": -1,
    "train.least_steps": 0,
    "train.learning_rate_warmup": 0.0,
    "corpus.unread_labels": "refuse",
    "game.spacing": [1, 1],
    "game.pull": "whole",
    "game.weight_level": 0.0,
    "game.weight_direction": 0.0,
    "game.weight_pattern_size": 0.0,
}
# The former default of `name`. Now it is "", which is the name of the corpus's folder.
FORMER_NAME = "my effect"


def digest(config: Any) -> str:
    """Return the SHA-256 of a configuration without its `FREE` fields."""
    return json_file.digest(_bound(flatten(config)))


def _bound(flat: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a continuation may not change."""
    # With a cosine or a warm-up another number of epochs changes the learning rates.
    cosine = flat["train.learning_rate_decay"] == "cosine"
    warmed = flat["train.learning_rate_warmup"] > 0
    bound = ("train.epochs",) if cosine or warmed else ()
    return {
        field: value
        for field, value in flat.items()
        if field in bound or not _is_in(field, FREE)
    }


def _is_in(field: str, names: tuple[str, ...]) -> bool:
    """Say whether a field, or a group that holds it, is among the names."""
    return any(field == name or field.startswith(name + ".") for name in names)


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return one "field: old -> new" per field that a continuation may not change."""
    if (old.get("name"), new.get("name")) == (FORMER_NAME, ""):
        old = old | {"name": ""}
    old, new = _bound(LATER | old), _bound(LATER | new)
    return [
        f"{field}: {old.get(field, 'absent')} -> {new.get(field, 'absent')}"
        for field in sorted(set(old) | set(new))
        if old.get(field, math.nan) != new.get(field, math.nan)
    ]


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """The settings of the training loop; see `configs/default.py` for the fields."""

    seed: int
    pairing: str
    epochs: int
    batch_size: int
    least_steps: int
    crop_frames: int
    crop_bins: int
    microbatch: int
    storage: str
    clips: int
    devices: int
    steps_per_dispatch: int
    skip_limit: int
    learning_rate_decay: str
    learning_rate_warmup: float
    evaluate_every: int
    checkpoint_every: int
    checkpoints_kept: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """A whole configuration as objects of the library.

    `hparams` are arguments of `train_state.make_hparams`, `output` the fields of that
    name, `config_sha256` is the `digest`, and `changes` those from the default.
    """

    name: str
    synthetic_clips: int
    unread_labels: str
    corpus: "CorpusSettings"
    spectrogram: "SpectrogramSettings"
    alpha: float
    gamma: float
    game: "GameSpec"
    train: TrainSettings
    hparams: dict[str, float]
    output: dict[str, Any]
    config_sha256: str
    changes: dict[str, Any]


def _pick(kind: Any, values: dict[str, Any]) -> Any:
    """Make a dataclass from those of the values that are named as its fields."""
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: v for name, v in values.items() if name in names})


def build(config: config_dict.ConfigDict) -> Settings:
    """Check a configuration and turn it into settings.

    Raises:
      ConfigError: one line per fault.
    """
    default = flatten(load_file(shipped("default")))
    if not isinstance(config, config_dict.ConfigDict):
        raise ConfigError("get_config: must return an ml_collections ConfigDict")
    # `sweep.grid` checks the fields of a sweep.
    flat = {f: v for f, v in flatten(config).items() if not f.startswith("sweep.")}
    lines = kind_faults(flat, default) or faults(config)
    if lines:
        raise ConfigError("\n".join(lines))
    # Imported here, because a wrong field should be refused before JAX is loaded.
    from cak_jax.data.settings import CorpusSettings, corpus_name
    from cak_jax.model.audits.table import AUDITS
    from cak_jax.model.spectrogram_settings import SpectrogramSettings
    from cak_jax.model.train_state import GameSpec

    game, train, gate = config.game, config.train, config.gate
    corpus = config.corpus.to_dict()
    synthetic = corpus.pop("synthetic_clips")
    unread = corpus.pop("unread_labels")
    spectrogram = config.spectrogram.to_dict()
    alpha, gamma = spectrogram.pop("alpha"), spectrogram.pop("gamma")
    seed = config.seed if train.seed < 0 else train.seed
    try:
        transform = SpectrogramSettings(**spectrogram)
    except ValueError as error:
        raise ConfigError(f"spectrogram: {error}") from None
    try:
        return Settings(
            name=config.name or corpus_name(config.corpus.path)[:LONGEST_NAME],
            synthetic_clips=synthetic,
            unread_labels=unread,
            corpus=CorpusSettings(
                seed=config.seed, partial_labels=AUDITS[game.audit].HEARS, **corpus
            ),
            spectrogram=transform,
            alpha=alpha,
            gamma=gamma,
            game=_pick(
                GameSpec,
                {
                    **game,
                    "critic_widths": tuple(game.critic_widths),
                    "spacing": tuple(game.spacing),
                    "leashed": game.leash > 0,
                    "reconstructed": game.weight_reconstruction > 0,
                },
            ),
            train=_pick(
                TrainSettings, {**train, "pairing": game.pairing, "seed": seed}
            ),
            hparams={
                **{k: v for k, v in game.items() if k.startswith("weight_")},
                "leash": game.leash,
                **gate.to_dict(),
                "learning_rate_generator": train.learning_rate_generator,
                "learning_rate_critic": train.learning_rate_critic,
            },
            output=config.output.to_dict(),
            config_sha256=digest(config),
            changes=changes(flatten(config)),
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
