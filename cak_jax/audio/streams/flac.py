"""FLAC: where one file ends and the next one begins, and how many samples there are.

A decoder believes the number of samples in the header of the file. It stops there even
if more follow, and it fails if the file ends before. The header of the last frame says
how many samples come before it (RFC 9639, section 9), so both are noticed before
decoding.
"""

import functools
import re

from cak_jax.audio.streams.source import MOST, Source, Stream

_FILE = re.compile(rb"fLaC[\0\x80]\0\0\x22", re.DOTALL)
_FRAME = re.compile(rb"\xff[\xf8\xf9][\x10-\xff][\0-\xae]", re.DOTALL)
# Bytes before the end in which the last frame is looked for.
_NEAR = 1 << 18
_LEAST = 16  # samples of a frame
_INFO = 42  # bytes of the first block with its header
_SIZES = {1: 192} | {n: 576 << n - 2 for n in range(2, 6)}
_SIZES |= {n: 256 << n - 8 for n in range(8, 16)}


def streams(source: Source, start: int, stop: int) -> tuple[list[Stream], list[str]]:
    """Return the files between two places, the first one at `start`, and notes."""
    notes = list[str]()
    starts = [start, *source.find_all(_FILE, start + 4, stop)][:MOST]
    ends = zip(starts, [*starts[1:], stop], strict=True)
    found = [_stream(source, a, b, notes) for a, b in ends]
    if found == [Stream(((0, source.size),))]:
        return [Stream()], notes
    return found, notes


def _stream(source: Source, start: int, stop: int, notes: list[str]) -> Stream:
    """Return the file between two places; append what is odd about it to `notes`."""
    plain = Stream(((start, stop),))
    info = source.at(start, _INFO)
    declared = int.from_bytes(info[21:26], "big") & 0xFFFFFFFFF
    usual = int.from_bytes(info[8:10], "big")
    begin = max(start + _INFO, stop - _NEAR)
    last = _last_frame(source, begin, stop, usual) if declared else None
    if last is None or last[1] + last[2] == declared:
        return plain
    place, before, size = last
    is_whole = _crc(source.at(place, stop - place), 16, 0x8005) == 0
    count = before + size * is_whole
    if not count:  # nothing to be sure of
        return plain
    if count > declared:
        # If 0 is declared, a decoder goes on to the end.
        head = info[:21] + bytes([info[21] & 0xF0]) + bytes(4) + info[26:]
        notes.append(f"declares {declared} samples and holds {count}")
        return Stream((head, (start + len(head), stop)), count)
    if not is_whole:
        notes.append(f"is cut short: {declared - count} samples of it are missing")
        return plain._replace(frames=count)
    return plain


def _last_frame(
    source: Source, begin: int, stop: int, usual: int
) -> tuple[int, int, int] | None:
    """Return place, samples before it and samples of the last frame; None for none.

    Args:
      begin, stop: the bytes in which it is looked for.
      usual: samples of a frame by the header of the file.
    """
    data = source.at(begin, stop - begin)
    last, after = None, 0
    for match in _FRAME.finditer(data):
        found = _frame(data[match.start() : match.start() + 16], usual)
        if found is None:
            continue
        # A frame begins where the one before it ended. Other bytes that look like a
        # header are passed over.
        if found[0] == after or last is None:
            last = (begin + match.start(), *found)
        after = sum(found)
    return last


def _frame(head: bytes, usual: int) -> tuple[int, int] | None:
    """Return the samples before a frame and in it; None if `head` is no frame's."""
    if len(head) < 7:
        return None
    code, rate = head[2] >> 4, head[2] & 15
    # A number as in UTF-8: the leading ones of its first byte are the number of bytes.
    # A single byte begins with 0.
    ones = 8 - (head[4] ^ 0xFF).bit_length()
    if head[3] & 1 or rate == 15 or ones in (1, 8):
        return None
    more = max(0, ones - 1)
    number = head[4] & (0x7F >> ones)
    for byte in head[5 : 5 + more]:
        number = number << 6 | byte & 0x3F
    end = 5 + more
    extra = {6: 1, 7: 2}.get(code, 0)
    size = _SIZES.get(code) or int.from_bytes(head[end : end + extra], "big") + 1
    end += extra + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if len(head) <= end or _crc(head[: end + 1], 8, 0x07):
        return None
    is_variable = head[1] & 1
    if not is_variable and usual < _LEAST:
        return None
    return (number if is_variable else number * usual), size


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    """Return the CRC of bytes; 0 if the last ones are the CRC of those before."""
    mask, rest, table = (1 << bits) - 1, 0, _table(bits, polynomial)
    for byte in data:
        rest = (rest << 8 & mask) ^ table[rest >> (bits - 8) ^ byte]
    return rest


@functools.cache
def _table(bits: int, polynomial: int) -> list[int]:
    """Return the CRC of each single byte."""
    table = []
    for value in range(256):
        value <<= bits - 8
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value >> (bits - 1) else 0)
            value &= (1 << bits) - 1
        table.append(value)
    return table
