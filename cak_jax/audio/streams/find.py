"""The streams of a file, one after the other, and what is odd about them."""

import re

from cak_jax.audio.streams import kinds, mpeg, ogg, sizes
from cak_jax.audio.streams.kinds import Kind
from cak_jax.audio.streams.source import Piece, Source, Stream

_FLAC = re.compile(rb"fLaC[\0\x80]\0\0\x22", re.DOTALL)
_MOST = 1000


def find(source: Source, kind: Kind) -> tuple[list[Stream], list[str]]:
    """Return the streams of a file of a kind, at least one, and notes on it."""
    if kind.name == "mpeg":
        found, notes = mpeg.streams(source, kind.start)
        size, end = kinds.tag_size(source.at(0, 10)), _before_tag(source)
        before: list[Piece] = [(0, size)] if size <= kind.start else []
        if found:
            # With its tags, from which a decoder reads title and artist.
            pieces = (*before, *(found[0].pieces or ()), (end, source.size))
            found[0] = found[0]._replace(pieces=pieces)
    elif kind.name == "ogg":
        found, notes = ogg.streams(source, kind.start)
    elif kind.name in ("chunks", "au"):
        found, notes = sizes.streams(source, kind.start)
    elif kind.name == "flac":
        found, notes = _flac(source, kind.start), []
    else:
        found, notes = [], []
    return found or [Stream()], notes


def _flac(source: Source, start: int) -> list[Stream]:
    starts = [start]
    while len(starts) < _MOST:
        place = source.find(_FLAC, starts[-1] + 4, source.size)
        if place < 0:
            break
        starts.append(place)
    stops = [*starts[1:], _before_tag(source)]
    if starts == [0] and stops == [source.size]:
        return [Stream()]
    return [Stream(((a, b),)) for a, b in zip(starts, stops, strict=True)]


def _before_tag(source: Source) -> int:
    """Return the end of a file without the ID3 tag behind it."""
    is_tag = source.size > 128 and source.at(source.size - 128, 3) == b"TAG"
    return source.size - 128 * is_tag
