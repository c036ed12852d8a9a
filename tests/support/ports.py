"""Addresses on this machine; no tests here."""

import socket

# A proxy that does not know the way to this machine, nor anywhere.
DEAD_PROXY = "http://127.0.0.1:1"


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
