"""Text that people read and write: printable, counted, in columns; numbers, names."""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Sequence

# Such as 1,000 or 1,125: a thousand, or one and an eighth.
_TWO_READINGS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


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


def counted(count: int, noun: str) -> str:
    """Return a number of things, in the singular or with an s.

    >>> counted(1, "file"), counted(0, "clip")
    ('1 file', '0 clips')
    """
    return f"{count} {noun}{'s' if count != 1 else ''}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that a misspelt one is nearest to; "" if none is near.

    >>> nearest("brigth", ["dark", "bright"]), nearest("loud", ["dark", "bright"])
    ('bright', '')
    """
    return next(iter(difflib.get_close_matches(name.lower(), list(known), n=1)), "")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `nearest` as the end of a sentence; "" if none is near.

    >>> suggestion("brigth", ["dark", "bright"])
    '; did you mean bright?'
    """
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""


def parse_number(text: str) -> float:
    """Return a number as people write it, with a decimal comma or a percent sign too.

    Raises:
      ValueError: it is no number, or can be read in two ways, such as 1,000.

    >>> parse_number("0.5"), parse_number("0,5"), parse_number("50 %")
    (0.5, 0.5, 0.5)
    """
    plain = text.strip()
    share = plain.removesuffix("%").rstrip()
    if _TWO_READINGS.fullmatch(share):
        point, none = share.replace(",", "."), share.replace(",", "")
        raise ValueError(
            f"{printable(text)} can be read in two ways; write {point} or {none}"
        )
    try:
        number = float(share.replace(",", ".", 1))
    except ValueError:
        raise ValueError(f"{printable(text)} is no number, such as 0.5") from None
    return number / 100 if share != plain else number


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
