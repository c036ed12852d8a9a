"""Text for a terminal: printable, in columns."""

import os
from collections.abc import Collection, Sequence


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path as one line of printable text, valid in UTF-8 and JSON."""
    text = os.fsdecode(os.fspath(path))
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def align(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return the lines of a table, its columns two spaces apart.

    Args:
      right: numbers of the columns that stand flush right; the others stand flush left.

    >>> align([["name", "R2"], ["a", "0.25"]], right=[1])
    ['name    R2', 'a     0.25']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
