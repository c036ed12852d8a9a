"""Which runs a sweep consists of, each checked as a run of its own.

A sweep is the union of its parts. A part is a product of three things: the values in
`grid`; fields that `follow` one of these (the `leader`) value by value; and `draws`
random points over the ranges in `draw`. A field that a run does not set keeps its value
from the configuration. Runs that share shapes and corpus form a group: they are trained
by one compiled program.
"""

import dataclasses
import hashlib
import itertools
import math
from typing import Any

import numpy as np
from ml_collections import config_dict

from cak_jax.runtime.text import suggestion
from cak_jax.training.config import (
    ConfigError,
    Settings,
    build,
    digest,
    load_sibling,
)
from cak_jax.training.config_checks import flatten

# Fields that no run may set: the sweep itself, where results go, and the name, which a
# run gets from its values.
RESERVED = ("sweep", "output", "name")
SEEDS = ("seed", "train.seed")
LONGEST_NAME = 80
MOST_RUNS = 100_000
VECTORISE = ("auto", "map", "vmap")
# Largest allowed value of each count in `sweep`; the smallest is 0.
COUNTS = {
    "runs_at_once": 10_000,
    "clips": 100_000,
    "rendered_clips": 100_000,
    "probe_clips": 1000,
}

Values = dict[str, Any]


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
    """One run of a sweep with the configuration of a single run.

    Attributes:
      name: of the run's folder, made from its values.
      values: of every field that the sweep sets in any run.
      flat, settings: its whole configuration, as `config.json` has it, and checked.
      key: hash of the configuration without the name; a resumed sweep recognises
        finished runs by it.
    """

    name: str
    values: Values
    flat: dict[str, Any]
    settings: Settings
    key: str

    @property
    def group(self) -> tuple[Any, ...]:
        """A key that is equal for runs that share a program and a corpus's samples."""
        settings, train = self.settings, self.settings.train
        # Labels, kernel gain and all of HParams are arguments of the program.
        corpus = dataclasses.replace(settings.corpus, labels="", label_column="")
        game = dataclasses.replace(settings.game, kernel_gain=0.0)
        return (
            *(corpus, settings.synthetic_clips, settings.spectrogram, settings.alpha),
            *(game, train.batch_size, train.crop_frames, train.crop_bins),
            *(train.microbatch, train.storage, train.steps_per_dispatch),
        )


def part(
    grid: Values | None = None,
    follow: Values | None = None,
    leader: str = "",
    draw: Values | None = None,
    draws: int = 0,
    draw_seed: int = 0,
) -> config_dict.ConfigDict:
    """Return one part of a sweep, for `sweep.parts`.

    Args:
      grid: field -> a tuple of values; every combination is a run.
      follow: field -> a tuple with one value for each value of the leader.
      leader: the field of the grid that those follow.
      draw: field -> (low, high), or (low, high, "log") for a draw that is uniform in
        the logarithm; whole numbers where the field is a whole number.
      draws, draw_seed: number of random points, and their seed.
    """
    made = config_dict.ConfigDict()
    for name, values in (("grid", grid), ("follow", follow), ("draw", draw)):
        made[name] = _nest(values or {})
    made.leader, made.draws, made.draw_seed = leader, draws, draw_seed
    return made


def add_sweep(
    config: config_dict.ConfigDict, file: str, **parts: config_dict.ConfigDict
) -> None:
    """Give a configuration a sweep, with the settings of `sweep.py` beside a file.

    Args:
      config: gets the field `sweep`.
      file: of the caller, `__file__`.
      **parts: of `part`, by name.
    """
    config.sweep = load_sibling(file, "sweep").sweep
    config.sweep.parts = config_dict.ConfigDict(parts)


def _nest(values: Values) -> config_dict.ConfigDict:
    nested = config_dict.ConfigDict()
    for field, value in values.items():
        place, *names = nested, *field.split(".")
        for name in names[:-1]:
            if name not in place:
                place[name] = config_dict.ConfigDict()
            place = place[name]
        place[names[-1]] = tuple(value)
    return nested


