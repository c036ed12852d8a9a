"""Texture labels of clips: drawn, measured, or read from a table.

A label is the amount of texture that a clip has, in [0.1, 1].
"""

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TextIO

import numpy as np

from cak_jax.model import quality_names
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.files import open_without_waiting
from cak_jax.runtime.text import printable

LOWEST, HIGHEST = 0.1, 1.0
NAME_KEYS = ("file", "filename", "file_name", "name", "path")
_SHOWN = 3

# File name and its values by column.
Row = tuple[str, dict[str, Any]]


class LabelError(InputError):
    """Labels cannot be made; the message names the field or the file."""


class Ratings(NamedTuple):
    """The labels of a table as they stand there.

    Attributes:
      name: of the column or key.
      values: of each clip `[clip]` float64, in the table's own units; NaN where the
        table lacks the file.
    """

    name: str
    values: np.ndarray


class Labels(NamedTuple):
    """Labels of clips.

    Attributes:
      values: `[clip]` float32 in [0, 1].
      origin: one line on where they come from.
      ratings: the same as the table has them; None without a table.
    """

    values: np.ndarray
    origin: str
    ratings: Ratings | None = None


def make_labels(
    source: str,
    column: str,
    files: Sequence[str],
    descriptors: Mapping[str, Sequence[float]],
    seed: int,
    partial: bool = False,
) -> Labels:
    """Give each clip a label.

    Args:
      source: "random", the name of a descriptor, with a minus in front for less of it,
        or the path of a CSV or JSON file.
      column: the column or key of that file; may be empty if there is only one.
      files: of each clip, relative to the corpus.
      descriptors: name -> one value per clip.
      seed: of the random labels.
      partial: whether a table may lack some of the files.

    Raises:
      LabelError: the name is unknown, the table unusable, or a file has no label.
    """
    if source == "random":
        return Labels(random_labels(len(files), seed), f"random, seed {seed}")
    name, sign = quality_names.split(source)
    if name in descriptors:
        signed = [sign * value for value in descriptors[name]]
        return Labels(rank_scaled(signed), f"descriptor {source}, by rank")
    if not is_table(source):
        names = ", ".join(descriptors)
        raise LabelError(
            f"corpus.labels: {source!r} is neither random, nor a descriptor ({names}), "
            "nor the path of a .csv or .json file"
        )
    table, column = read_table(source, column)
    values = np.array(_values_of(files, table, source, partial), np.float64)
    known = np.isfinite(values)
    labels = np.full(len(values), (LOWEST + HIGHEST) / 2, np.float32)
    labels[known], change = scale_values(values[known])
    origin = f"{printable(os.path.basename(source))}, {column}{change}"
    if not known.all():
        missing = len({file for file, k in zip(files, known, strict=True) if not k})
        origin += f", {missing} of {len(set(files))} files without a label"
    return Labels(labels, origin, Ratings(column, values))


def is_table(source: str) -> bool:
    """Say whether a source of labels is the path of a table.

    >>> is_table("Ratings.CSV"), is_table("attack")
    (True, False)
    """
    return source.lower().endswith((".csv", ".json"))


def random_labels(count: int, seed: int) -> np.ndarray:
    """Draw `[count]` labels uniformly from [0.1, 1].

    A longer draw of the same seed begins with the shorter one.
    """
    generator = np.random.default_rng(seed)
    return generator.uniform(LOWEST, HIGHEST, count).astype(np.float32)


def rank_scaled(values: Sequence[float]) -> np.ndarray:
    """Spread values evenly over [0.1, 1] by rank; ties keep their order.

    >>> rank_scaled([5.0, -1.0, 7.0]).tolist()
    [0.550000011920929, 0.10000000149011612, 1.0]
    """
    ranks = np.argsort(np.argsort(np.asarray(values, np.float64), kind="stable"))
    return _spread(ranks)


def scale_values(values: Sequence[float] | np.ndarray) -> tuple[np.ndarray, str]:
    """Use values in [0, 1] as they are, and scale others by min-max to [0.1, 1].

    Returns:
      `[n]` float32, and a note on what was done; empty if nothing was.
    """
    array = np.asarray(values, np.float64)
    low, high = array.min(), array.max()
    if low >= 0 and high <= 1:
        return array.astype(np.float32), ""
    note = f", scaled from [{low:g}, {high:g}] to [{LOWEST:g}, {HIGHEST:g}]"
    return _spread(array), note


