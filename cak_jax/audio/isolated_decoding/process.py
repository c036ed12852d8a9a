"""The process that decodes one file at a time for another process.

`client` starts it and sends it open files over a socket. It imports only soundfile, and
neither opens nor writes files. A hostile file may crash it.
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
    """Answer requests until the other side closes the socket.

    Args:
      arguments: the descriptor of the socket, and the limit of memory in bytes.
    """
    connection = socket.socket(fileno=int(arguments[0]))
    # Imported now, because it takes longer than decoding most files.
    __import__("soundfile")
    limit(int(arguments[1]))
    messages.answer(connection, messages.TEXT, b"")
    with contextlib.suppress(EOFError, ConnectionError):
        serve(connection)


def limit(memory: int) -> None:
    """Limit the memory of this process, and forbid it to write files.

    Args:
      memory: bytes of address space.
    """
    bounds = ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
    for resource_number, bound in (*bounds, (resource.RLIMIT_AS, memory)):
        _, hard = resource.getrlimit(resource_number)
        if hard != resource.RLIM_INFINITY:
            bound = min(bound, hard)
        # macOS has no limit on memory; the limit on time remains.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource_number, (bound, bound))


def allow(seconds: int) -> None:
    """Let the system end this process after so many more seconds of processor time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def serve(connection: socket.socket) -> None:
    """Answer requests.

    Raises:
      EOFError, ConnectionError: the other side has closed the socket.
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
    """The open file, if any, and the buffer for its samples."""

    def __init__(self) -> None:
        self._decoder: Decoder | None = None
        self._descriptor = -1
        self._buffer = bytearray()

    def answer(
        self, command: bytes, dtype: int, number: int, descriptors: list[int]
    ) -> tuple[bytes, bytes | memoryview]:
        if command == messages.OPEN:
            allow(number)
            [self._descriptor] = descriptors
            self._decoder = Decoder(self._descriptor)
            return messages.TEXT, json.dumps(self._decoder.header).encode()
        if command == messages.TAGS:
            assert self._decoder is not None
            return messages.TEXT, json.dumps(self._decoder.tags()).encode()
        if command == messages.READ:
            return messages.SAMPLES, self._read(messages.DTYPES[dtype], number)
        self._close()
        return messages.TEXT, b""

    def _read(self, dtype: str, size: int) -> memoryview:
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)[:size]
        assert self._decoder is not None
        frames = self._decoder.read_into(view, dtype)
        return view[: frames * self._decoder.header[1] * messages.SAMPLE_BYTES[dtype]]

    def _close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
