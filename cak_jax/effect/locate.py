"""Find an effect by file, run folder, shipped name or text code.

Each effect that comes with the package is a file `shipped/NAME.json`. The folder is
the list: a new file in it is a new effect of that name.
"""

import os
import pathlib
from typing import Any

from cak_jax.effect import text_code
from cak_jax.effect.schema import EffectError, read_document
from cak_jax.runtime.files import StrPath
from cak_jax.runtime.text import printable, suggestion

FOLDER = pathlib.Path(__file__).resolve().parent / "shipped"


def names() -> list[str]:
    """Return the names of the shipped effects, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def find(name: str) -> pathlib.Path:
    """Return the file of a shipped effect.

    Raises:
      EffectError: one line with all names, and the nearest as a suggestion.
    """
    known = names()
    if name in known:
        return FOLDER / f"{name}.json"
    raise EffectError(
        f"{printable(name)[:80]}: there is no such file, and no effect of that name "
        f"comes with cak_jax ({', '.join(known)}){suggestion(name, known)}"
    )


def locate(effect: StrPath) -> pathlib.Path | None:
    """Return the effect file of a path or a name; None for a text code.

    Lookup order: path, shipped name, text code. In a folder the file is `effect.json`.

    Raises:
      EffectError: nothing is found. A text that looks like a path is returned even if
        nothing is there, because its reader names the fault.
    """
    text = os.fspath(effect)
    path = pathlib.Path(text)
    looks_like_a_path = path.name != text or path.suffix == ".json"
    if not looks_like_a_path and _is_code(text):
        return None
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as error:  # such as a name that is too long for a file
        raise EffectError(f"{printable(text)[:80]}: {error.strerror}") from None
    if is_folder:
        inside = path / "effect.json"
        if text in names() and not inside.exists():
            raise EffectError(
                f"{inside}: there is no such file, and the folder {text} hides the "
                "effect of that name; call from another folder"
            )
        return inside
    return path if looks_like_a_path or exists else find(text)


def read(effect: StrPath) -> dict[str, Any]:
    """Return the checked document of the effect that `locate` finds, or of a text code.

    Raises:
      EffectError: one line that names the file and the field, or names the fault in
        the code, or lists the shipped names.
    """
    path = locate(effect)
    return read_document(path) if path else text_code.decode(os.fspath(effect))


def _is_code(text: str) -> bool:
    # `lexists`, because `exists` raises for a code too long for a file name.
    taken = text in names() or os.path.lexists(text)
    return not taken and text_code.looks_like_code(text)
