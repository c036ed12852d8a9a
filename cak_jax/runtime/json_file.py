"""JSON documents in files: written in one piece, strict, and with their hash."""

import hashlib
import json
import math
import os
import pathlib
from typing import Any

from cak_jax.runtime.files import replace_file


def finite(value: Any) -> Any:
    """Return `value` with every non-finite float replaced by None, for strict JSON."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's JSON form with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write(path: pathlib.Path, document: Any) -> None:
    """Write a JSON document in one piece; non-finite numbers become null."""
    text = json.dumps(finite(document), indent=1, ensure_ascii=True) + "\n"
    replace_file(path, text.encode())


def read(path: pathlib.Path) -> Any:
    """Return a JSON document; `ValueError` if the file holds none."""
    return json.loads(path.read_text("utf-8"))


def write_sealed(path: str | os.PathLike[str], value: dict[str, Any]) -> None:
    """Write a value together with its `digest`, in one piece."""
    sealed = json.dumps({"sha256": digest(value), "value": value})
    replace_file(pathlib.Path(path), sealed.encode())


def read_sealed(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return what `write_sealed` wrote; None where it is missing or was changed."""
    try:
        sealed = read(pathlib.Path(path))
        value: dict[str, Any] = sealed["value"]
        return value if sealed["sha256"] == digest(value) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
