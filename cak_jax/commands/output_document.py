"""A document to be written: refused before the work where it cannot or must not be."""

import os
import pathlib

from cak_jax.audio.formats import SUFFIXES
from cak_jax.runtime.text import printable


def check_output(
    flag: str, given: str, inputs: set[pathlib.Path], overwrite: bool
) -> pathlib.Path:
    """Return where a document goes.

    Args:
      flag: that named the file, such as "--json".
      given: its value.
      inputs: files that are read, as `Path.resolve` gives them.
      overwrite: whether a file that exists may be replaced.

    Raises:
      ValueError: one line that names the flag, the file and the remedy.
    """
    if not given:
        raise ValueError(f"{flag}: is empty; name a file")
    # Where a link leads to, so that the link itself stays.
    target = pathlib.Path(os.path.realpath(pathlib.Path(given).expanduser()))
    shown = f"{flag}={printable(given)}"
    if target.is_dir():
        raise ValueError(f"{shown}: is a folder; name a file in it")
    if target.exists() and not target.is_file():
        raise ValueError(f"{shown}: is no ordinary file; name another")
    if target in inputs or target.suffix.lower() in SUFFIXES:
        raise ValueError(f"{shown}: would take the place of an input; name another")
    if target.exists() and not overwrite:
        raise ValueError(f"{shown}: exists; add --overwrite to replace it")
    if not target.parent.is_dir():
        raise ValueError(f"{shown}: the folder does not exist; make it first")
    if not os.access(target.parent, os.W_OK):
        raise ValueError(f"{shown}: the folder cannot be written to; name another")
    return target
