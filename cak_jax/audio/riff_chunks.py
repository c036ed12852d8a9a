"""Chunks of RIFF and FORM files: a name of four letters, a size, bytes, a pad byte.

Read from files that may be damaged on purpose: no declared size is believed, what is
read at once is bounded, and the first header that cannot be one ends the list.
"""

import os
import struct
from typing import BinaryIO

LIMIT = 16 << 20
"""Bytes of metadata that are kept of one file."""
MOST = 4096
_HEADER = 8
# Declared by writers that could not know the length, such as pipes.
UNKNOWN = 0x7FFFF000


def read(
    file: BinaryIO, order: str, left_out: frozenset[bytes], sound: bytes
) -> tuple[tuple[tuple[bytes, bytes], ...], tuple[str, ...]]:
    """Return the chunks of an open file, in order.

    Args:
      file: begins with a header of twelve bytes; seekable.
      order: of the bytes in a size, "<" or ">".
      left_out: names of chunks that are not returned.
      sound: name of the chunk that holds the samples; its size may stand in `ds64`.

    Returns:
      `(name, bytes)` of each chunk, and what was wrong with the list.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(4)
    declared = _HEADER + struct.unpack(f"{order}I", file.read(4))[0]
    parts, notes, room, position = [], [], LIMIT, 12
    for _ in range(MOST):
        if position + 1 >= end:  # no more than a pad byte
            break
        name, size = _header(file, position, order)
        if name == sound and size == 0xFFFFFFFF:
            size = wide_size(file, size)
        start = position + _HEADER
        if not _is_name(name) or start + size > end:
            # Bytes behind the declared end belong to no list.
            # Of the sound itself that tells `declared`.
            if position < declared and name != sound:
                notes.append(f"the list of chunks is damaged at byte {position}")
            break
        if name not in left_out and size + _HEADER > room:
            notes.append(f"chunk {_shown(name)} of {size} bytes is too large to keep")
        elif name not in left_out:
            file.seek(start)
            parts.append((name, file.read(size)))
            room -= size + _HEADER
        position = _next(file, start + size, size, order, end)
    else:
        notes.append(f"of the chunks only the first {MOST} were read")
    return tuple(parts), tuple(notes)


def append(file: BinaryIO, order: str, parts: tuple[tuple[bytes, bytes], ...]) -> None:
    """Write chunks at the end of an open, valid file and set the file's size.

    Args:
      file: open for reading and writing; RF64 counts its bytes in `ds64`.
      order: of the bytes in a size, "<" or ">".
      parts: `(name, bytes)` of each chunk.
    """
    end = file.seek(0, os.SEEK_END)
    file.write(bytes(end % 2))
    for name, body in parts:
        file.write(name + struct.pack(f"{order}I", len(body)))
        file.write(body + bytes(len(body) % 2))
    size = file.tell() - _HEADER
    file.seek(0)
    wide = file.read(4) == b"RF64"
    file.seek(20 if wide else 4)
    file.write(struct.pack(f"{order}{'Q' if wide else 'I'}", size))


def clear_peak_time(path: str | os.PathLike) -> None:
    """Write 0 where the chunk PEAK of a valid WAV or AIFF file tells when it was made.

    So that the same sound is the same file, whenever it is written. A file of another
    kind, or without that chunk before the samples, stays as it is.
    """
    with open(path, "r+b") as file:
        order = {b"RIFF": "<", b"FORM": ">"}.get(file.read(4))
        if order is None:
            return
        end = file.seek(0, os.SEEK_END)
        position = 12
        name, size = _header(file, position, order)
        while name not in (b"PEAK", b"data", b"SSND", b""):
            position = _next(file, position + _HEADER + size, size, order, end)
            name, size = _header(file, position, order)
        if name == b"PEAK":
            # Behind the version, in seconds since 1970.
            file.seek(position + _HEADER + 4)
            file.write(bytes(4))


def _header(file: BinaryIO, position: int, order: str) -> tuple[bytes, int]:
    file.seek(position)
    data = file.read(_HEADER)
    # One that is cut short has no name.
    return struct.unpack(f"{order}4sI", data) if len(data) == _HEADER else (b"", 0)


def _is_name(name: bytes) -> bool:
    return (
        len(name) == 4
        and all(0x20 <= byte <= 0x7E for byte in name)
        and name != b"    "
    )


def wide_size(file: BinaryIO, size: int) -> int:
    """Return the size of the sound that RF64 keeps in its first chunk."""
    file.seek(0)
    head = file.read(36)
    wide = head[:4] == b"RF64" and head[12:16] == b"ds64" and len(head) == 36
    return struct.unpack("<Q", head[28:36])[0] if wide else size


def _next(file: BinaryIO, after: int, size: int, order: str, end: int) -> int:
    """Return where the next chunk begins; some writers forget the pad byte."""
    if size % 2 == 0:
        return after
    padded = _begins(file, after + 1, order, end)
    return after if not padded and _begins(file, after, order, end) else after + 1


def _begins(file: BinaryIO, position: int, order: str, end: int) -> bool:
    name, size = _header(file, position, order)
    return _is_name(name) and position + _HEADER + size <= end


def _shown(name: bytes) -> str:
    return ascii(name.decode("latin-1"))
