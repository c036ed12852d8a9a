"""`-` as an input or output of `apply`: one sound from standard input, to its output.

Decoders need a file that can be sought, and metadata are added to a finished file. So
the sound goes through a folder of its own, which is removed at the end.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

from cak_jax.runtime.errors import InputError

STREAM = "-"
STANDARD_INPUT = "standard input"


@contextlib.contextmanager
def through_files(options: argparse.Namespace) -> Iterator[None]:
    """Replace `-` in the options by files while the block runs.

    At the end of the block what was rendered is written to standard output. Until
    then, what is printed goes to standard error.

    Raises:
      InputError: `-` together with other inputs, or with a report on standard output.
    """
    reads = STREAM in options.inputs
    writes = options.output == STREAM or (reads and options.output is None)
    if not reads and not writes:
        yield
        return
    if len(options.inputs) > 1:
        raise InputError(f"{STREAM}: stands for one sound; leave the other inputs out")
    if writes and options.json == STREAM:
        raise InputError("--json=-: the sound goes to standard output; name a file")
    with tempfile.TemporaryDirectory(prefix="cak-") as top:
        folder = pathlib.Path(top, "out")
        if reads:
            options.inputs = [_received(pathlib.Path(top))]
        if writes:
            folder.mkdir()
            options.output = f"{folder}{os.sep}"
        with contextlib.redirect_stdout(sys.stderr if writes else sys.stdout):
            yield
        for path in folder.iterdir() if writes else ():
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _received(folder: pathlib.Path) -> str:
    """Write standard input to a file; return its path."""
    if sys.stdin.isatty():
        raise InputError(f"{STREAM}: nothing is piped into standard input")
    path = folder / STANDARD_INPUT
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return os.fspath(path)
