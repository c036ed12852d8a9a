"""Metadata blocks of FLAC files: read from one file, inserted into another.

As in `riff_chunks`, no declared size is believed. Format: RFC 9639, section 8.
"""

import os
import struct
from typing import BinaryIO

from cak_jax.audio.riff_chunks import LIMIT, MOST

APPLICATION, COMMENTS, CUE_SHEET, PICTURE = 2, 4, 5, 6
KEPT = (APPLICATION, COMMENTS, CUE_SHEET, PICTURE)
_LARGEST = (1 << 24) - 1
_LAST = 0x80
_COPIED_AT_ONCE = 1 << 20


def is_flac(file: BinaryIO) -> bool:
    """Say whether an open file is FLAC."""
    file.seek(0)
    return file.read(4) == b"fLaC"


def read(file: BinaryIO) -> tuple[tuple[tuple[int, bytes], ...], tuple[str, ...]]:
    """Return the blocks of an open FLAC file that are kept, in order.

    Returns:
      `(kind, bytes)` of each block, comments without the encoder's name, and one note
      for each fault of the list.
    """
    kept: list[tuple[int, bytes]] = []
    notes, room = [], LIMIT
    blocks, whole, _ = _blocks(file)
    if not whole:
        notes.append("the list of metadata blocks is damaged")
    for kind, start, size in blocks:
        if kind not in KEPT:
            continue
        if size > room:
            notes.append(f"a metadata block of {size} bytes is too large to keep")
            continue
        file.seek(start)
        body = file.read(size)
        room -= size
        if kind == COMMENTS:
            _, comments = split_comments(body)
            if comments is None or any(kind == COMMENTS for kind, _ in kept):
                notes.append("a block of comments is damaged")
                continue
            if comments == bytes(4):
                continue
            body = comments
        kept.append((kind, body))
    return tuple(kept), tuple(notes)


def insert(file: BinaryIO, parts: tuple[tuple[int, bytes], ...]) -> None:
    """Insert blocks between the blocks of a valid file and its first frame.

    Args:
      file: open for reading and writing.
      parts: from `read`. Their comments replace those of the file, behind the name of
        the encoder that wrote the file.
    """
    present, _, first_frame = _blocks(file)
    head, encoder = [], bytes(4)
    for kind, start, size in present:
        file.seek(start)
        body = file.read(size)
        if kind == COMMENTS:
            encoder, _ = split_comments(body)
        if kind != COMMENTS or COMMENTS not in dict(parts):
            head.append((kind, body))
    head += [(k, encoder + body if k == COMMENTS else body) for k, body in parts]
    data = b"".join(
        struct.pack(">I", (kind | _LAST * (n == len(head))) << 24 | len(body)) + body
        for n, (kind, body) in enumerate(head, 1)
    )
    _shift(file, first_frame, 4 + len(data) - first_frame)
    file.seek(4)
    file.write(data)


def split_comments(body: bytes) -> tuple[bytes, bytes | None]:
    """Split a block of comments into the encoder's name and the comments.

    Returns:
      Both parts, each with its count before it. The second one is None if the counts do
      not fit the bytes, or if it is too long for a block with another name.
    """
    try:
        rest = 4 + struct.unpack_from("<I", body)[0]
        position = rest + 4
        for _ in range(struct.unpack_from("<I", body, rest)[0]):
            position += 4 + struct.unpack_from("<I", body, position)[0]
    except struct.error:
        return bytes(4), None
    fits = position == len(body) and len(body) - rest < _LARGEST - 1024
    return body[:rest], body[rest:] if fits else None


def _blocks(file: BinaryIO) -> tuple[list[tuple[int, int, int]], bool, int]:
    """Return `(kind, start, size)` of each block, whether all are there, the end."""
    end = file.seek(0, os.SEEK_END)
    position, blocks = 4, []
    for _ in range(MOST):
        file.seek(position)
        header = file.read(4)
        if len(header) < 4:
            break
        kind, size = header[0] & ~_LAST, int.from_bytes(header[1:], "big")
        if kind == 127 or position + 4 + size > end:
            break
        blocks.append((kind, position + 4, size))
        position += 4 + size
        if header[0] & _LAST:
            return blocks, True, position
    return blocks, False, position


def _shift(file: BinaryIO, start: int, by: int) -> None:
    """Move the bytes from `start` on towards the end of the file, by `by` bytes."""
    position = file.seek(0, os.SEEK_END)
    while position > start:
        count = min(_COPIED_AT_ONCE, position - start)
        position -= count
        file.seek(position)
        data = file.read(count)
        file.seek(position + by)
        file.write(data)
