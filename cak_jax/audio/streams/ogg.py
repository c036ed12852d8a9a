"""Pages of OGG: where one stream ends and the next one begins.

Streams that follow each other in one file are legal ("chained", RFC 3533), and what
comes of joined files. Decoders read the first one only.
"""

import re

from cak_jax.audio.streams.source import MOST, Source, Stream, streams_between

_PAGE = re.compile(rb"OggS\0")
_HEADER = 27
_FIRST = 2


def first_page(source: Source, start: int, stop: int) -> int:
    """Return the place of the first page; -1 if there is none."""
    return source.find(_PAGE, start, stop)


def streams(source: Source, start: int) -> tuple[list[Stream], list[str]]:
    """Return the streams of a file whose first page is at `start`, and notes on it."""
    starts, was_first = [start], True
    serials, strange, position = set[bytes](), 0, start
    while position < source.size:
        head = source.at(position, _HEADER)
        if not head.startswith(b"OggS\0") or len(head) < _HEADER:
            after = source.find(_PAGE, position + 1, source.size)
            after = source.size if after < 0 else after
            is_tag = head.startswith((b"TAG", b"APETAGEX", b"ID3"))
            if not is_tag and not source.is_zero(position, after):
                strange += after - position
            position = after
            continue
        is_first = bool(head[5] & _FIRST)
        serial = head[14:18]
        if is_first:
            serials.add(serial)
        # First pages in a row belong to streams that lie side by side.
        if is_first and not was_first:
            starts.append(position)
            if len(starts) > MOST:
                return [Stream()], [f"holds more than {MOST} streams: one is read"]
        was_first = is_first
        size = _HEADER + head[26] + sum(source.at(position + _HEADER, head[26]))
        strange += 0 if serial in serials else size
        position += size
    # What is cut is told elsewhere.
    notes = [f"has {strange} bytes that belong to no sound"] if strange else []
    if starts == [0]:
        return [Stream()], notes
    return streams_between(starts, source.size), notes
