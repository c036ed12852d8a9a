"""Which runs a sweep consists of: grids, lists and random draws over any field.

A sweep is the union of its parts. A part is a product: of the values in `grid`, by
fields that follow one of them value by value (`follow`, `leader`), and by `draws`
random points over ranges (`draw`). What a run does not set is the configuration's own.
"""

import dataclasses
import hashlib
import itertools
import math
from typing import Any

import numpy as np
from ml_collections import config_dict

from cak_jax.runtime.errors import InputError
from cak_jax.training.config_checks import flatten

# What no run may set: the sweep itself, where results go, whose names are given here.
OWN = ("sweep", "output", "name")
SEEDS = ("seed", "train.seed")
LONGEST_NAME = 80
MOST_RUNS = 100_000

Values = dict[str, Any]


class PointError(InputError):
    """A sweep that cannot be made; one line that names the field."""


@dataclasses.dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
      name: of its folder, from its values.
      values: of every field that the sweep sets anywhere.
    """

    name: str
    values: Values


def part(
    grid: Values | None = None,
    follow: Values | None = None,
    leader: str = "",
    draw: Values | None = None,
    draws: int = 0,
    draw_seed: int = 0,
) -> config_dict.ConfigDict:
    """Return a part of a sweep as a configuration has it.

    Args:
      grid: field -> a tuple of values; every combination is a run.
      follow: field -> a tuple with one value for each of the leader's.
      leader: the field of the grid that those follow.
      draw: field -> (low, high), or (low, high, "log") for equal chances per octave;
        whole numbers where the field is one.
      draws: number of random points.
      draw_seed: they are a function of it.
    """
    own = config_dict.ConfigDict()
    for name, values in (("grid", grid), ("follow", follow), ("draw", draw)):
        own[name] = _nest(values or {})
    own.leader, own.draws, own.draw_seed = leader, draws, draw_seed
    return own


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


def points(config: config_dict.ConfigDict) -> list[Point]:
    """Return the runs of a configuration with a `sweep`, each of them once.

    Raises:
      PointError: naming the part and the field.
    """
    base = flatten(config)
    found, fields, following = [], set(), set()
    for name, own in config.sweep.parts.items():
        following |= set(flatten(own.follow))
        for values in _values_of(own, base, f"sweep.parts.{name}"):
            fields |= set(values)
            found.append(values)
    if not found:
        raise PointError("sweep.parts: has no runs; give a part a grid or draws")
    complete = [{field: base[field] for field in fields} | own for own in found]
    each = {repr(sorted(own.items())): own for own in complete}
    if len(each) > MOST_RUNS:
        raise PointError(f"sweep.parts: {len(each)} runs are too many")
    names = _names([dict(sorted(own.items())) for own in each.values()], following)
    return [
        Point(name, dict(sorted(own.items())))
        for name, own in zip(names, each.values(), strict=True)
    ]


def _values_of(own, base: Values, where: str) -> list[Values]:
    """Return every combination of one part."""
    grid = _lists(own.grid, base, f"{where}.grid")
    follow = _lists(own.follow, base, f"{where}.follow")
    if follow and own.leader not in grid:
        raise PointError(f"{where}.leader: must be a field of its grid: {own.leader!r}")
    for field, values in follow.items():
        wanted = len(grid[own.leader])
        if len(values) != wanted:
            raise PointError(
                f"{where}.follow.{field}: needs one value for each of the {wanted} of "
                f"{own.leader}, got {len(values)}"
            )
    combined = []
    for chosen in itertools.product(*grid.values()):
        values = dict(zip(grid, chosen, strict=True))
        if follow:
            number = grid[own.leader].index(values[own.leader])
            values |= {field: listed[number] for field, listed in follow.items()}
        combined.append(values)
    drawn = _draw(own, base, where)
    return [values | point for values in combined for point in drawn]


def _lists(given, base: Values, where: str) -> dict[str, list]:
    lists = flatten(given)
    for field, values in lists.items():
        _check_field(field, base, where)
        if not isinstance(values, list) or not values:
            raise PointError(f"{where}.{field}: must be a tuple of values: {values!r}")
    return lists


def _check_field(field: str, base: Values, where: str) -> None:
    if field.split(".")[0] in OWN:
        raise PointError(f"{where}.{field}: cannot be swept")
    if field not in base:
        raise PointError(f"{where}.{field}: there is no such field")


def _draw(own, base: Values, where: str) -> list[Values]:
    """Return the random points of a part; one without values where it has none."""
    ranges = flatten(own.draw)
    if not ranges and not own.draws:
        return [{}]
    if not ranges or not 1 <= own.draws <= MOST_RUNS:
        raise PointError(
            f"{where}.draws: must be 1 or more, with ranges in {where}.draw, got "
            f"{own.draws}"
        )
    if own.draw_seed < 0:
        raise PointError(f"{where}.draw_seed: must be 0 or more, got {own.draw_seed}")
    generator = np.random.default_rng(own.draw_seed)
    columns = {
        field: _draw_column(field, span, base, own.draws, generator, f"{where}.draw")
        for field, span in sorted(ranges.items())
    }
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def _draw_column(field, span, base, count, generator, where) -> list:
    _check_field(field, base, where)
    place = f"{where}.{field}"
    low, high, *kind = (
        span if isinstance(span, list) and len(span) in (2, 3) else (0,) * 2
    )
    numbers = all(
        isinstance(value, int | float) and math.isfinite(value) for value in (low, high)
    )
    if not numbers or low >= high or kind not in ([], ["log"]):
        raise PointError(f"{place}: must be (low, high) or (low, high, 'log'): {span}")
    if kind and low <= 0:
        raise PointError(f"{place}: a range for 'log' must begin above 0: {span}")
    own = base[field]
    if isinstance(own, bool) or not isinstance(own, int | float):
        raise PointError(f"{place}: is no number, list its values in the grid")
    if isinstance(own, int):
        if kind or not all(isinstance(value, int) for value in (low, high)):
            raise PointError(f"{place}: takes whole numbers (low, high): {span}")
        return generator.integers(low, high, count, endpoint=True).tolist()
    if kind:
        return np.exp(generator.uniform(math.log(low), math.log(high), count)).tolist()
    return generator.uniform(low, high, count).tolist()


def _names(each: list[Values], following: set[str]) -> list[str]:
    """Name runs by what they set, followers aside: `clips5-threshold0.3-seed0`."""
    fields = sorted({field for values in each for field in values} - following)
    last = [field.rpartition(".")[2] for field in fields]
    short = {
        field: own if last.count(own) == 1 else field.replace(".", "_")
        for field, own in zip(fields, last, strict=True)
    }
    names = []
    for values in each:
        plain = "-".join(f"{short[field]}{_text(values[field])}" for field in fields)
        exact = hashlib.sha256(repr(values).encode()).hexdigest()[:8]
        fits = len(plain) <= LONGEST_NAME and plain not in names
        names.append(plain if fits else f"{plain[:LONGEST_NAME]}-{exact}")
    return names


def _text(value) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    kept = (letter if letter.isalnum() or letter in "._+-" else "_" for letter in text)
    return "".join(kept).strip("_") or "none"
