"""Find out whether a sound file was cut short, from the length that it declares.

Decoders read such a file to its end without an error. `shortfall` compares the end with
the header or with the last page; `streams.mpeg` does so for MP3. Files may be damaged
on purpose, so every read is bounded, and a damaged list of chunks gives no answer.
"""

import os
import struct
from typing import Any, BinaryIO

from cak_jax.audio.riff_chunks import UNKNOWN, chunks
from cak_jax.runtime.files import StrPath, open_without_waiting

# Bytes; no page of OGG is longer.
_LONGEST_PAGE = 65307
_LAST_PAGE = 4
CUT = "is cut short"
"""How every note begins on a file of which the end is missing."""
# First bytes of a list of chunks -> the arguments of `chunks`, and the size from which
# on the length is unknown.
_CHUNKS: dict[bytes, tuple[tuple[Any, ...], int]] = {
    b"RIFF": (("<4sI", b"data"), UNKNOWN),
    b"RF64": (("<4sI", b"data"), 1 << 63),
    b"BW64": (("<4sI", b"data"), 1 << 63),
    b"RIFX": ((">4sI", b"data"), UNKNOWN),
    b"FORM": ((">4sI", b"SSND"), UNKNOWN),
    b"riff": (("<16sQ", b"data", 40, 8, True), 1 << 62),
    b"caff": ((">4sQ", b"data", 8, 1), 1 << 62),
}


def shortfall(path: StrPath) -> str:
    """Say how a file is cut short; "" if nothing shows that it is.

    Raises:
      OSError: the file cannot be read.
    """
    with open_without_waiting(path) as file:
        head, end = file.read(4), file.seek(0, os.SEEK_END)
        if head in _CHUNKS:
            arguments, unknown = _CHUNKS[head]
            for name, start, size in chunks(file, *arguments):
                if name.startswith(arguments[1]):
                    return _in_words(start + size - end) if size < unknown else ""
            return ""
        known = {b".snd": _au, b"OggS": _ogg}.get(head)
        return known(file, end) if known else ""


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
    return f"{CUT}: the end of the stream is missing"


def _in_words(missing: int) -> str:
    return f"{CUT}: {missing} bytes of it are missing" if missing > 0 else ""
