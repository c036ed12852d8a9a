"""The runs of a sweep as a table, and slices of it: pure numbers and text.

A record is one run: its swept values, how it ended, and every number measured of it.
"""

import csv
import io
import json
from collections import Counter
from typing import Any

import numpy as np

Record = dict[str, Any]

FIRST = ("run", "status", "fault")
COUNTS = ("training_clips", "steps", "train_seconds", "evaluate_seconds")


def record(row: dict[str, Any], values: dict[str, Any]) -> Record:
    """Return a run's record.

    Args:
      row: of the run.
      values: that the sweep set, of every field that it sets anywhere.
    """
    head = {name: row.get(name) for name in FIRST}
    return head | values | {n: row.get(n) for n in COUNTS} | row["measures"]


def columns(records: list[Record]) -> list[str]:
    """Return the columns of a table that has them all, in the order they come."""
    return list(dict.fromkeys(name for own in records for name in own))


def to_csv(records: list[Record]) -> str:
    """Return a table as CSV with a header; what was not measured is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, columns(records), lineterminator="\n")
    writer.writeheader()
    for own in records:
        writer.writerow({name: _plain(value) for name, value in own.items()})
    return file.getvalue()


def to_jsonl(records: list[Record]) -> str:
    """Return a table as one JSON object a line; what was not measured is null."""
    names = columns(records)
    return "".join(
        json.dumps({name: own.get(name) for name in names}) + "\n" for own in records
    )


def from_jsonl(text: str) -> list[Record]:
    """Return the table that `to_jsonl` has written."""
    return [json.loads(line) for line in text.splitlines()]


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | tuple) else value


def key(value: Any) -> Any:
    """Return a value that can be compared and looked up: a list as a tuple."""
    return tuple(map(key, value)) if isinstance(value, list | tuple) else value


def values_of(records: list[Record], field: str) -> list:
    """Return the distinct values of a field, sorted; by their text if they must be."""
    found = set(key(own[field]) for own in records)
    try:
        return sorted(found)
    except TypeError:
        return sorted(found, key=str)


def centre(records: list[Record], fields: list[str]) -> dict[str, Any]:
    """Return for each field the value that most runs have, the first of equals.

    Around it the slices of a sweep that is no full grid hold the most runs.
    """
    chosen = {}
    for field in fields:
        counts = Counter(key(own[field]) for own in records)
        most = max(counts.values())
        chosen[field] = next(v for v in values_of(records, field) if counts[v] == most)
    return chosen


def where(records: list[Record], fixed: dict[str, Any]) -> list[Record]:
    """Return the records that have all of the fixed values."""
    return [
        own
        for own in records
        if all(key(own[field]) == value for field, value in fixed.items())
    ]


def numbers(records: list[Record], measure: str) -> np.ndarray:
    """Return a measure of records, `[n]`, without those that do not have it."""
    found = [own.get(measure) for own in records]
    return np.array([value for value in found if value is not None], np.float64)


def curve(
    records: list[Record], field: str, measure: str
) -> tuple[list, list[np.ndarray]]:
    """Return the values of a field, and a measure of every run that has each.

    Args:
      records: in which nothing else differs but seeds.
      field: along which the curve runs.
      measure: name of a number.
    """
    values = values_of(records, field)
    found = [numbers(where(records, {field: v}), measure) for v in values]
    kept = [number for number, own in enumerate(found) if len(own)]
    return [values[n] for n in kept], [found[n] for n in kept]


def grid(
    records: list[Record], rows: str, across: str, measure: str
) -> tuple[list, list, np.ndarray]:
    """Return a measure over two fields, mean over what else differs.

    Returns:
      Values of `rows`, values of `across`, and `[row, column]`, NaN where no run is.
    """
    down, right = values_of(records, rows), values_of(records, across)
    table = np.full((len(down), len(right)), np.nan)
    for i, first in enumerate(down):
        for j, second in enumerate(right):
            found = numbers(where(records, {rows: first, across: second}), measure)
            if len(found):
                table[i, j] = found.mean()
    return down, right, table
