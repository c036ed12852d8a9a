"""JSON documents: their values and hash, and files written in one piece."""

import hashlib
import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any

from cak_jax.runtime.files import StrPath, replace_file


def finite(value: Any) -> Any:
    """Return a value with None for every float that is not finite, as JSON needs."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def leaves(
    document: Any, place: str = "", lists: bool = False
) -> Iterator[tuple[str, Any]]:
    """Yield every value of a nested document with its place, in order.

    Args:
      document: dictionaries within dictionaries; anything else is one value.
      place: of the document itself, "" for the whole.
      lists: look into lists and tuples, too; places count from 0.

    >>> dict(leaves({"knob": {"dead_zone": 0.1}, "change": [1, None]}))
    {'knob.dead_zone': 0.1, 'change': [1, None]}
    >>> dict(leaves({"change": [1, None]}, lists=True))
    {'change.0': 1, 'change.1': None}
    """
    if hasattr(document, "items"):
        items = document.items()
    elif lists and isinstance(document, list | tuple):
        items = enumerate(document)
    else:
        yield place, document
        return
    for name, value in items:
        yield from leaves(value, f"{place}.{name}" if place else str(name), lists)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's JSON form with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write(path: pathlib.Path, document: Any) -> None:
    """Write a JSON document in one piece; non-finite numbers become null."""
    text = json.dumps(finite(document), indent=1, ensure_ascii=True) + "\n"
    replace_file(path, text.encode())


def read(path: pathlib.Path) -> Any:
    """Return the JSON document in a file; `ValueError` if it holds none."""
    return json.loads(path.read_text("utf-8"))


def write_sealed(path: StrPath, value: dict[str, Any]) -> None:
    """Write a value together with its `digest`, in one piece."""
    sealed = json.dumps({"sha256": digest(value), "value": value})
    replace_file(pathlib.Path(path), sealed.encode())


def read_sealed(path: StrPath) -> dict[str, Any] | None:
    """Return what `write_sealed` wrote; None if the file is missing or changed."""
    try:
        sealed = read(pathlib.Path(path))
        return sealed["value"] if sealed["sha256"] == digest(sealed["value"]) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
