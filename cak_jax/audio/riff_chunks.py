"""Chunks of RIFF and FORM files: a name of four letters, a size, bytes, a pad byte.

Files may be damaged on purpose. So no declared size is believed, every read is bounded,
and the first impossible header ends the list.
"""

import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from cak_jax.runtime.files import StrPath

LIMIT = 16 << 20
"""The most bytes of metadata that are kept of one file."""
MOST = 4096
"""The most chunks or blocks that are read of one file."""
_HEADER = 8
_SMALL = 1 << 16
# Sizes from here on are declared by writers to a pipe, which cannot know the length:
# sox writes 0x7F000000 and a little more.
UNKNOWN = 0x7F000000


def chunks(
    file: BinaryIO,
    layout: str,
    sound: bytes,
    start: int = 12,
    pad: int = 2,
    inclusive: bool = False,
) -> Iterator[tuple[bytes, int, int]]:
    """Yield `(name, start, size)` of each chunk; the last one may reach beyond the end.

    The name is empty where a header is cut short.

    Args:
      layout: `struct` format of a name and a size.
      sound: the first letters of the name of the chunk with the samples.
      start: the byte at which the list begins.
      pad: every chunk is filled up to a multiple of so many bytes.
      inclusive: whether a size counts its own name and size.
    """
    header, position, end = struct.Struct(layout), start, file.seek(0, os.SEEK_END)
    for _ in range(MOST):
        if position + 1 >= end:  # no more than a pad byte
            return
        name, size = _header(file, position, header)
        if name.startswith(sound) and size == 0xFFFFFFFF:
            size = _wide_size(file, size)
        size -= header.size * inclusive
        start = position + header.size
        yield name, start, size
        after = start + size
        if not name or size < 0 or after > end:
            return
        position = after + (size if pad == 2 else -after) % pad
        # Some writers forget the pad byte.
        if pad == 2 and size % 2 and _begins(file, after, header, end):
            position -= not _begins(file, position, header, end)


def read(
    file: BinaryIO, order: str, left_out: frozenset[bytes], sound: bytes
) -> tuple[tuple[tuple[bytes, bytes], ...], tuple[str, ...]]:
    """Return the chunks of an open file, in order.

    Args:
      file: begins with a header of twelve bytes.
      order: of the bytes in a size, "<" or ">".
      left_out: names of chunks that are not returned.
      sound: name of the chunk with the samples; `ds64` may hold its size.

    Returns:
      `(name, bytes)` of each chunk, and one note for each fault of the list.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(4)
    declared = _HEADER + struct.unpack(f"{order}I", file.read(4))[0]
    parts, notes, room, count = [], [], LIMIT, 0
    for name, start, size in chunks(file, f"{order}4sI", sound):
        count += 1
        position = start - _HEADER
        if not _is_name(name) or start + size > end:
            # Bytes behind the declared end belong to no list. Samples that are cut
            # short are reported by `truncation`.
            if position < declared and name != sound:
                notes.append(f"the list of chunks is damaged at byte {position}")
            break
        if name in left_out:
            continue
        if size + _HEADER > room:
            shown = ascii(name.decode("latin-1"))
            notes.append(f"chunk {shown} of {size} bytes is too large to keep")
            continue
        file.seek(start)
        parts.append((name, file.read(size)))
        room -= size + _HEADER
    else:
        if count == MOST:
            notes.append(f"of the chunks only the first {MOST} were read")
    return tuple(parts), tuple(notes)


def append(file: BinaryIO, order: str, parts: tuple[tuple[bytes, bytes], ...]) -> None:
    """Write chunks at the end of an open, valid file and set the file's size.

    Args:
      file: open for reading and writing; RF64 counts its bytes in `ds64`.
      order: of the bytes in a size, "<" or ">".
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


def speakers(file: BinaryIO) -> bytes:
    """Return the channel mask and sub-format of an EXTENSIBLE WAV; else b"".

    Of the sub-format the code of the samples' type is left out.
    """
    body = _content(file, b"fmt ", "<4sI")
    return body[20:24] + body[26:40] if _is_extensible(body) else b""


def set_speakers(file: BinaryIO, value: bytes) -> None:
    """Write what `speakers` returned into a file; one of another layout stays."""
    body = _content(file, b"fmt ", "<4sI")
    if _is_extensible(body):
        file.seek(-len(body), os.SEEK_CUR)
        file.write(body[:20] + value[:4] + body[24:26] + value[4:] + body[40:])


def speakers_of_caf(file: BinaryIO) -> bytes:
    """Return the channel layout of a CAF; b"" for none."""
    return _content(file, b"chan", ">4sQ", 8, 1)


def append_caf(file: BinaryIO, name: bytes, body: bytes) -> None:
    """Append a chunk to a CAF that declares the size of its samples."""
    file.seek(0, os.SEEK_END)
    file.write(name + struct.pack(">Q", len(body)) + body)


def _is_extensible(body: bytes) -> bool:
    return body[:2] == b"\xfe\xff" and len(body) >= 40


def _content(file: BinaryIO, name: bytes, layout: str, *form: Any) -> bytes:
    """Return the content of a small chunk, and stand behind it; b"" for none."""
    for found, start, size in chunks(file, layout, b"data", *form):
        if found == name and size <= _SMALL:
            file.seek(start)
            return file.read(size)
    return b""


def clear_peak_time(path: StrPath) -> None:
    """Write 0 into the time stamp of the chunk PEAK of a valid WAV or AIFF file.

    The same sound then makes the same file at any time. A file of another kind, or one
    without that chunk before the samples, stays as it is.
    """
    with open(path, "r+b") as file:
        order = {b"RIFF": "<", b"FORM": ">"}.get(file.read(4))
        for name, start, _ in chunks(file, f"{order}4sI", b"data") if order else ():
            if name in (b"data", b"SSND"):
                return
            if name == b"PEAK":
                # The time, in seconds since 1970, follows the version.
                file.seek(start + 4)
                file.write(bytes(4))
                return


def _header(file: BinaryIO, position: int, header: struct.Struct) -> tuple[bytes, int]:
    file.seek(position)
    data = file.read(header.size)
    return header.unpack(data) if len(data) == header.size else (b"", 0)


def _is_name(name: bytes) -> bool:
    printable = all(0x20 <= byte <= 0x7E for byte in name)
    return len(name) == 4 and printable and name != b"    "


def _begins(file: BinaryIO, position: int, header: struct.Struct, end: int) -> bool:
    name, size = _header(file, position, header)
    return _is_name(name) and position + _HEADER + size <= end


def _wide_size(file: BinaryIO, size: int) -> int:
    """Return the size of the samples of RF64 or BW64; `size` for any other file."""
    file.seek(0)
    head = file.read(36)
    wide = head[:4] in (b"RF64", b"BW64") and head[12:16] == b"ds64" and len(head) == 36
    return struct.unpack("<Q", head[28:36])[0] if wide else size
