"""What stands for an effect: a file, a run folder, a shipped name or a text code.

Effects that come with the package are one file `effect_files/NAME.json` each. Nothing
is listed here: a file in that folder is an effect with its name.
"""

import difflib
import os
import pathlib
from typing import Any

from cak_jax.effect import text_code
from cak_jax.effect.schema import EffectError, read_document
from cak_jax.runtime.text import printable

FOLDER = pathlib.Path(__file__).resolve().parent / "shipped"


def names() -> list[str]:
    """Return the names of the shipped effects, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def find(name: str) -> pathlib.Path:
    """Return the file of a shipped effect.

    Raises:
      EffectError: one line with the names there are, the nearest one suggested.
    """
    known = names()
    if name in known:
        return FOLDER / f"{name}.json"
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise EffectError(
        f"{printable(name)[:80]}: there is no such file, and no effect of that name "
        f"comes with cak_jax ({', '.join(known)}){hint}"
    )


def locate(effect: str | os.PathLike[str]) -> pathlib.Path | None:
    """Return the effect file that a path or a name stands for; None for a text code.

    A file or folder that exists wins over a name, and a name over a code; in a folder
    it is `effect.json`.

    Raises:
      EffectError: there is none of these. What looks like a path is returned as it is:
        its reader says what is wrong with it, as `effect_code` does of a code.
    """
    given = os.fspath(effect)
    path = pathlib.Path(given)
    looks_like_a_path = path.name != given or path.suffix == ".json"
    if not looks_like_a_path and _is_code(given):
        return None
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as error:  # such as a name that is too long for a file
        raise EffectError(f"{printable(given)[:80]}: {error.strerror}") from None
    if is_folder:
        inside = path / "effect.json"
        if given in names() and not inside.exists():
            raise EffectError(
                f"{inside}: there is no such file, and the folder {given} hides the "
                "effect of that name; call from another folder"
            )
        return inside
    return path if looks_like_a_path or exists else find(given)


def read(effect: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the document of what `locate` finds, or of a text code, checked.

    Raises:
      EffectError: one line that names the file and the field, or what is wrong with
        the code, or the names there are.
    """
    path = locate(effect)
    if path is None:
        return text_code.decode(os.fspath(effect))
    return read_document(path)


def _is_code(given: str) -> bool:
    # `lexists` does not mind a code that is too long for a file's name.
    taken = given in names() or os.path.lexists(given)
    return not taken and text_code.looks_like_code(given)
