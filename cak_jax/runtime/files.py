"""Files written completely or not at all, and the folders made for them."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import BinaryIO


def open_without_waiting(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading; a FIFO is an error, not a wait for a writer."""
    # Without O_NONBLOCK, opening a FIFO waits for ever.
    flag = getattr(os, "O_NONBLOCK", 0)
    return open(path, "rb", opener=lambda path, flags: os.open(path, flags | flag))


def replace_file(path: pathlib.Path, data: bytes) -> None:
    """Write `data` under a temporary name beside `path`, then rename it there.

    Raises:
      OSError: that names `path`.
    """
    try:
        _replace(path, data)
    except OSError as error:
        # A full disk says so without a name, and the temporary one helps nobody.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _replace(path: pathlib.Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp gives 0600; a result should be as readable as any other new file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def folder_made(folder: pathlib.Path) -> Iterator[None]:
    """Make a folder and those above it; an error takes away the new ones again."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            # What is not empty stays.
            with contextlib.suppress(OSError):
                path.rmdir()
        raise
