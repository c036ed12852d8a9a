"""Check, before the work, a file or a folder that a flag names for output."""

import os
import pathlib
from collections.abc import Iterable

from cak_jax.audio.formats import SUFFIXES
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable


def check_output(
    flag: str, name: str, inputs: Iterable[pathlib.Path], overwrite: bool
) -> pathlib.Path:
    """Return the path of an output.

    Args:
      flag, name: the flag that names the file, such as "--json", and its value.
      inputs: files that are read.
      overwrite: whether a file that exists may be replaced.
    """
    if not name:
        raise InputError(f"{flag}: is empty; name a file")
    # The target of a link, so that the link itself stays.
    target = _real(pathlib.Path(name).expanduser())
    shown = f"{flag}={printable(name)}"
    if target.is_dir():
        raise InputError(f"{shown}: is a folder; name a file in it")
    if target.exists() and not target.is_file():
        raise InputError(f"{shown}: is no ordinary file; name another")
    if target in map(_real, inputs) or target.suffix.lower() in SUFFIXES:
        raise InputError(f"{shown}: would take the place of an input; name another")
    if target.exists() and not overwrite:
        raise InputError(f"{shown}: exists; add --overwrite to replace it")
    if not target.parent.is_dir():
        raise InputError(f"{shown}: the folder does not exist; make it first")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{shown}: the folder cannot be written to; name another")
    return target


def _real(path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(os.path.realpath(path))


def make_folder(flag: str, name: str) -> pathlib.Path:
    """Return the folder that a flag names; make it if it is missing."""
    folder = pathlib.Path(name).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{flag}={printable(name)}: {error.strerror}; name a folder that can be "
            "written to"
        ) from None
    return folder
