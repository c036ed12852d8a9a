"""Sizes that WAV, AIFF, AU, CAF and W64 declare: mended where they are none.

A recorder that was switched off leaves a size of 0, with the sound behind it. Decoders
believe it, or refuse the file. Joined files follow each other behind the declared end.
"""

import struct
from typing import Any

from cak_jax.audio import riff_chunks
from cak_jax.audio.streams.source import MOST, Piece, Source, Stream, opened

UNFINISHED = "declares no length, as if its recorder was switched off: read to its end"
_RIFF = {b"RIFF": "<", b"RIFX": ">", b"RF64": "<", b"BW64": "<"}
# Fewer bytes behind a file are no sound.
_FEW = 16
_TAGS = (b"TAG", b"APETAGEX", b"ID3", b"LYRICS")
_W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
# A chunk of samples in a CAF begins with so many bytes that are no samples.
_EDIT_COUNT = 4
# Place of a new value, and its bytes.
Patch = tuple[int, bytes]


def streams(source: Source, start: int) -> tuple[list[Stream], list[str]]:
    """Return the streams of a file of chunks or of AU, and notes on it."""
    found, notes = list[Stream](), list[str]()
    while len(found) < MOST:
        stop, patches = _first(source, start)
        if any(
            int.from_bytes(source.at(at, len(new)), "big") <= _EDIT_COUNT
            for at, new in patches
        ):
            notes.append(UNFINISHED)
        rest = source.size - stop
        joined = rest > 0 and _begins(source, stop)
        # Of a W64, decoders would take what follows for sound.
        is_w64 = source.at(start, 4) == b"riff"
        end = stop if joined or (is_w64 and rest > _FEW) else source.size
        found.append(_stream(source, start, end, patches))
        if not joined:
            is_tag = source.at(stop, 8).startswith(_TAGS)
            if rest > _FEW and not is_tag and not source.is_zero(stop, source.size):
                notes.append(f"has {rest} bytes behind its end that are not read")
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
    """Return the end of the file that begins at `start`, and what to mend in it."""
    head = source.at(start, 12)
    if head[:4] in _RIFF and head[8:] == b"WAVE":
        return _riff(source, start, _RIFF[head[:4]])
    known = {b"FORM": _form, b"riff": _w64, b"caff": _caf, b".snd": _au}.get(head[:4])
    return known(source, start) if known else (source.size, [])


def _begins(source: Source, start: int) -> bool:
    """Say whether a file begins at a place."""
    head = source.at(start, 16)
    if head[:4] in _RIFF or head[:4] == b"FORM":
        return head[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    return head == _W64 or head[:8] == b"caff\0\1\0\0" or head[:4] == b".snd"


def _chunk(
    source: Source, start: int, name: bytes, layout: str, *form: Any
) -> tuple[int, int, int] | None:
    """Return start and size of the content of a chunk, and the end of the last chunk.

    None if the chunk is missing. The list of chunks ends where another file begins, or
    bytes that do not look like a chunk.
    """
    file = opened(source, ((start, source.size),))
    known, stop = None, source.size
    header = struct.calcsize(layout)
    for found, place, size in riff_chunks.chunks(file, layout, name, *form):
        before = start + place - header
        if known and (not _is_name(found) or _begins(source, before)):
            return *known, before
        if found.startswith(name) and known is None:
            known = start + place, size
        stop = start + place + size
    return (*known, min(stop, source.size)) if known else None


def _riff(source: Source, start: int, order: str) -> tuple[int, list[Patch]]:
    patches = [(start, b"RF64")] if source.at(start, 4) == b"BW64" else []
    data = _chunk(source, start, b"data", f"{order}4sI")
    if data is None:
        return source.size, patches
    place, size, stop = data
    is_wide = source.at(start, 4) in (b"RF64", b"BW64")
    if (size == 0 and _is_sound(source, place, order)) or (is_wide and size >> 62):
        size = source.size - place
        if is_wide:
            patches.append((start + 28, struct.pack("<Q", size)))
        else:
            told = struct.pack(f"{order}I", min(size, 0xFFFFFFFF))
            patches += [(start + 4, b"\xff" * 4), (place - 4, told)]
        return source.size, patches
    return stop, patches


def _form(source: Source, start: int) -> tuple[int, list[Patch]]:
    common = _chunk(source, start, b"COMM", ">4sI")
    sound = _chunk(source, start, b"SSND", ">4sI")
    if common is None or sound is None:
        return source.size, []
    fields = source.at(common[0], 8).ljust(8, b"\0")
    frames = int.from_bytes(fields[2:6], "big")
    channels, bits = struct.unpack(">H4xH", fields)
    block = max(1, channels * ((bits + 7) // 8))
    if frames or not _is_sound(source, sound[0] + 8, ">"):
        # With a size that is too small, decoders go by the number of frames.
        is_small = sound[1] < 8 + frames * block
        return source.size if is_small else sound[2], []
    rest = source.size - sound[0]
    count = (rest - 8) // block
    size = struct.pack(">I", min(rest, 0xFFFFFFF0))
    return source.size, [
        (start + 4, struct.pack(">I", min(source.size - start - 8, 0xFFFFFFF0))),
        (common[0] + 2, struct.pack(">I", min(count, 0xFFFFFFFF))),
        (sound[0] - 4, size),
    ]


def _w64(source: Source, start: int) -> tuple[int, list[Patch]]:
    data = _chunk(source, start, b"data", "<16sQ", 40, 8, True)
    if data is None or data[1] > 0 or data[0] >= source.size:
        return data[2] if data else source.size, []
    place, rest = data[0], source.size - data[0]
    return source.size, [
        (start + 16, struct.pack("<Q", source.size - start)),
        (place - 8, struct.pack("<Q", rest + 24)),
    ]


def _caf(source: Source, start: int) -> tuple[int, list[Patch]]:
    data = _chunk(source, start, b"data", ">4sQ", 8, 1)
    if data is None:
        return source.size, []
    place, size, stop = data
    rest = source.size - place
    is_empty = size <= _EDIT_COUNT and not _is_sound(source, place + size, ">", 8)
    if is_empty or _EDIT_COUNT < size <= rest:
        return stop, []
    # A decoder refuses a size beyond the end; `truncation` tells that it is cut.
    mended = [(place - 8, struct.pack(">Q", rest))] if rest > _EDIT_COUNT else []
    return source.size, mended


def _au(source: Source, start: int) -> tuple[int, list[Patch]]:
    place, size = struct.unpack(">II", source.at(start + 4, 8).ljust(8, b"\0"))
    if size:
        return min(source.size, start + place + size), []
    if start + place >= source.size:
        return source.size, []
    return source.size, [(start + 8, b"\xff" * 4)]


def _is_sound(source: Source, place: int, order: str, width: int = 4) -> bool:
    """Say whether bytes behind a chunk of size 0 are no chunk, but its content."""
    head = source.at(place, 4 + width)
    if len(head) < 4 + width:
        return False
    size = int.from_bytes(head[4:], "little" if order == "<" else "big")
    return not (_is_name(head) and place + 4 + width + size <= source.size)


def _is_name(name: bytes) -> bool:
    """Say whether bytes begin like the name of a chunk, in printable ASCII."""
    return name[:4].isascii() and name[:4].decode("ascii").isprintable()
