"""The messages between a decoding process and the process that uses it.

A request is a command, the number of a sample type and a number; `OPEN` also carries a
file descriptor. An answer is a kind, a length and so many bytes: JSON text or raw
samples. Each request gets one answer, in order. Nothing is ever unpickled.
"""

import json
import socket
import struct
from typing import Any

from cak_jax.runtime.errors import InputError

REQUEST = struct.Struct("<cBQ")
OPEN, TAGS, NOTES, READ, CLOSE = b"O", b"T", b"N", b"R", b"C"
"""The commands. OPEN takes seconds of processor time, READ a number of bytes."""

ANSWER = struct.Struct("<cQ")
TEXT, SAMPLES, REFUSED = b"T", b"S", b"R"

LONGEST_TEXT = 1 << 20
SAMPLE_BYTES = {"float32": 4, "float64": 8, "int32": 4}
DTYPES = tuple(SAMPLE_BYTES)
# Sample rate, channels, declared frames or None, format and subtype.
Header = tuple[int, int, int | None, str, str]


class DecodeError(InputError):
    """A file cannot be decoded; the message leaves out its name."""


def receive(connection: socket.socket) -> tuple[bytes, int, int, list[int]]:
    """Wait for a request; return its three parts and the descriptors with it.

    Raises:
      EOFError: the other side has closed the socket.
    """
    data, descriptors = b"", list[int]()
    while len(data) < REQUEST.size:
        part, some, _, _ = socket.recv_fds(connection, REQUEST.size - len(data), 1)
        descriptors += some
        if not part:
            raise EOFError
        data += part
    return *REQUEST.unpack(data), descriptors


def packed(value: Any) -> memoryview:
    """Return the JSON text of a value."""
    return memoryview(json.dumps(value).encode())


def answer(connection: socket.socket, kind: bytes, content: bytes | memoryview) -> None:
    """Send an answer."""
    connection.sendall(ANSWER.pack(kind, len(content)))
    connection.sendall(content)
