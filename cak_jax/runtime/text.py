"""Text that a terminal can show."""

import os


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path as one line of printable text, valid in UTF-8 and JSON."""
    text = os.fsdecode(os.fspath(path))
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )
