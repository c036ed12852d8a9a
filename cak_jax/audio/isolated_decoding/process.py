"""The process that decodes one file at a time for another process.

`client` starts it and sends it open files over a socket. It imports only soundfile, and
neither opens nor writes files. A hostile file may crash it.
"""

import contextlib
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
    with contextlib.suppress(EOFError, ConnectionError):
        serve(connection)


def limit(memory: int) -> None:
    """Limit this process to so many bytes of address space, and to no written files."""
    bounds = ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
    for kind, bound in (*bounds, (resource.RLIMIT_AS, memory)):
        bound, _ = _possible(kind, bound)
        # macOS has no limit on memory; the limit on time remains.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (bound, bound))


def allow(seconds: int) -> None:
    """Let the system end this process after so many more seconds of processor time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, _possible(resource.RLIMIT_CPU, soft))


def _possible(kind: int, bound: int) -> tuple[int, int]:
    """Return the bound, lowered to the hard limit that there is, and that limit."""
    _, hard = resource.getrlimit(kind)
    return (bound if hard == resource.RLIM_INFINITY else min(bound, hard)), hard


def serve(connection: socket.socket) -> None:
    """Say that this process is ready, and answer requests.

    Raises:
      EOFError, ConnectionError: the other side has closed the socket.
    """
    messages.answer(connection, messages.TEXT, b"")
    buffer, opened = bytearray(), contextlib.ExitStack()
    while True:
        command, dtype, number, descriptors = messages.receive(connection)
        kind, content = messages.TEXT, memoryview(b"")
        try:
            if command == messages.OPEN:
                allow(number)
                [descriptor] = descriptors
                opened.callback(os.close, descriptor)
                decoder = Decoder(descriptor)
                opened.callback(decoder.close)
                content = messages.packed(decoder.header)
            elif command == messages.TAGS:
                content = messages.packed(decoder.tags())
            elif command == messages.NOTES:
                content = messages.packed(decoder.notes())
            elif command == messages.READ:
                if len(buffer) < number:
                    buffer = bytearray(number)
                name = messages.DTYPES[dtype]
                content = memoryview(buffer)[:number]
                frames = decoder.read_into(content, name)
                size = frames * decoder.header[1] * messages.SAMPLE_BYTES[name]
                kind, content = messages.SAMPLES, content[:size]
            else:
                opened.close()
        except DecodeError as error:
            kind, content = messages.REFUSED, messages.packed(str(error))
        except MemoryError:
            kind, content = messages.REFUSED, messages.packed(NO_MEMORY)
        messages.answer(connection, kind, content)