def points(config: config_dict.ConfigDict) -> list[tuple[str, Values]]:
    """Return name and values of each run of a configuration with a `sweep`.

    Raises:
      ConfigError: naming the part and the field.
    """
    base = flatten(config)
    listed: list[Values] = []
    fields: set[str] = set()
    following: set[str] = set()
    for name, made in config.sweep.parts.items():
        following |= set(flatten(made.follow))
        for values in _values_of(made, base, f"sweep.parts.{name}"):
            fields |= set(values)
            listed.append(values)
    if not listed:
        raise ConfigError("sweep.parts: has no runs; give a part a grid or draws")
    complete = [{field: base[field] for field in fields} | point for point in listed]
    unique = {repr(sorted(point.items())): point for point in complete}
    if len(unique) > MOST_RUNS:
        raise ConfigError(f"sweep.parts: {len(unique)} runs are too many")
    in_order = [dict(sorted(point.items())) for point in unique.values()]
    return list(zip(_names(in_order, following), in_order, strict=True))


def _values_of(made: config_dict.ConfigDict, base: Values, where: str) -> list[Values]:
    """Return the swept values of every run of one part."""
    grid = _lists(made.grid, base, f"{where}.grid")
    follow = _lists(made.follow, base, f"{where}.follow")
    leader = made.leader
    if follow and leader not in grid:
        raise ConfigError(f"{where}.leader: must be a field of its grid: {leader!r}")
    for field, listed in follow.items():
        count = len(grid[leader])
        if len(listed) != count:
            raise ConfigError(
                f"{where}.follow.{field}: needs one value for each of the {count} of "
                f"{leader}, got {len(listed)}"
            )
    combined = []
    for chosen in itertools.product(*grid.values()):
        values = dict(zip(grid, chosen, strict=True))
        if follow:
            number = grid[leader].index(values[leader])
            values |= {field: listed[number] for field, listed in follow.items()}
        combined.append(values)
    drawn = _draw(made, base, where)
    return [values | point for values in combined for point in drawn]


def _lists(
    nested: config_dict.ConfigDict, base: Values, where: str
) -> dict[str, list[Any]]:
    lists = flatten(nested)
    for field, values in lists.items():
        _check_field(field, base, where)
        if not isinstance(values, list) or not values:
            raise ConfigError(f"{where}.{field}: must be a tuple of values: {values!r}")
    # Tuples become lists, as `flatten` returns them, so that equal values are equal.
    return {
        field: [list(v) if isinstance(v, tuple) else v for v in values]
        for field, values in lists.items()
    }


def _check_field(field: str, base: Values, where: str) -> None:
    if field.split(".")[0] in RESERVED:
        raise ConfigError(f"{where}.{field}: cannot be swept")
    if field not in base:
        near = suggestion(field, base)
        raise ConfigError(f"{where}.{field}: there is no such field{near}")


def _draw(made: config_dict.ConfigDict, base: Values, where: str) -> list[Values]:
    """Return the random points of a part; one empty point if it has no ranges."""
    ranges = flatten(made.draw)
    if not ranges and not made.draws:
        return [{}]
    if not ranges or not 1 <= made.draws <= MOST_RUNS:
        raise ConfigError(
            f"{where}.draws: must be 1 or more, with ranges in {where}.draw, got "
            f"{made.draws}"
        )
    if made.draw_seed < 0:
        raise ConfigError(f"{where}.draw_seed: must be 0 or more, got {made.draw_seed}")
    generator = np.random.default_rng(made.draw_seed)
    columns = {}
    for field, span in sorted(ranges.items()):
        _check_field(field, base, f"{where}.draw")
        place = f"{where}.draw.{field}"
        columns[field] = _draw_column(place, span, base[field], made.draws, generator)
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def _draw_column(
    place: str, span: Any, default: Any, count: int, generator: np.random.Generator
) -> list[Any]:
    is_span = isinstance(span, list) and len(span) in (2, 3)
    low, high, *kind = span if is_span else (0, 0)
    numbers = all(
        isinstance(value, int | float) and math.isfinite(value) for value in (low, high)
    )
    if not numbers or low >= high or kind not in ([], ["log"]):
        raise ConfigError(f"{place}: must be (low, high) or (low, high, 'log'): {span}")
    if kind and low <= 0:
        raise ConfigError(f"{place}: a range for 'log' must begin above 0: {span}")
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise ConfigError(f"{place}: is no number, list its values in the grid")
    if isinstance(default, int):
        if kind or not all(isinstance(value, int) for value in (low, high)):
            raise ConfigError(f"{place}: takes whole numbers (low, high): {span}")
        return generator.integers(low, high, count, endpoint=True).tolist()
    if kind:
        return np.exp(generator.uniform(math.log(low), math.log(high), count)).tolist()
    return generator.uniform(low, high, count).tolist()


