"""Processes that decode sound files, each one file at a time, with limits.

A file that crashes its decoder, keeps it busy for ever or wants all the memory costs
that file: the process is ended, the file is named, the next one gets a new process.
The processes are given open files and know no names; samples come back as raw bytes
over a socket, a block at a time.
"""

import contextlib
import importlib.util
import os
import socket
import threading
from collections.abc import Iterator

from cak_jax.audio.isolated_decoding import protocol as messages
from cak_jax.audio.isolated_decoding.client import Ended, Limits, Link
from cak_jax.audio.isolated_decoding.protocol import DecodeError

POSSIBLE = hasattr(socket, "send_fds") and bool(importlib.util.find_spec("resource"))
"""Whether the system can hand a file to another process and bound what that takes."""

_pools: list["Pool"] = []


@contextlib.contextmanager
def guarded(limits: Limits | None = None) -> Iterator[None]:
    """Decode in other processes, with limits, what is read inside the `with` block.

    There, in all threads, a file that crashes the decoder, never ends or wants too
    much memory is a `DecodeError` like any other. What is read at once is read by as
    many processes; they start when needed, in a tenth of a second, and end with the
    block. One in another without limits of its own shares its processes. Where the
    system cannot do this (Windows), reading stays in this process.
    """
    if not POSSIBLE or (_pools and limits is None):
        yield
        return
    pool = Pool(limits or Limits())
    _pools.append(pool)
    try:
        yield
    finally:
        _pools.remove(pool)
        pool.close()


def current() -> "Pool | None":
    """Return what files are to be decoded by; None for this process itself."""
    return _pools[-1] if _pools else None


class Pool:
    """Decoding processes: as many as files are open at once, started when needed."""

    def __init__(self, limits: Limits):
        """Start nothing yet."""
        self._limits = limits
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        self._all: set[Link] = set()
        self._closed = False

    @contextlib.contextmanager
    def opened(self, descriptor: int) -> Iterator["Remote"]:
        """Give a file, open at its beginning, as something like a `Decoder`.

        Raises:
          DecodeError: it cannot be decoded; also inside the block.
        """
        link = self._take()
        try:
            try:
                file = Remote(link, descriptor)
            except Ended:
                # Whether it died before or over this file is not known: once more.
                self._put_back(link)
                link = self._take(new=True)
                os.lseek(descriptor, 0, os.SEEK_SET)
                file = Remote(link, descriptor)
            yield file
        finally:
            self._put_back(link)

    def close(self) -> None:
        """End all processes, also those at work for other threads."""
        with self._lock:
            self._closed = True
            busy, idle = self._all.difference(self._idle), self._idle
            self._all, self._idle = set(), []
        for link in idle:
            link.close()
        for link in busy:
            link.kill()

    def _take(self, new: bool = False) -> Link:
        with self._lock:
            while self._idle and not new:
                link = self._idle.pop()
                if link.is_alive():
                    return link
                self._all.discard(link)
                link.close()
        link = Link(self._limits)
        with self._lock:
            if not self._closed:
                self._all.add(link)
                return link
        link.close()
        raise DecodeError("was not decoded: stopped")

    def _put_back(self, link: Link) -> None:
        usable = link.finish()
        with self._lock:
            if usable and not self._closed:
                self._idle.append(link)
                return
            self._all.discard(link)
        link.close()


class Remote:
    """A sound file that another process decodes; used like a `decoder.Decoder`."""

    def __init__(self, link: Link, descriptor: int):
        """Hand the file over and wait for its header."""
        self._link, self._asked = link, False
        self.header = link.open(descriptor)
        self._channels = self.header[1]

    def tags(self) -> dict[str, str]:
        """Return what the file says of itself in words."""
        self._link.ask(messages.TAGS)
        return self._link.text()

    def read_into(self, buffer, dtype: str) -> int:
        """Fill a buffer as `Decoder.read_into` does; always of the same length.

        The next frames are decoded while these are used.
        """
        request = messages.READ, messages.DTYPES.index(dtype), len(buffer)
        if not self._asked:
            self._link.ask(*request)
        self._asked = False
        count = self._link.samples(buffer)
        if count:
            self._link.ask(*request)
            self._asked = True
        frame = self._channels * messages.SAMPLE_BYTES[dtype]
        if count % frame:
            raise self._link.nonsense()
        return count // frame
