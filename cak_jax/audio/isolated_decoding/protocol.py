"""What a decoding process and the one that uses it say to each other.

A request is a command, a sample type's number and a number; with `OPEN` comes a file
descriptor. An answer is a kind, a length and so many bytes: text is JSON, samples are
raw. Each request has one answer, in order. Nothing is ever unpickled.
"""

import socket
import struct

from cak_jax.runtime.errors import InputError

REQUEST = struct.Struct("<cBQ")
OPEN, TAGS, READ, CLOSE = b"O", b"T", b"R", b"C"
"""Number: seconds of processor time allowed; -; bytes wanted; -."""

ANSWER = struct.Struct("<cQ")
TEXT, SAMPLES, REFUSED = b"T", b"S", b"R"

LONGEST_TEXT = 1 << 20
SAMPLE_BYTES = {"float32": 4, "float64": 8, "int32": 4}
DTYPES = tuple(SAMPLE_BYTES)


class DecodeError(InputError):
    """Why a file cannot be decoded, without its name."""


def receive(connection: socket.socket) -> tuple[bytes, int, int, list[int]]:
    """Wait for a request: its three parts, and descriptors that came with it.

    Raises:
      EOFError: the other side is gone.
    """
    data, descriptors = b"", []
    while len(data) < REQUEST.size:
        part, some, _, _ = socket.recv_fds(connection, REQUEST.size - len(data), 1)
        descriptors += some
        if not part:
            raise EOFError
        data += part
    return *REQUEST.unpack(data), descriptors


def answer(connection: socket.socket, kind: bytes, content) -> None:
    """Send an answer of bytes."""
    connection.sendall(ANSWER.pack(kind, len(content)))
    connection.sendall(content)