def _spread(values: np.ndarray) -> np.ndarray:
    """Scale `[n]` by min-max to [0.1, 1] float32; equal values become the middle."""
    low, high = values.min(), values.max()
    unit = (values - low) / (high - low) if low < high else np.full(len(values), 0.5)
    return (LOWEST + (HIGHEST - LOWEST) * unit).astype(np.float32)


def read_table(path: str, column: str) -> tuple[dict[str, float], str]:
    """Read a table of labels.

    A CSV file has a header, and the file names in its first column. A JSON file is
    `{name: value}`, `{name: {key: value}}` or a list of objects with a "file".

    The column or key may be empty if there is only one.

    Returns:
      file name -> value, and the name of the column.

    Raises:
      LabelError: the file is unreadable or ambiguous, or a value is not a finite
        number.
    """
    is_json = path.lower().endswith(".json")
    try:
        binary = open_without_waiting(os.path.expanduser(path))
        with io.TextIOWrapper(binary, "utf-8-sig", newline="") as file:
            rows = _json_rows(file) if is_json else _csv_rows(file)
        if not rows:
            raise LabelError("has no rows")
        column = column or _only_column(rows)
        table: dict[str, float] = {}
        for name, row in rows:
            key, value = file_key(name), _number(row.get(column), name, column)
            if table.setdefault(key, value) != value:
                raise LabelError(f"{name!r} has two different labels")
    except OSError as error:
        raise LabelError(f"{printable(path)}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"{printable(path)}: is not UTF-8 text") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise LabelError(f"{printable(path)}: is not JSON ({error})") from error
    except (csv.Error, LabelError) as error:
        raise LabelError(f"{printable(path)}: {error}") from error
    return table, column


def _csv_rows(file: TextIO) -> list[Row]:
    header = file.readline()
    delimiter = max(",;\t", key=header.count)
    columns = next(csv.reader([header], delimiter=delimiter), [])
    if len(columns) < 2:
        raise LabelError("needs a header with two columns or more")
    columns = [name.strip() for name in columns]
    lines = [line for line in csv.reader(file, delimiter=delimiter) if line]
    return [(line[0], dict(zip(columns[1:], line[1:], strict=False))) for line in lines]


def _json_rows(file: TextIO) -> list[Row]:
    data = json.load(file)
    if isinstance(data, dict):
        return [
            (name, row if isinstance(row, dict) else {"value": row})
            for name, row in data.items()
        ]
    if not isinstance(data, list):
        raise LabelError("must be a JSON object or list")
    rows = []
    for row in data:
        keys = row if isinstance(row, dict) else {}
        key = next((k for k in NAME_KEYS if isinstance(keys.get(k), str)), None)
        if key is None:
            raise LabelError('every entry needs a "file"')
        rows.append((row[key], {k: v for k, v in row.items() if k != key}))
    return rows


def _only_column(rows: list[Row]) -> str:
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    numeric = [
        n for n in names if all(_as_float(row.get(n)) is not None for _, row in rows)
    ]
    if len(numeric) == 1:
        return numeric[0]
    names_found = ", ".join(numeric) or "none"
    raise LabelError(
        "name one of its numeric columns with corpus.label_column (found: "
        f"{names_found})"
    )


def _as_float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _number(value: Any, name: str, column: str) -> float:
    number = _as_float(value)
    if number is None or not math.isfinite(number):
        shown = "nothing" if value is None else ascii(value)
        raise LabelError(
            f"{column!r} of {name!a} must be a finite number, got {shown[:40]}"
        )
    return number


def file_key(name: str) -> str:
    r"""Return a file name for comparison: forward slashes, no leading `./`.

    >>> file_key(r".\a\kick.wav ")
    'a/kick.wav'
    """
    return printable(name.strip().replace("\\", "/").removeprefix("./"))


def _values_of(
    files: Sequence[str], table: dict[str, float], path: str, partial: bool
) -> list[float]:
    """Return the value of each file; NaN where the table lacks it, if it may."""
    whole, keys = {file_key(file) for file in files}, {}
    for file in files:
        key = file_key(file)
        bare = key.rsplit("/", 1)[-1]
        # A bare name means another file where the corpus has one of exactly this name.
        is_other = partial and bare in whole
        keys[file] = key if key in table or is_other else bare
    missing = [file for file, key in keys.items() if key not in table]
    if missing and not (partial and len(missing) < len(keys)):
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if missing[_SHOWN:] else "")
        raise LabelError(
            f"{printable(path)}: no label for {len(missing)} of "
            f"{len(set(files))} files ({shown}): add them, or remove the files"
        )
    return [table.get(keys[file], math.nan) for file in files]