def _names(listed: list[Values], following: set[str]) -> list[str]:
    """Name runs by their values without followers: `clips5-threshold0.3-seed0`."""
    fields = sorted({field for values in listed for field in values} - following)
    last = [field.rpartition(".")[2] for field in fields]
    short = {
        field: name if last.count(name) == 1 else field.replace(".", "_")
        for field, name in zip(fields, last, strict=True)
    }
    names: list[str] = []
    for values in listed:
        plain = "-".join(f"{short[field]}{_text(values[field])}" for field in fields)
        exact = hashlib.sha256(repr(values).encode()).hexdigest()[:8]
        fits = len(plain) <= LONGEST_NAME and plain not in names
        names.append(plain if fits else f"{plain[:LONGEST_NAME]}-{exact}")
    return names


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "x".join(map(_text, value)) or "none"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    kept = (letter if letter.isalnum() or letter in "._+-" else "_" for letter in text)
    return "".join(kept).strip("_") or "none"


def sweep_settings(config: config_dict.ConfigDict) -> SweepSettings:
    """Return the checked settings of a sweep.

    Raises:
      ConfigError: one line that names the field.
    """
    sweep = config.sweep
    names = [field.name for field in dataclasses.fields(SweepSettings)]
    missing = [name for name in (*names, "parts") if name not in sweep]
    if missing:
        raise ConfigError(f"sweep.{missing[0]}: is missing; see configs/sweep.py")
    rules = [
        *(
            (n, 0 <= sweep[n] <= most, f"from 0 to {most}")
            for n, most in COUNTS.items()
        ),
        ("vectorise", sweep.vectorise in VECTORISE, f"one of {VECTORISE}"),
        ("probe_amount", 0 < sweep.probe_amount <= 1, "above 0 and at most 1"),
        # The independent auditor is fitted on one file and tested on another.
        ("rendered_clips", sweep.rendered_clips != 1, "0, or 2 or more"),
    ]
    for name, fits, rule in rules:
        if not fits:
            raise ConfigError(f"sweep.{name}: must be {rule}: {sweep[name]}")
    return SweepSettings(**{name: sweep[name] for name in names})


def plan_runs(config: config_dict.ConfigDict) -> list[PlannedRun]:
    """Return every run of a sweep, each checked as a run of its own.

    Raises:
      ConfigError: naming the run and the field.
    """
    listed = points(config)
    base = config.copy_and_resolve_references()
    with base.unlocked():
        del base["sweep"]
    return [_plan(base, name, values) for name, values in listed]


def _plan(base: config_dict.ConfigDict, name: str, values: Values) -> PlannedRun:
    config = base.copy_and_resolve_references()
    for field, value in values.items():
        value = tuple(value) if isinstance(value, list) else value
        try:
            config.update_from_flattened_dict({field: value})
        except (TypeError, ValueError):
            raise ConfigError(
                f"sweep: {field} cannot be {value!r} ({type(value).__name__})"
            ) from None
    # Imported here, because reading a sweep's configuration must not load JAX.
    from cak_jax.data.settings import corpus_name
    from cak_jax.model.generators.table import GENERATORS

    key = digest(config)
    of_all = base.name or corpus_name(config.corpus.path)
    config.name = f"{of_all} {name}"[:200]
    try:
        settings = build(config)
    except ConfigError as error:
        lines = [f"sweep: {name}: {line}" for line in error.faults()]
        raise ConfigError("\n".join(lines)) from None
    generator = GENERATORS[settings.game.generator]
    if generator.effect_numbers is None:
        raise ConfigError(
            f"game.generator: a sweep keeps effect files and {generator.TITLE} makes "
            "none; set cak"
        )
    if settings.train.devices != 1:
        raise ConfigError(
            "train.devices: must be 1 in a sweep, which spreads whole runs over devices"
        )
    return PlannedRun(name, values, flatten(config), settings, key)


def groups(runs: list[PlannedRun]) -> list[list[PlannedRun]]:
    """Return the runs by group, in the order of each group's first run."""
    grouped: dict[tuple[Any, ...], list[PlannedRun]] = {}
    for run in runs:
        grouped.setdefault(run.group, []).append(run)
    return list(grouped.values())
