"""The sounds of a zip: its limits are checked before anything is extracted.

Nothing in the zip is trusted: neither its sizes nor its names nor its list of contents.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import stat
import struct
import uuid
import zipfile
import zlib

from cak_jax.audio.formats import SUFFIXES
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable

MOST_ENTRIES = 2000
LARGEST_ENTRY, LARGEST_TOTAL = 1 << 28, 1 << 30
# 200, because a folder of sounds compresses far less. Only silence or a zip bomb
# compresses a thousandfold.
LARGEST_RATIO = 200
# A zip whose content is smaller than 1 MB may have any ratio.
SMALL = 1 << 20
LARGEST_LIST = 1 << 20
LONGEST_NAME = 60
_DEEPEST = 16
_END = struct.Struct("<4s4H2LH")
_COMMENT = 1 << 16
_BLOCK = 1 << 16
# The exceptions of zipfile for a damaged zip; RuntimeError also for a compression
# method that it does not know.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    UnicodeError,
)


class ZipError(InputError):
    """A zip cannot be used; one sentence that names the remedy."""


def folder_of(path: str, cache: str) -> str:
    """Return the folder with the sounds of a zip; any other path as it is.

    The folder lies in the cache, named after the zip's content, so that a zip is
    extracted once.

    Raises:
      ZipError: the zip cannot be used; the message names it.
    """
    if not path.lower().endswith(".zip") or not os.path.isfile(path):
        return path
    with open(path, "rb") as file:
        name = hashlib.file_digest(file, "sha256").hexdigest()[:32]
    folder = os.path.join(cache, f"zip-{name}")
    if not os.path.isdir(folder):
        partial = pathlib.Path(cache, f"zip-{name}.{uuid.uuid4().hex}.partial")
        partial.mkdir()
        try:
            extract(pathlib.Path(path), partial, keep_names=True)
            with contextlib.suppress(OSError):  # another process was faster
                os.rename(partial, folder)
        except ZipError as error:
            raise ZipError(f"{printable(path)}: {error}") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def extract(
    archive: pathlib.Path, folder: pathlib.Path, keep_names: bool = False
) -> int:
    """Extract a zip's sound files into an empty folder; count them.

    They get new names, or with `keep_names` their own, as far as every system can
    store them.

    Raises:
      ZipError: it is no zip, damaged, built to do harm, or holds no sound.
    """
    try:
        with zipfile.ZipFile(_checked(archive)) as opened:
            entries = [entry for entry in _entries(opened) if _is_sound(entry)]
            _check_sizes(entries, archive.stat().st_size)
            left = LARGEST_TOTAL
            for number, entry in enumerate(entries):
                name = _name(number, entry)
                if keep_names:
                    name = _kept_name(folder, entry) or name
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                left -= _extract_one(opened, entry, target, left)
    except _DAMAGED as error:
        reason = printable(str(error))[:80]
        raise ZipError(
            f"the zip is damaged, or no zip ({reason}): zip the folder again"
        ) from None
    if not entries:
        raise ZipError(
            "the zip holds no sound file (WAV, FLAC, OGG, MP3, AIFF): zip the folder "
            "that your sounds are in"
        )
    return len(entries)


def _checked(archive: pathlib.Path) -> pathlib.Path:
    """Refuse a list of contents that would fill the memory; return the zip's path."""
    with archive.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _END.size - _COMMENT - 20)
        file.seek(start)
        tail = file.read()
    offset = tail.rfind(b"PK\5\6")
    if offset < 0 or offset + _END.size > len(tail):
        raise ZipError("this is no zip: choose one, or zip the folder again")
    *_, entries, length, _, _ = _END.unpack_from(tail, offset)
    # zipfile follows this locator of 64-bit counts, which nothing above has checked.
    if b"PK\6\7" in tail[max(0, offset - 20) : offset]:
        raise ZipError("the zip is of the large kind (zip64): make smaller ones")
    if entries > MOST_ENTRIES or length > LARGEST_LIST:
        raise _too_many()
    return archive


def _too_many() -> ZipError:
    return ZipError(
        f"the zip holds more than {MOST_ENTRIES} files: take the sounds only"
    )


def _entries(opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    entries = opened.infolist()
    if len(entries) > MOST_ENTRIES:
        raise _too_many()
    for entry in entries:
        # A name that leads out of the zip is an attack, so the whole zip is refused.
        parts = pathlib.PurePosixPath(entry.filename.replace("\\", "/")).parts
        if ".." in parts or entry.filename.startswith(("/", "\\")):
            raise ZipError(
                f"the zip holds a name that leads out of it "
                f"({printable(entry.filename)[:80]}): zip the folder again"
            )
        if entry.flag_bits & 1:
            raise ZipError("the zip has a password: make one without")
    return entries


def _is_sound(entry: zipfile.ZipInfo) -> bool:
    path = pathlib.PurePosixPath(entry.filename)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    plain = not entry.is_dir() and kind in (0, stat.S_IFREG)
    return plain and not hidden and path.suffix.lower() in SUFFIXES


def _check_sizes(entries: list[zipfile.ZipInfo], size: int) -> None:
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ZipError(
                "the zip is compressed in an unusual way: use the common one (deflate)"
            )
        if entry.file_size > LARGEST_ENTRY:
            raise ZipError(
                f"{printable(entry.filename)[:80]} in the zip has more than "
                f"{LARGEST_ENTRY >> 20} MB: cut it into shorter sounds"
            )
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST_TOTAL:
        raise ZipError(
            f"the zip holds more than {LARGEST_TOTAL >> 20} MB: take fewer sounds"
        )
    if total > SMALL and total > LARGEST_RATIO * size:
        raise ZipError(
            f"the zip would grow more than {LARGEST_RATIO}fold: that is no sound"
        )


def _name(number: int, entry: zipfile.ZipInfo) -> str:
    path = pathlib.PurePosixPath(entry.filename)
    stem = "".join(c if c.isalnum() and c.isascii() else "_" for c in path.stem)
    return f"{number:04d}_{stem[:LONGEST_NAME]}{path.suffix.lower()}"


def _kept_name(folder: pathlib.Path, entry: zipfile.ZipInfo) -> str:
    """Return an entry's own path; "" if it cannot be used or is taken."""
    parts = pathlib.PurePosixPath(entry.filename).parts
    plain = all(
        part.isprintable()
        and len(part.encode()) < 200
        and not set(part) & set('\\:*?"<>|')
        for part in parts
    )
    name = "/".join(parts)
    fits = plain and len(parts) <= _DEEPEST and not os.path.lexists(folder / name)
    # A file of the zip may have the name of a folder of it.
    return name if fits and not _has_file_above(folder, parts) else ""


def _has_file_above(folder: pathlib.Path, parts: tuple[str, ...]) -> bool:
    return any(folder.joinpath(*parts[:n]).is_file() for n in range(1, len(parts)))


def _extract_one(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: pathlib.Path, left: int
) -> int:
    """Extract a file of at most `left` bytes; return the bytes that were written."""
    most, written = min(LARGEST_ENTRY, left), 0
    with opened.open(entry) as source, target.open("xb") as file:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > most:
                raise ZipError("the zip holds more than it says: zip it again")
            file.write(block)
    return written
