"""Text for a terminal: printable, in columns."""

import os
from collections.abc import Collection, Sequence


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path as one line of printable text, valid in UTF-8 and JSON."""
    text = os.fsdecode(os.fspath(path))
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def in_bytes(count: float) -> str:
    """Return a number of bytes in a unit that shows it.

    >>> in_bytes(0), in_bytes(9_400), in_bytes(52_428_800), in_bytes(3.2e9)
    ('0 kB', '9 kB', '52 MB', '3.2 GB')
    """
    for size, unit, digits in ((1e9, "GB", 1), (1e6, "MB", 0)):
        if count >= size:
            return f"{count / size:.{digits}f} {unit}"
    return f"{count / 1e3:.0f} kB"


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
