"""Frames of MPEG audio, layer II and III: which bytes of a file belong to them.

A frame begins with a header of four bytes, which says how long it is. The first one of
a file may hold no sound, but the number of frames, and the delay and the padding of the
encoder (`Xing`, `Info`, `VBRI`). A decoder without that number guesses the length from
the first frames, which is wrong at a variable rate; with other bytes between frames it
gives up. So it gets a true number, or none and a counted length, and only frames.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from cak_jax.audio.streams.source import Piece, Source, Stream

_LAYER_3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LAYER_2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_LOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44100, 48000, 32000)
_SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef]", re.DOTALL)
_INFO = (b"Xing", b"Info")
# Tags that stand before, between and behind frames, and are no damage.
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"3DI")
# Bytes of the longest frame of layer III.
_LONGEST = 1441
# Samples; no encoder's delay or padding is longer.
_LONGEST_EDGE = 2 * 1152 + 576
# So many frames in a row are no accident.
_CERTAIN = 4
# Bytes behind tags and padding that are searched for the first frame.
_SEARCHED = 1 << 16
# What tells that a stream goes on: version, layer, sample rate, one channel or two.
Key = tuple[int, int, bool]


class Header(NamedTuple):
    """What the header of a frame says.

    Attributes:
      length: of the frame, in bytes.
      samples: per channel.
      tag: the place of `Xing` in such a frame.
    """

    length: int
    samples: int
    key: Key
    tag: int


def _read(data: bytes) -> Header | None:
    """Read the four bytes of a header; None if they are none."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3  # 3 is MPEG 1; 1 is layer III
    bitrate, rate = data[2] >> 4, data[2] >> 2 & 3
    if version == 1 or layer not in (1, 2) or bitrate in (0, 15) or rate == 3:
        return None
    first = version == 3
    table = (_LAYER_3 if layer == 1 else _LAYER_2) if first else _LOW
    hertz = _RATES[rate] >> (0 if first else 1 if version == 2 else 2)
    factor = 72_000 if layer == 1 and not first else 144_000
    length = factor * table[bitrate] // hertz + (data[2] >> 1 & 1)
    is_mono = data[3] >> 6 == 3
    side = (17 if is_mono else 32) if first else (9 if is_mono else 17)
    samples = 576 if layer == 1 and not first else 1152
    return Header(length, samples, (data[1] & 0x1E, rate, is_mono), 4 + side)


_HEADERS: dict[bytes, Header | None] = {}


def header(data: bytes) -> Header | None:
    """Return what the first four bytes of a frame say; None if they are no header."""
    try:
        return _HEADERS[data]
    except KeyError:
        if len(_HEADERS) > 1 << 16:
            _HEADERS.clear()
        return _HEADERS.setdefault(data, _read(data))


def first_frame(source: Source, start: int) -> int:
    """Return the first place with several frames in a row; -1 if there is none near.

    The last of them may reach to the end of the file.
    """
    stop = min(source.size, start + _SEARCHED)
    while (start := source.find(_SYNC, start, stop)) >= 0:
        if _in_a_row(source, start, _CERTAIN):
            return start
        start += 1
    return -1


def _in_a_row(source: Source, start: int, count: int, key: Key | None = None) -> bool:
    """Say whether so many frames of one kind follow each other, or end the file."""
    for number in range(count):
        found = header(source.at(start, 4))
        if found is None or found.key != (key or found.key):
            # A file of fewer frames, with its tag behind them.
            return number > 0 and source.at(start, 3) in (b"TAG", b"APE", b"")
        key = found.key
        start += found.length
    return True


class _Found(NamedTuple):
    """Frames without anything between them.

    Attributes:
      frames: how many.
      starts: whether a new stream begins with them.
      skipped: bytes before them that belong to no frame and are no tag.
      is_cut: whether the last frame reaches beyond the end of the file.
    """

    start: int
    stop: int
    frames: int
    key: Key
    starts: bool
    skipped: int
    is_cut: bool


def _runs(source: Source, position: int) -> Iterator[_Found]:
    """Yield the runs of frames of a file, from its first frame on."""
    key, skipped = None, 0
    while position < source.size:
        start, count, is_cut = position, 0, False
        starts = key is None
        while True:
            frame = source.at(position, 40)
            found = header(frame[:4])
            if found is None or (key is not None and found.key != key):
                break
            if position + found.length > source.size:
                is_cut = True
                break
            if _is_info(frame, found):
                if count:
                    break
                starts = True
            key = found.key
            count += 1
            position += found.length
        if count:
            assert key is not None
            yield _Found(start, position, count, key, starts, skipped, is_cut)
            skipped = 0
        if is_cut or position >= source.size:
            return
        again = header(source.at(position, 4))
        if count and again is not None and again.key == key:
            continue  # a frame with a count: the next stream
        before = position
        position = _next(source, position, key)
        if position < 0:
            return
        if header(source.at(position, 4)).key != key:  # type: ignore[union-attr]
            key = None
        skipped = _damage(source, before, position)


