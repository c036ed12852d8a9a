"""Effects that come with the package: by name, one file `effect_files/NAME.json` each.

Nothing is listed here: a file in that folder is an effect with its name.
"""

import difflib
import os
import pathlib

from cak_jax.effect_schema import EffectError
from cak_jax.formats import printable

FOLDER = pathlib.Path(__file__).resolve().parent / "effect_files"


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


def locate(path_or_name: str | os.PathLike) -> pathlib.Path:
    """Return the effect file that a path or a name stands for.

    A file or folder that exists wins over a name; in a folder it is `effect.json`.

    Raises:
      EffectError: there is neither. What looks like a path is returned as it is: its
        reader says what is wrong with it.
    """
    given = os.fspath(path_or_name)
    path = pathlib.Path(given)
    if path.is_dir():
        inside = path / "effect.json"
        if given in names() and not inside.exists():
            raise EffectError(
                f"{inside}: there is no such file, and the folder {given} hides the "
                "effect of that name; call from another folder"
            )
        return inside
    looks_like_a_path = path.name != given or path.suffix == ".json"
    return path if looks_like_a_path or path.exists() else find(given)
