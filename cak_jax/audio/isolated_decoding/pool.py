"""Processes that decode sound files, each one file at a time, with limits.

If a file crashes its decoder, keeps it busy for ever or takes all the memory, the
process is ended and that file fails; the next file gets a new process. The processes
receive open files without names, and send samples as raw bytes over a socket.
"""

import contextlib
import importlib.util
import os
import socket
import threading
from collections.abc import Iterator

from cak_jax.audio.isolated_decoding.client import Ended, Limits, Link
from cak_jax.audio.isolated_decoding.protocol import DecodeError

POSSIBLE = hasattr(socket, "send_fds") and bool(importlib.util.find_spec("resource"))
"""Whether the system can pass a file to another process and limit that process."""

_pools: list["Pool"] = []


@contextlib.contextmanager
def guarded(limits: Limits | None = None) -> Iterator[None]:
    """Decode the files that are read inside the `with` block in other processes.

    A file that crashes the decoder, never ends or takes too much memory then raises a
    `DecodeError`, in every thread. There are as many processes as files open at once;
    they start when needed, in a tenth of a second, and end with the block. A block
    within a block shares its processes, unless it sets limits. Where the system cannot
    do this (Windows), files are decoded in this process.
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
    """Return the pool of the innermost `guarded` block; None outside of one."""
    return _pools[-1] if _pools else None


class Pool:
    """Decoding processes: as many as files are open at once, started when needed."""

    def __init__(self, limits: Limits) -> None:
        """Store the limits; no process starts yet."""
        self._limits = limits
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        self._all: set[Link] = set()
        self._closed = False

    @contextlib.contextmanager
    def opened(self, descriptor: int) -> Iterator[Link]:
        """Open a file at its beginning; the result works like a `Decoder`.

        Raises:
          DecodeError: the file cannot be decoded; also raised inside the block.
        """
        link = self._take()
        try:
            try:
                link.open(descriptor)
            except Ended:
                # The process may have ended before it had this file, so try again.
                self._put_back(link)
                link = self._take(new=True)
                os.lseek(descriptor, 0, os.SEEK_SET)
                link.open(descriptor)
            yield link
        finally:
            self._put_back(link)

    def close(self) -> None:
        """End all processes, including those that other threads use."""
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
        usable = False
        try:
            usable = link.finish()
        finally:  # also where a stop interrupts it
            with self._lock:
                kept = usable and not self._closed
                if kept:
                    self._idle.append(link)
                else:
                    self._all.discard(link)
            if not kept:
                link.close()
