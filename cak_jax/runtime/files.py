"""Files that are written completely or not at all, and folders for them."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

StrPath = str | os.PathLike[str]
# Of the names of files that are not renamed yet.
PREFIX, SUFFIX = ".", ".tmp"


def open_without_waiting(path: StrPath) -> BinaryIO:
    """Open a file for reading, without waiting for the writer of a FIFO."""
    # Without O_NONBLOCK, opening a FIFO waits until somebody writes to it.
    flag = getattr(os, "O_NONBLOCK", 0)
    return open(path, "rb", opener=lambda path, flags: os.open(path, flags | flag))


def replace_file(path: pathlib.Path, data: bytes) -> None:
    """Replace the content of `path`: write a temporary file beside it and rename it.

    Raises:
      OSError: the file cannot be written; the error names `path`.
    """
    try:
        _replace(path, data)
    except OSError as error:
        # The system names the temporary file, or none where the disk is full.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _replace(path: pathlib.Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(SUFFIX, PREFIX, path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp sets the mode 0600; other new files have the mode of the umask.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


def remove_unfinished(folder: pathlib.Path) -> None:
    """Remove what `replace_file` leaves in a folder when its process is killed.

    Only where no other process writes.
    """
    for path in folder.glob(f"{PREFIX}????????{SUFFIX}"):  # as mkstemp names them
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_made(folder: pathlib.Path) -> Iterator[None]:
    """Make a folder and its parents; remove the new ones if the block fails."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            # A folder that is not empty stays.
            with contextlib.suppress(OSError):
                path.rmdir()
        raise