def _next(source: Source, position: int, key: Key | None) -> int:
    """Return the place at which frames go on; -1 if they do not."""
    stop = source.size
    while (position := source.find(_SYNC, position, stop)) >= 0:
        found = header(source.at(position, 4))
        if found is not None:
            same = found.key == key
            if _in_a_row(source, position, 2 if same else _CERTAIN, found.key):
                return position
        position += 1
    return -1


def _damage(source: Source, start: int, stop: int) -> int:
    """Return how many bytes of a stretch between frames are no tag."""
    return 0 if source.at(start, 11).startswith(_TAGS) else stop - start


def _is_info(frame: bytes, found: Header) -> bool:
    """Say whether a frame holds no sound, but what there is to know of others."""
    return frame[found.tag : found.tag + 4] in _INFO or frame[36:40] == b"VBRI"


def streams(source: Source, start: int) -> tuple[list[Stream], list[str]]:
    """Return the streams of a file that begins with a frame, and notes on it.

    Streams follow each other where files were joined.
    """
    found, notes = list[Stream](), list[str]()
    group = list[_Found]()
    skipped = 0
    for run in _runs(source, start):
        skipped += run.skipped
        if run.starts and group:
            found.append(_stream(source, group, notes))
            group = []
        group.append(run)
    if group:
        found.append(_stream(source, group, notes))
        if skipped:
            notes.append(f"has {skipped} bytes between its frames that are no sound")
        _judge_end(source, group[-1], notes)
    return found, notes


def _judge_end(source: Source, last: _Found, notes: list[str]) -> None:
    missing = any(note.startswith("is cut short") for note in notes)
    if last.is_cut and not missing:
        notes.append("is cut short: its last frame is incomplete")
    rest = source.size - last.stop
    is_tag = source.at(last.stop, 11).startswith(_TAGS)
    if last.is_cut or is_tag or source.is_zero(last.stop, source.size):
        return
    notes.append(f"has {rest} bytes behind its last frame that are no sound")


def _stream(source: Source, runs: list[_Found], notes: list[str]) -> Stream:
    """Return the frames of a stream as a file of which a decoder knows the length."""
    start = runs[0].start
    frame = source.at(start, 40)
    found = header(frame[:4])
    assert found is not None
    count = sum(run.frames for run in runs)
    pieces: list[Piece] = [(run.start, run.stop) for run in runs]
    if _is_info(frame, found):
        count -= 1
        pieces[0] = (start + found.length, runs[0].stop)
        size = sum(run.stop - run.start for run in runs)
        # With what there is of the frame that is cut.
        size += source.size - runs[-1].stop if runs[-1].is_cut else 0
        frame = source.at(start, found.length)
        frame = _corrected(frame, found.tag, count, size, notes)
        if frame:
            return Stream((frame, *pieces))
    # A decoder guesses the length from the size. So the file seems to go on.
    return Stream((*pieces, (count + 1) * _LONGEST), count * found.samples)


def _corrected(
    frame: bytes, tag: int, count: int, size: int, notes: list[str]
) -> bytes:
    """Return a frame with the true numbers; b"" if it tells none.

    A note is added if the stream is much shorter than the frame tells.
    """
    flags = frame[tag + 7] if frame[tag : tag + 4] in _INFO else 0
    if not flags & 1 or len(frame) < tag + 16:
        return b""
    place = tag + 8
    declared = int.from_bytes(frame[place : place + 4], "big")
    told = int.from_bytes(frame[place + 4 : place + 8], "big") if flags & 2 else 0
    # Encoders count this frame among the bytes or do not.
    if told - size > _LONGEST and declared > count:
        notes.append(f"is cut short: {told - size} bytes of it are missing")
    elif declared > count + 1:
        notes.append(f"is cut short: {declared - count} frames of it are missing")
    delay = place + 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4)
    delay += (flags >> 3 & 1) * 4 + 21
    edges = int.from_bytes(frame[delay : delay + 3], "big")
    is_odd = max(edges >> 12, edges & 0xFFF) > _LONGEST_EDGE
    if (declared in (count, count + 1) and not is_odd) or not count:
        return frame
    changed = bytearray(frame)
    changed[place : place + 4] = count.to_bytes(4, "big")
    if flags & 2:
        changed[place + 4 : place + 8] = min(size, (1 << 32) - 1).to_bytes(4, "big")
    if len(frame) >= delay + 3:
        # The padding was at an end that is another one now; the delay is kept.
        changed[delay : delay + 3] = (0 if is_odd else edges & ~0xFFF).to_bytes(
            3, "big"
        )
    return bytes(changed)
