"""Sizes that WAV, AIFF, AU, CAF and W64 declare: mended where they are none.

A recorder that was switched off leaves a size of 0, with the sound behind it. Decoders
believe it, or refuse the file. Joined files follow each other behind the declared end.
"""

import struct
from typing import Any

from cak_jax.audio import riff_chunks
from cak_jax.audio.streams.source import Piece, Source, Stream, opened

UNFINISHED = "declares no length, as if its recorder was switched off: read to its end"
_RIFF = {b"RIFF": "<", b"RIFX": ">", b"RF64": "<", b"BW64": "<"}
# More files in one are no recording.
_MOST = 1000
# Place of a new value, and its bytes.
Patch = tuple[int, bytes]


def streams(source: Source, start: int) -> tuple[list[Stream], list[str]]:
    """Return the streams of a file of chunks or of AU, and notes on it."""
    found, notes = list[Stream](), list[str]()
    while len(found) < _MOST:
        stop, patches = _first(source, start)
        if any(not any(source.at(at, len(new))) for at, new in patches):
            notes.append(UNFINISHED)
        joined = 0 < stop < source.size and _starts_again(source, start, stop)
        stop = stop if joined else source.size
        found.append(_stream(source, start, stop, patches))
        if not joined:
            break
        start = stop
    return found, notes


def _stream(source: Source, start: int, stop: int, patches: list[Patch]) -> Stream:
    if not patches and (start, stop) == (0, source.size):
        return Stream()
    pieces, position = list[Piece](), start
    for place, new in sorted(patches):
        pieces += [(position, place), new]
        position = place + len(new)
    return Stream((*pieces, (position, stop)))


def _first(source: Source, start: int) -> tuple[int, list[Patch]]:
    """Return the declared end of the file that begins at `start`, and what to mend.

    The end is 0 where it is unknown.
    """
    head = source.at(start, 12)
    if head[:4] in _RIFF and head[8:] == b"WAVE":
        return _riff(source, start, _RIFF[head[:4]])
    if head[:4] == b"FORM":
        return _form(source, start)
    if head[:4] == b"riff":
        return 0, _w64(source, start)
    if head[:4] == b"caff":
        return 0, _caf(source, start)
    return 0, _au(source, start) if head[:4] == b".snd" else []


def _chunk(
    source: Source, start: int, name: bytes, layout: str, *form: Any
) -> tuple[int, int] | None:
    """Return start and size of the content of a chunk; None if it is missing."""
    file = opened(source, ((start, source.size),))
    for found, place, size in riff_chunks.chunks(file, layout, name, *form):
        if found.startswith(name):
            return start + place, size
    return None


def _riff(source: Source, start: int, order: str) -> tuple[int, list[Patch]]:
    patches = [(start, b"RF64")] if source.at(start, 4) == b"BW64" else []
    data = _chunk(source, start, b"data", f"{order}4sI")
    if data is None:
        return 0, patches
    place, size = data
    if size == 0 and _is_sound(source, place, order):
        size = source.size - place
        if source.at(start, 4) in (b"RF64", b"BW64"):
            patches.append((start + 28, struct.pack("<Q", size)))
        else:
            told = struct.pack(f"{order}I", min(size, 0xFFFFFFFF))
            patches += [(start + 4, b"\xff" * 4), (place - 4, told)]
        return 0, patches
    declared = struct.unpack(f"{order}I", source.at(start + 4, 4))[0]
    stop = max(start + 8 + declared, place + size)
    return stop + (stop - start) % 2, patches


def _form(source: Source, start: int) -> tuple[int, list[Patch]]:
    common = _chunk(source, start, b"COMM", ">4sI")
    sound = _chunk(source, start, b"SSND", ">4sI")
    if common is None or sound is None:
        return 0, []
    fields = source.at(common[0], 8)
    frames = int.from_bytes(fields[2:6], "big")
    if frames or not _is_sound(source, sound[0] + 8, ">") or len(fields) < 8:
        declared = int.from_bytes(source.at(start + 4, 4), "big")
        stop = max(start + 8 + declared, sum(sound))
        return stop + (stop - start) % 2, []
    channels, bits = struct.unpack(">H4xH", fields)
    rest = source.size - sound[0]
    count = (rest - 8) // max(1, channels * ((bits + 7) // 8))
    size = struct.pack(">I", min(rest, 0xFFFFFFF0))
    return 0, [
        (start + 4, struct.pack(">I", min(source.size - start - 8, 0xFFFFFFF0))),
        (common[0] + 2, struct.pack(">I", min(count, 0xFFFFFFFF))),
        (sound[0] - 4, size),
    ]


def _w64(source: Source, start: int) -> list[Patch]:
    data = _chunk(source, start, b"data", "<16sQ", 40, 8, True)
    if data is None or data[1] > 0 or data[0] >= source.size:
        return []
    place, rest = data[0], source.size - data[0]
    return [
        (start + 16, struct.pack("<Q", source.size - start)),
        (place - 8, struct.pack("<Q", rest + 24)),
    ]


def _caf(source: Source, start: int) -> list[Patch]:
    data = _chunk(source, start, b"data", ">4sQ", 8, 1)
    if data is None or 0 < data[1] <= source.size - data[0]:
        return []
    # A decoder refuses a size beyond the end; `truncation` tells that it is cut.
    place, rest = data[0], source.size - data[0]
    return [(place - 8, struct.pack(">Q", rest))] if rest > 4 else []


def _au(source: Source, start: int) -> list[Patch]:
    place, size = struct.unpack(">II", source.at(start + 4, 8).ljust(8, b"\0"))
    if size or start + place >= source.size:
        return []
    return [(start + 8, b"\xff" * 4)]


def _is_sound(source: Source, place: int, order: str) -> bool:
    """Say whether bytes behind a chunk of size 0 are no chunk, but its content."""
    head = source.at(place, 8)
    if len(head) < 8:
        return False
    size = struct.unpack(f"{order}I", head[4:])[0]
    is_chunk = head[:4].isascii() and head[:4].decode("ascii").isprintable()
    return not (is_chunk and place + 8 + size <= source.size)


def _starts_again(source: Source, start: int, stop: int) -> bool:
    """Say whether another file of the same kind begins at a place."""
    head, again = source.at(start, 12), source.at(stop, 12)
    return again[:4] == head[:4] and again[8:] == head[8:]
