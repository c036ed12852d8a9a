"""Tables of labels as spreadsheets, pandas and people write them.

Nothing is guessed about a number: one that can be read in two ways is refused. A name
that is spelled another way in the table than in the folder is found where only one file
can be meant.
"""

import csv
import difflib
import io
import json
import math
import os
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from cak_jax.audio.formats import SUFFIXES
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.files import open_without_waiting
from cak_jax.runtime.text import printable

NAME_KEYS = ("file", "filename", "file_name", "name", "path")
SUFFIXES_OF_TABLES = (".csv", ".tsv", ".json", ".xlsx", ".xls", ".ods")
LARGEST = 64 << 20
_SHOWN = 3
# What pandas writes over its index, and a spreadsheet over an empty column.
_NO_NAME = re.compile(r"|unnamed: ?\d+|index", re.IGNORECASE)
_COMMA = re.compile(r"[-+]?\d+,\d+")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")

# File name and its values by column.
Row = tuple[str, dict[str, Any]]


class LabelError(InputError):
    """Labels cannot be made; the message names the field or the file."""


def is_table(source: str) -> bool:
    """Say whether a source of labels is the path of a table.

    >>> is_table("Ratings.CSV"), is_table("attack")
    (True, False)
    """
    return source.lower().endswith(SUFFIXES_OF_TABLES)


def read_table(path: str, column: str) -> tuple[dict[str, float], str]:
    """Read a table of labels.

    A CSV file has the file names in a column called "file" or the like, or in its first
    one. It may lack a header. A JSON file is `{name: value}`, `{name: {key: value}}` or
    a list of objects with a "file".

    The column or key may be empty if there is only one.

    Returns:
      file name -> value, and the name of the column.

    Raises:
      LabelError: the file is unreadable or ambiguous, or a value is not a finite
        number.
    """
    try:
        rows = _rows(path, _text(path))
        if not rows:
            raise LabelError("has no rows")
        column = column or _only_column(rows)
        table: dict[str, float] = {}
        read = _reader([row.get(column) for _, row in rows])
        for name, row in rows:
            value = _number(read(row.get(column)), row.get(column), name, column)
            if table.setdefault(file_key(name), value) != value:
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


def _text(path: str) -> str:
    if path.lower().endswith((".xlsx", ".xls", ".ods")):
        raise LabelError("is a spreadsheet: save it as CSV in UTF-8, and name that")
    with open_without_waiting(os.path.expanduser(path)) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise LabelError(f"has more than {LARGEST >> 20} MB, which is no table")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What spreadsheets on Windows call CSV.
        return data.decode("cp1252")


def _rows(path: str, text: str) -> list[Row]:
    return _json_rows(text) if path.lower().endswith(".json") else _csv_rows(text)


def _csv_rows(text: str) -> list[Row]:
    first, _, rest = text.partition("\n")
    delimiter = ""
    if found := re.fullmatch(r'"?sep=(.)"?\r?', first):
        delimiter, text = found[1], rest
    delimiter = delimiter or max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines = []
    for line in reader:
        cells = [cell.strip() for cell in line]
        if any(cells):
            lines.append((reader.line_num, cells))
    if not lines or len(lines[0][1]) < 2:
        raise LabelError("needs a header with two columns or more")
    header = lines[0][1]
    if any(_is_sound(cell) for cell in header):
        header = [f"column {n}" for n in range(1, len(header) + 1)]
        if len(header) == 2:
            header[1] = "value"
        names = next(n for n, cell in enumerate(lines[0][1]) if _is_sound(cell))
    else:
        lines = lines[1:]
        names = _column_of_names(header)
    return [_row(line, cells, header, names) for line, cells in lines]


def _row(line: int, cells: list[str], header: list[str], names: int) -> Row:
    if any(cells[len(header) :]):
        raise LabelError(
            f"line {line} has {len(cells)} cells under {len(header)} columns: put "
            'quotes around a decimal comma ("0,2"), or write 0.2'
        )
    values = dict(zip(header, cells, strict=False))
    for name in (header[names], *filter(_NO_NAME.fullmatch, header)):
        values.pop(name, None)
    if len(cells) <= names or not cells[names]:
        raise LabelError(f"line {line} has no file name")
    return cells[names], values


def _column_of_names(header: list[str]) -> int:
    """Return the number of the column with the names of files."""
    named = [n for n, cell in enumerate(header) if cell.lower() in NAME_KEYS]
    if named:
        return named[0]
    return int(bool(_NO_NAME.fullmatch(header[0])) and len(header) > 2)


def _is_sound(cell: str) -> bool:
    return os.path.splitext(cell)[1].lower() in SUFFIXES


