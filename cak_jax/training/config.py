"""From a configuration file to checked, frozen settings; configs stop here."""

import dataclasses
import importlib.util
import math
import pathlib
from typing import Any

from ml_collections import config_dict

from cak_jax.runtime import json_file
from cak_jax.runtime.errors import InputError
from cak_jax.training.config_checks import faults, flatten, kind_faults


class ConfigError(InputError):
    """Unusable settings: one line per fault, each naming the field."""

    def faults(self) -> list[str]:
        """Return the lines of the message."""
        return str(self).split("\n")


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
    if given.parent in (pathlib.Path("."), pathlib.Path("configs")):
        path = shipped(given.stem)
        if path.is_file():
            return path
    raise ConfigError(f"--config={name}: there is no such file; try --config=default")


def shipped(name: str) -> pathlib.Path:
    """Return where a shipped configuration would stand, in a clone or installed."""
    here = pathlib.Path(__file__).resolve().parent.parent
    installed = here / "configs" / f"{name}.py"
    return installed if installed.is_file() else here.parent / "configs" / f"{name}.py"


# Of a person's machine, or nothing that shapes what is learned; the name and the seed
# have a place of their own in an effect file.
PRIVATE = ("corpus.path", "corpus.cache", "output", "name", "seed")


def changes(flat: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that differ from `configs/default.py`, without any path.

    A table of labels is named by its file name alone; fields that the default does not
    have are left out, as they could hold anything.

    Args:
      flat: a configuration, as `flatten` gives it.
    """
    default = flatten(load_file(shipped("default")))
    return {
        field: file_name(value) if field == "corpus.labels" else value
        for field, value in flat.items()
        if field in default
        and value != default[field]
        and not any(field == own or field.startswith(own + ".") for own in PRIVATE)
    }


def file_name(text: str) -> str:
    """Return the last part of a path of either kind; other text as it is."""
    return text.replace("\\", "/").rstrip("/").rpartition("/")[2]


# May differ between a run and its continuation: what they mean is checked otherwise
# (the corpus by its hash) or changes nothing that was learned.
FREE = (
    "train.epochs",
    "train.microbatch",
    "train.steps_per_dispatch",
    "train.skip_limit",
    "corpus.path",
    "corpus.cache",
    "train.devices",
    "output",
    # Which runs a sweep consists of: each has a configuration of its own.
    "sweep",
)


# Fields that came later, with the values that change nothing: older runs go on.
LATER = {"train.clips": 0, "train.seed": -1}


def digest(config: Any) -> str:
    """Return the SHA-256 of a configuration, without the fields that are `FREE`."""
    return json_file.digest(_bound(flatten(config)))


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
    old, new = _bound(LATER | old), _bound(LATER | new)
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
    clips: int
    devices: int
    steps_per_dispatch: int
    skip_limit: int
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
    changes: dict[str, Any]


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
    default = flatten(load_file(shipped("default")))
    if not isinstance(config, config_dict.ConfigDict):
        raise ConfigError("get_config: must return an ml_collections ConfigDict")
    # Which runs a sweep consists of is checked where they are made of it.
    own = {f: v for f, v in flatten(config).items() if not f.startswith("sweep.")}
    found = kind_faults(own, default) or faults(config)
    if found:
        raise ConfigError("\n".join(found))
    # Heavy imports only once there is something to run.
    from cak_jax.data.corpus import CorpusSettings
    from cak_jax.data.pairs import PAIRINGS
    from cak_jax.model.audits.request import REQUESTS
    from cak_jax.model.audits.table import AUDITS
    from cak_jax.model.generators.table import GENERATORS
    from cak_jax.model.spectrogram_settings import SpectrogramSettings
    from cak_jax.model.train_state import CRITIC_DTYPES, GameSpec
    from cak_jax.training.batch_plan import STORAGES

    game, train, gate = config.game, config.train, config.gate
    choices = {
        "game.pairing": PAIRINGS,
        "game.audit": tuple(AUDITS),
        "game.request": REQUESTS,
        "game.generator": tuple(GENERATORS),
        "game.critic_dtype": CRITIC_DTYPES,
        "train.storage": STORAGES,
    }
    flat = flatten(config)
    for field, allowed in choices.items():
        if flat[field] not in allowed:
            got = flat[field][:80]
            raise ConfigError(f"{field}: must be one of {allowed}, got {got!r}")
    generator = GENERATORS[game.generator]
    if generator.effect_numbers is None and config.output.previews:
        raise ConfigError(
            f"output.previews: {generator.TITLE} makes no effect to render; set 0: "
            f"{config.output.previews}"
        )
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
                generator=game.generator,
                critic_dtype=game.critic_dtype,
                request=game.request,
                kernel_gain=game.kernel_gain,
            ),
            train=TrainSettings(
                seed=config.seed if train.seed < 0 else train.seed,
                pairing=game.pairing,
                **{n: train[n] for n in names if n not in ("seed", "pairing")},
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
