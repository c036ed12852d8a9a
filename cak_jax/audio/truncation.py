"""Find out whether a sound file was cut short, from the length that it declares.

Decoders read such a file to its end without an error. `shortfall` compares the end with
the header or with the last page. Files may be damaged on purpose, so every read is
bounded, and a damaged list of chunks gives no answer.
"""

import os
import struct
from collections.abc import Callable
from typing import BinaryIO

from cak_jax.audio.flac_blocks import behind_id3
from cak_jax.audio.riff_chunks import MOST, UNKNOWN, wide_size
from cak_jax.runtime.files import StrPath, open_without_waiting

# Bytes; no page of OGG is longer.
_LONGEST_PAGE = 65307
_LAST_PAGE = 4
# Bytes of the longest MP3 frame, because encoders count the last one or do not.
_LONGEST_FRAME = 1441


def shortfall(path: StrPath) -> str:
    """Say how a file is cut short; "" if nothing shows that it is.

    Raises:
      OSError: the file cannot be read.
    """
    with open_without_waiting(path) as file:
        head = file.read(12)
        for begins, missing in _KINDS:
            if head.startswith(begins):
                return missing(file, file.seek(0, os.SEEK_END))
        return _mpeg(file, file.seek(0, os.SEEK_END))


def _chunks(
    start: int,
    layout: str,
    sound: bytes,
    pad: int = 1,
    inclusive: bool = False,
    unknown: int = UNKNOWN,
) -> Callable[[BinaryIO, int], str]:
    """Return the function that reads one kind of chunk list.

    Args:
      start: the byte at which the list begins.
      layout: `struct` format of a name and a size.
      sound: the first letters of the name of the chunk with the samples.
      pad: every chunk is filled up to a multiple of so many bytes.
      inclusive: whether a size counts its own name and size.
      unknown: sizes from this one on mean that the length is unknown.
    """
    header = struct.Struct(layout)

    def missing(file: BinaryIO, end: int) -> str:
        position = start
        for _ in range(MOST):
            file.seek(position)
            data = file.read(header.size)
            if len(data) < header.size:
                break
            name, size = header.unpack(data)
            if name.startswith(sound) and size == 0xFFFFFFFF:
                size = wide_size(file, size)
            size -= header.size * inclusive
            after = position + header.size + size
            if name.startswith(sound):
                return _in_words(after - end) if size < unknown else ""
            if size < 0 or after > end:
                break
            position = after + -after % pad
        return ""

    return missing


def _au(file: BinaryIO, end: int) -> str:
    file.seek(4)
    data = file.read(8)
    start, size = struct.unpack(">II", data) if len(data) == 8 else (0, 0xFFFFFFFF)
    return "" if size >= UNKNOWN else _in_words(start + size - end)


def _ogg(file: BinaryIO, end: int) -> str:
    """Look for the page that ends the stream; several streams end with one, too."""
    file.seek(max(0, end - 2 * _LONGEST_PAGE))
    data = file.read(2 * _LONGEST_PAGE)
    page = data[max(0, data.rfind(b"OggS\0")) :]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    whole = len(page) > 26 and len(page) >= 27 + page[26] + sum(segments)
    if whole and page[5] & _LAST_PAGE:
        return ""
    return "is cut short: the end of the stream is missing"


def _mpeg(file: BinaryIO, end: int) -> str:
    """Read the length in the first frame, where LAME and most encoders write it."""
    start = behind_id3(file)
    file.seek(start)
    frame = file.read(64)
    if frame[:1] != b"\xff":
        return ""
    for place in (13, 21, 36):
        if frame[place : place + 4] in (b"Xing", b"Info"):
            flags = int.from_bytes(frame[place + 4 : place + 8], "big")
            # The number of frames, if there is one, comes before that of bytes.
            place += 8 + 4 * (flags & 1)
            size = int.from_bytes(frame[place : place + 4], "big") * (flags >> 1 & 1)
            missing = start + size - end
            return _in_words(missing) if missing > _LONGEST_FRAME else ""
    return ""


def _in_words(missing: int) -> str:
    return f"is cut short: {missing} bytes of it are missing" if missing > 0 else ""


_KINDS = (
    (b"RIFF", _chunks(12, "<4sI", b"data", 2)),
    (b"RF64", _chunks(12, "<4sI", b"data", 2, unknown=1 << 63)),
    (b"RIFX", _chunks(12, ">4sI", b"data", 2)),
    (b"FORM", _chunks(12, ">4sI", b"SSND", 2)),
    (b"riff", _chunks(40, "<16sQ", b"data", 8, inclusive=True, unknown=1 << 62)),
    (b"caff", _chunks(8, ">4sQ", b"data", unknown=1 << 62)),
    (b".snd", _au),
    (b"OggS", _ogg),
    # The decoder of FLAC itself refuses a file that is cut short.
    (b"fLaC", lambda file, end: ""),
)
