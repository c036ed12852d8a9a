"""The runs of a sweep as single runs, and which of them share a program."""

import dataclasses
from typing import Any

from ml_collections import config_dict

from cak_jax.sweep.grid import Point, PointError, points
from cak_jax.training import config as config_lib
from cak_jax.training.config import ConfigError, Settings

VECTORISE = ("auto", "map", "vmap")
COUNTS = {
    "runs_at_once": 10_000,
    "clips": 100_000,
    "rendered_clips": 100_000,
    "probe_clips": 1000,
}


@dataclasses.dataclass(frozen=True)
class SweepSettings:
    """How a sweep runs; see `configs/sweep.py` for the fields."""

    vectorise: str
    runs_at_once: int
    clips: int
    rendered_clips: int
    probe_clips: int
    probe_amount: float


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep, as a run of its own.

    Attributes:
      point: its name and swept values.
      flat: its whole configuration, as `config.json` has it.
      settings: the same, checked.
      key: hash of the configuration without the name; what a resume knows it by.
    """

    point: Point
    flat: dict[str, Any]
    settings: Settings
    key: str

    @property
    def group(self) -> tuple:
        """What runs share that share a program and the samples of a corpus."""
        own, train = self.settings, self.settings.train
        # Labels, kernel gain and all of HParams are numbers that a program is given.
        corpus = dataclasses.replace(own.corpus, labels="", label_column="")
        game = dataclasses.replace(own.game, kernel_gain=0.0)
        return (
            *(corpus, own.synthetic_clips, own.spectrogram, own.alpha, game),
            *(train.batch_size, train.crop_frames, train.crop_bins, train.microbatch),
            *(train.storage, train.steps_per_dispatch),
        )


def sweep_settings(config: config_dict.ConfigDict) -> SweepSettings:
    """Return how a sweep runs, checked.

    Raises:
      ConfigError: one line that names the field.
    """
    own = config.sweep
    names = [field.name for field in dataclasses.fields(SweepSettings)]
    missing = [name for name in (*names, "parts") if name not in own]
    if missing:
        raise ConfigError(f"sweep.{missing[0]}: is missing; see configs/sweep.py")
    for name, most in COUNTS.items():
        if not 0 <= own[name] <= most:
            raise ConfigError(f"sweep.{name}: must be from 0 to {most}: {own[name]}")
    if own.vectorise not in VECTORISE:
        raise ConfigError(
            f"sweep.vectorise: must be one of {VECTORISE}: {own.vectorise}"
        )
    if not 0 < own.probe_amount <= 1:
        raise ConfigError(
            f"sweep.probe_amount: must be above 0 and at most 1: {own.probe_amount}"
        )
    if own.rendered_clips == 1:
        # The auditor is fitted on one file and judged on another.
        raise ConfigError("sweep.rendered_clips: must be 0, or 2 or more: 1")
    return SweepSettings(**{name: own[name] for name in names})


def plan_runs(config: config_dict.ConfigDict) -> list[PlannedRun]:
    """Return every run of a sweep, each checked as a run of its own.

    Raises:
      ConfigError: naming the run and the field.
    """
    try:
        found = points(config)
    except PointError as error:
        raise ConfigError(str(error)) from None
    base = config.copy_and_resolve_references()
    with base.unlocked():
        del base["sweep"]
    return [_plan(base, point) for point in found]


def _plan(base: config_dict.ConfigDict, point: Point) -> PlannedRun:
    own = base.copy_and_resolve_references()
    for field, value in point.values.items():
        value = tuple(value) if isinstance(value, list) else value
        try:
            own.update_from_flattened_dict({field: value})
        except (TypeError, ValueError):
            raise ConfigError(
                f"sweep: {field} cannot be {value!r} ({type(value).__name__})"
            ) from None
    key = config_lib.digest(own)
    own.name = f"{base.name} {point.name}"[:200]
    try:
        settings = config_lib.build(own)
    except (ConfigError, ValueError) as error:
        raise ConfigError(
            "\n".join(f"sweep: {point.name}: {line}" for line in str(error).split("\n"))
        ) from None
    if settings.game.generator == "film":
        raise ConfigError(
            "game.generator: a sweep keeps effect files and FiLM makes none; set cak"
        )
    if settings.train.devices != 1:
        raise ConfigError(
            "train.devices: must be 1 in a sweep, which spreads whole runs over devices"
        )
    return PlannedRun(point, config_lib.flatten(own), settings, key)


def groups(runs: list[PlannedRun]) -> list[list[PlannedRun]]:
    """Return the runs by what they share, in the order of the first of each."""
    found: dict[tuple, list[PlannedRun]] = {}
    for run in runs:
        found.setdefault(run.group, []).append(run)
    return list(found.values())