def _json_rows(text: str) -> list[Row]:
    data = json.loads(text)
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
    numeric = []
    for name in names:
        values = [row.get(name) for _, row in rows]
        if all(map(_may_be_number, values)):
            numeric.append(name)
    if len(numeric) == 1:
        return numeric[0]
    names_found = ", ".join(numeric) or "none"
    raise LabelError(
        "name one of its numeric columns with corpus.label_column (found: "
        f"{names_found})"
    )


def _may_be_number(value: Any) -> bool:
    is_comma = isinstance(value, str) and _COMMA.fullmatch(value.strip())
    return bool(is_comma) or _as_float(value) is not None


def _as_float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _reader(values: Sequence[Any]) -> Any:
    """Return the function that reads the numbers of a column.

    Raises:
      LabelError: it mixes decimal points and commas, or its commas may be either.
    """
    texts = [value.strip() for value in values if isinstance(value, str)]
    commas = [text for text in texts if _COMMA.fullmatch(text)]
    if not commas:
        return _as_float
    points = [text for text in texts if "." in text]
    if points:
        raise LabelError(
            f"has decimal points and commas in one column ({points[0]}, {commas[0]}): "
            "write one of them throughout"
        )
    if all(_THOUSANDS.fullmatch(text) for text in commas):
        raise LabelError(
            f"{commas[0]} may be a thousand or a decimal number: write it without comma"
        )
    return lambda value: _as_float(
        value.replace(",", ".") if isinstance(value, str) else value
    )


def _number(number: float | None, value: Any, name: str, column: str) -> float:
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


def _loose(key: str) -> str:
    """Return a key without what differs between systems: Unicode form and case."""
    return unicodedata.normalize("NFC", key).casefold()


def values_of(
    files: Sequence[str], table: dict[str, float], path: str, partial: bool
) -> list[float]:
    """Return the value of each file; NaN where the table lacks it, if it may.

    Raises:
      LabelError: files are missing; the message shows the names that are most alike.
    """
    whole, keys = {file_key(file) for file in files}, {}
    for file in files:
        key = file_key(file)
        bare = key.rsplit("/", 1)[-1]
        # A bare name means another file where the corpus has one of exactly this name.
        is_other = partial and bare in whole
        keys[file] = key if key in table or is_other else bare
    unmatched = [file for file in keys if keys[file] not in table]
    keys |= _found_otherwise(unmatched, set(table) - set(keys.values()))
    missing = [file for file in unmatched if keys[file] not in table]
    if missing and not (partial and len(missing) < len(keys)):
        raise LabelError(
            f"{printable(path)}: no label for {len(missing)} of {len(set(files))} "
            f"files ({_shown(missing, table)}): add them, or remove the files"
        )
    return [table.get(keys[file], math.nan) for file in files]


def _found_otherwise(files: list[str], free: set[str]) -> dict[str, str]:
    """Return file -> key for files of which one free key alone can mean this one.

    It may differ in Unicode form and case, have folders in front, or no suffix.
    """
    by_end: dict[str, list[str]] = {}
    for key in free:
        by_end.setdefault(_loose(key).rsplit("/", 1)[-1], []).append(key)
    found: dict[str, list[str]] = {}
    for file in files:
        loose = _loose(file_key(file))
        end = loose.rsplit("/", 1)[-1]
        stem = os.path.splitext(loose)[0]
        ends = by_end.get(end, []) + by_end.get(os.path.splitext(end)[0], [])
        found[file] = [key for key in ends if _means(_loose(key), loose, stem)]
    users: dict[str, int] = {}
    for candidates in found.values():
        for key in candidates:
            users[key] = users.get(key, 0) + 1
    return {
        file: candidates[0]
        for file, candidates in found.items()
        if len(candidates) == 1 and users[candidates[0]] == 1
    }


def _means(key: str, file: str, stem: str) -> bool:
    """Say whether a key can mean a file: one path is the end of the other."""
    for name in (file, stem):
        if f"/{key}".endswith(f"/{name}") or f"/{name}".endswith(f"/{key}"):
            return True
    return False


def _stem(key: str) -> str:
    return os.path.splitext(_loose(key).rsplit("/", 1)[-1])[0]


def _shown(missing: list[str], table: dict[str, float]) -> str:
    """Return the first missing names, each with the most similar one of the table."""
    parts, stems = [], {_stem(key): key for key in list(table)[:10_000]}
    for file in missing[:_SHOWN]:
        like = difflib.get_close_matches(_stem(file), stems, 1)
        parts.append(f"{file}; the table has {stems[like[0]]}" if like else file)
    return ", ".join(parts) + (", ..." if missing[_SHOWN:] else "")
