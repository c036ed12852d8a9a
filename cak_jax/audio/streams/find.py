"""The streams of a file, one after the other, and what is odd about them."""

import re

from cak_jax.audio.streams import flac, kinds, mpeg, ogg, sizes
from cak_jax.audio.streams.kinds import Kind
from cak_jax.audio.streams.source import MOST, Piece, Source, Stream, streams_between

_WAVPACK = re.compile(rb"wvpk....[\0-\x1f]\x04", re.DOTALL)
_ASF = re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c")
_TTA = re.compile(rb"TTA1[\1\3]\0[\1-\x08]\0[\x08\x10\x18]\0", re.DOTALL)
_FIRST_BYTES = {"asf": _ASF, "tta": _TTA}


def find(source: Source, kind: Kind) -> tuple[list[Stream], list[str]]:
    """Return the streams of a file of a kind, at least one, and notes on it."""
    if kind.name == "mpeg":
        found, notes = mpeg.streams(source, kind.start)
        size, end = kinds.tag_size(source.at(0, 10)), _before_tag(source)
        before: list[Piece] = [(0, size)] if size <= kind.start else []
        skipped = kind.start - kinds.behind_tags(source)
        if skipped > 0:
            notes.append(
                f"has {skipped} bytes before its first frame that are no sound"
            )
        if found:
            # With its tags, from which a decoder reads title and artist.
            pieces = (*before, *(found[0].pieces or ()), (end, source.size))
            found[0] = found[0]._replace(pieces=pieces)
    elif kind.name in ("ogg", "ogg_flac"):
        found, notes = ogg.streams(source, kind.start)
    elif kind.name in ("chunks", "au"):
        found, notes = sizes.streams(source, kind.start)
    elif kind.name in ("flac", "flac_32"):
        found, notes = flac.streams(source, kind.start, _before_tag(source))
    elif kind.name in _WALKED:
        starts = _WALKED[kind.name](source, kind.start)
        found, notes = streams_between(starts, source.size), []
    elif kind.name in _FIRST_BYTES:
        wanted = _FIRST_BYTES[kind.name]
        starts = source.find_all(wanted, kind.start, source.size)
        found, notes = streams_between(starts, source.size), []
    else:
        found, notes = [Stream(((kind.start, source.size),))], []
    return found or [Stream()], notes


def _wavpack(source: Source, start: int) -> list[int]:
    """Return the first blocks of sounds, whose samples are counted from 0."""
    starts = list[int]()
    # A tag may lie between two sounds.
    while (start := source.find(_WAVPACK, start, source.size)) >= 0:
        head = source.at(start, 20)
        if head[16:20] == bytes(4) and not head[10] and len(starts) < MOST:
            starts.append(start)
        start += 8 + int.from_bytes(head[4:8], "little")
    return starts


def _mp4(source: Source, start: int) -> list[int]:
    """Return the boxes with which a file begins."""
    starts = list[int]()
    while len(head := source.at(start, 16)) >= 8 and len(starts) < MOST:
        if head[4:8] == b"ftyp":
            starts.append(start)
        size = int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:], "big") if size == 1 else size
        if size < 8:  # to the end of the file
            break
        start += size
    return starts


_WALKED = {"wv": _wavpack, "mp4": _mp4}


def _before_tag(source: Source) -> int:
    """Return the end of a file without the ID3 tag behind it."""
    is_tag = source.size > 128 and source.at(source.size - 128, 3) == b"TAG"
    return source.size - 128 * is_tag
