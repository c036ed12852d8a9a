"""A process that decodes one file at a time for another one, and may die of it.

Started by `decoder_pool`, which hands it open files over a socket. It imports no more
than soundfile, writes no file and opens none.
"""

import contextlib
import json
import math
import os
import resource
import socket

from cak_jax.audio.isolated_decoding import protocol as messages
from cak_jax.audio.isolated_decoding.decoder import NO_MEMORY, Decoder
from cak_jax.audio.isolated_decoding.protocol import DecodeError


def main(arguments: list[str]) -> None:
    """Serve until the other side goes.

    Args:
      arguments: the socket's descriptor, and the most bytes of memory.
    """
    connection = socket.socket(fileno=int(arguments[0]))
    # Now rather than at the first file: that takes longer than most files do.
    __import__("soundfile")
    limit(int(arguments[1]))
    messages.answer(connection, messages.TEXT, b"")
    with contextlib.suppress(EOFError, ConnectionError):
        serve(connection)


def limit(memory: int) -> None:
    """Bound the memory of this process, and take from it the writing of files."""
    bounds = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    bounds[resource.RLIMIT_AS] = memory
    for which, wanted in bounds.items():
        _, hard = resource.getrlimit(which)
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        # macOS knows no bound on memory; the watch over the time remains.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (wanted, wanted))


def allow(seconds: int) -> None:
    """Let this process use so many more seconds of processor time, then die."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def serve(connection: socket.socket) -> None:
    """Answer requests.

    Raises:
      EOFError, ConnectionError: the other side is gone.
    """
    session = _Session()
    while True:
        command, dtype, number, descriptors = messages.receive(connection)
        try:
            kind, content = session.answer(command, dtype, number, descriptors)
        except DecodeError as error:
            kind, content = messages.REFUSED, json.dumps(str(error)).encode()
        except MemoryError:
            kind, content = messages.REFUSED, json.dumps(NO_MEMORY).encode()
        messages.answer(connection, kind, content)


class _Session:
    """The file that is open, if any, and the buffer that its samples go through."""

    def __init__(self):
        self._decoder: Decoder | None = None
        self._descriptor = -1
        self._buffer = bytearray()

    def answer(self, command, dtype, number, descriptors):
        if command == messages.OPEN:
            allow(number)
            [self._descriptor] = descriptors
            self._decoder = Decoder(self._descriptor)
            return messages.TEXT, json.dumps(self._decoder.header).encode()
        if command == messages.TAGS:
            return messages.TEXT, json.dumps(self._decoder.tags()).encode()
        if command == messages.READ:
            return messages.SAMPLES, self._read(messages.DTYPES[dtype], number)
        self._close()
        return messages.TEXT, b""

    def _read(self, dtype: str, size: int) -> memoryview:
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)[:size]
        frames = self._decoder.read_into(view, dtype)
        return view[: frames * self._decoder.header[1] * messages.SAMPLE_BYTES[dtype]]

    def _close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
