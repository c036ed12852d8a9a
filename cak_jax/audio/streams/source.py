"""Bytes of an open file, and stretches of them that are read as one file."""

import io
import os
import re
from typing import BinaryIO, NamedTuple

MOST = 1000
"""The most sounds in one file; more are no recording."""
_BLOCK = 1 << 18
_OVERLAP = 16
_BUFFER = 1 << 16
# Bytes, or the first one and the last + 1 of the file, or a number of zeros.
Piece = bytes | tuple[int, int] | int


class Source:
    """An open file that is read at any place; its own position stays as it is.

    Attributes:
      size: bytes.
    """

    def __init__(self, descriptor: int) -> None:
        """Take an open regular file."""
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._start, self._block = 0, b""

    def at(self, start: int, count: int) -> bytes:
        """Return so many bytes from a place on, fewer at the end of the file."""
        offset = start - self._start
        if offset < 0 or offset + count > len(self._block):
            self._block = os.pread(self.descriptor, max(count, _BLOCK), start)
            self._start, offset = start, 0
        return self._block[offset : offset + count]

    def find(self, wanted: re.Pattern[bytes], start: int, stop: int) -> int:
        """Return the place of the first match, of 16 bytes at most; -1 for none."""
        while start < stop:
            block = self.at(start, min(_BLOCK, stop - start))
            if found := wanted.search(block):
                return start + found.start()
            if start + len(block) >= stop or len(block) < _OVERLAP:
                return -1
            # A match may lie across the end of a block.
            start += len(block) - _OVERLAP
        return -1

    def find_all(self, wanted: re.Pattern[bytes], start: int, stop: int) -> list[int]:
        """Return the places of the first `MOST` matches, of 16 bytes at most."""
        places = list[int]()
        while len(places) < MOST and (start := self.find(wanted, start, stop)) >= 0:
            places.append(start)
            start += 1
        return places

    def is_zero(self, start: int, stop: int) -> bool:
        """Say whether all bytes of a stretch are 0."""
        while start < stop:
            block = self.at(start, min(_BLOCK, stop - start))
            if not block or block.strip(b"\0"):
                return False
            start += len(block)
        return True


class Stream(NamedTuple):
    """One sound in a file.

    Attributes:
      pieces: its bytes, in order; None for the file as it is.
      frames: samples per channel, where they are counted; no more are read.
    """

    pieces: tuple[Piece, ...] | None = None
    frames: int | None = None


def streams_between(starts: list[int], stop: int) -> list[Stream]:
    """Return the streams that begin at these places and follow each other to `stop`."""
    stops = [*starts[1:], stop]
    return [Stream(((a, b),)) for a, b in zip(starts, stops, strict=True)]


def _size(piece: Piece) -> int:
    if isinstance(piece, int):
        return piece
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]


def opened(source: Source, pieces: tuple[Piece, ...] | None) -> BinaryIO:
    """Return pieces as one file that can be read and sought; None for all bytes."""
    return io.BufferedReader(_Pieces(source, pieces or ((0, source.size),)), _BUFFER)


class _Pieces(io.RawIOBase):
    def __init__(self, source: Source, pieces: tuple[Piece, ...]) -> None:
        """Take the pieces of a stream."""
        self._source, self._position = source, 0
        self._pieces: list[tuple[int, int, Piece]] = []
        start = 0
        for piece in pieces:
            if _size(piece) > 0:
                self._pieces.append((start, start + _size(piece), piece))
                start += _size(piece)
        self._size, self._last = start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_CUR: self._position, os.SEEK_END: self._size}.get(whence, 0)
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        view, count = memoryview(buffer).cast("B"), 0  # type: ignore[arg-type]
        while count < len(view) and self._position < self._size:
            start, stop, piece = self._here()
            most = min(len(view) - count, stop - self._position)
            offset = self._position - start
            if isinstance(piece, int):
                data = bytes(most)
            elif isinstance(piece, bytes):
                data = piece[offset : offset + most]
            else:
                data = os.pread(self._source.descriptor, most, piece[0] + offset)
            if not data:  # the file became shorter
                break
            view[count : count + len(data)] = data
            count += len(data)
            self._position += len(data)
        return count

    def _here(self) -> tuple[int, int, Piece]:
        """Return start, end and bytes of the piece at the position."""
        start, stop, _ = self._pieces[self._last]
        if not start <= self._position < stop:
            # Mostly the next one.
            step = 0 if self._position < start else self._last
            while not self._pieces[step][0] <= self._position < self._pieces[step][1]:
                step += 1
            self._last = step
        return self._pieces[self._last]
