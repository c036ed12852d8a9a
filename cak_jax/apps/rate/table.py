"""Tables of ratings and of comparisons: CSV files that are replaced in one piece.

A table is read again before each change, so that a rating that another program wrote
meanwhile stays.
"""

import csv
import io
import math
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence

from cak_jax.apps.rate.pairs import EQUAL, FIRST, SECOND, Comparison
from cak_jax.data.label_table import file_key
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.files import open_without_waiting, replace_file
from cak_jax.runtime.text import printable

COLUMNS = ("file", "rating")
PAIR_COLUMNS = ("first", "second", "more")
ANOTHER = "name another table with --output"
_SHOWN = 3


class TableError(InputError):
    """A table that cannot be gone on with; one line that names it and the remedy."""


def pairs_path(path: pathlib.Path) -> pathlib.Path:
    """Return the path of the comparisons that belong to a table of ratings.

    >>> pairs_path(pathlib.Path("ratings.csv")).name
    'ratings.pairs.csv'
    """
    return path.with_suffix(".pairs.csv")


def to_csv(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def read_ratings(path: pathlib.Path, names: Mapping[str, str]) -> dict[str, str]:
    """Return file -> rating as it stands in a table; {} if there is no table.

    Rows without a rating are left out.

    Args:
      names: of the folder's files, by `file_key`; other files keep the table's name.

    Raises:
      TableError: the file is no such table.
    """
    ratings: dict[str, str] = {}
    for line, (name, rating) in _rows(path, COLUMNS):
        name, rating = names.get(file_key(name), name), rating.strip()
        if not rating:
            continue
        if not _is_number(rating):
            raise _fault(path, f"line {line}: {rating[:40]!a} is no number; mend it")
        if ratings.setdefault(name, rating) != rating:
            shown = printable(name)
            raise _fault(
                path, f"line {line}: {shown} has another rating above; delete one"
            )
    return ratings


def write_ratings(path: pathlib.Path, ratings: Mapping[str, str]) -> None:
    """Replace a table of ratings.

    Raises:
      OSError: it cannot be written.
    """
    _write(path, [COLUMNS, *ratings.items()])


def read_comparisons(path: pathlib.Path, names: Mapping[str, str]) -> list[Comparison]:
    """Return the comparisons of a table; [] if there is no table.

    `names` are as for `read_ratings`.

    Raises:
      TableError: the file is no such table.
    """
    comparisons = []
    for line, (first, second, more) in _rows(path, PAIR_COLUMNS):
        if more.strip() not in map(str, (FIRST, SECOND, EQUAL)):
            raise _fault(
                path, f"line {line}: {more[:40]!a} is none of 1, 2 and 0; mend it"
            )
        first, second = (names.get(file_key(n), n) for n in (first, second))
        comparisons.append(Comparison(first, second, int(more)))
    return comparisons


def write_comparisons(path: pathlib.Path, comparisons: Sequence[Comparison]) -> None:
    """Replace a table of comparisons.

    Raises:
      OSError: it cannot be written.
    """
    rows = [(c.first, c.second, str(c.more)) for c in comparisons]
    _write(path, [PAIR_COLUMNS, *rows])


def check_names(
    path: pathlib.Path, names: Collection[str], known: Collection[str], folder: str
) -> str:
    """Check that a table belongs to a folder.

    Args:
      names, known: of the table, and of the folder.

    Returns:
      A note on names that the folder does not have; "" if it has all.

    Raises:
      TableError: the folder has none of the names.
    """
    strange = [name for name in names if name not in known]
    if not strange:
        return ""
    shown = ", ".join(strange[:_SHOWN]) + (", ..." if strange[_SHOWN:] else "")
    if len(strange) == len(names):
        raise TableError(
            f"{printable(path)}: belongs to another folder; {printable(folder)} has "
            f"none of its files ({shown}): {ANOTHER}"
        )
    return (
        f"{printable(path)}: {len(strange)} of its files are not usable in "
        f"{printable(folder)} ({shown}); their ratings are kept"
    )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _fault(path: pathlib.Path, reason: str) -> TableError:
    return TableError(f"{printable(path)}: {reason}, or {ANOTHER}")


def _rows(path: pathlib.Path, columns: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return the rows below the header, each with the number of its last line."""
    try:
        with open_without_waiting(path) as binary:
            data = binary.read()
        text = data.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _fault(path, f"{error.strerror}; make it readable") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise _fault(path, f"is no CSV table ({error}); mend it") from error
    if not rows:
        return []
    header = [name.strip() for name in rows[0][1]]
    if header != list(columns):
        shown = printable(", ".join(header))[:80]
        raise TableError(
            f"{printable(path)}: has the columns {shown}, and {', '.join(columns)} are "
            f"needed: {ANOTHER}"
        )
    for line, row in rows[1:]:
        if len(row) != len(columns):
            raise _fault(path, f"line {line}: needs {len(columns)} cells; mend it")
    return rows[1:]


def _write(path: pathlib.Path, rows: Sequence[Sequence[str]]) -> None:
    # The target of a link, so that the link itself stays.
    replace_file(pathlib.Path(os.path.realpath(path)), to_csv(rows).encode())
