"""HTTP servers of pages: who may call them, and whether an address is free."""

import ipaddress
import os
import re
import socket
import urllib.parse
from collections.abc import Callable, Collection

from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""The names by which only this machine reaches a server."""


class RefusedError(InputError):
    """A request that is refused with a status and a sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


def check_caller(
    method: str, header: Callable[[str, str], str], hosts: Collection[str]
) -> None:
    """Refuse requests under another host's name, or from a page of another origin.

    Args:
      method: such as "POST".
      header: returns a header of the request by its name in lower case, or a default.
      hosts: names by which the server may be called; empty for any.

    Raises:
      RefusedError: 403.
    """
    host = header("host", "")
    if hosts and re.sub(r":\d*$", "", host).lower() not in hosts:
        raise RefusedError(403, "this server is called by another name")
    origin = header("origin", "")
    foreign = hosts and origin and urllib.parse.urlsplit(origin).netloc != host
    # Browsers send `sec-fetch-site` themselves. It also holds behind a proxy, where the
    # host's name says nothing.
    if foreign or (method == "POST" and header("sec-fetch-site", "") == "cross-site"):
        raise RefusedError(403, "another page cannot call this one")


def security_headers(policy: str) -> dict[str, str]:
    """Return the headers of every answer, with a content security policy."""
    return {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened at.

    Raises:
      InputError: naming host and port.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if host != "localhost":
            raise InputError(
                f"--host={printable(host)}: must be an address such as 127.0.0.1 or "
                "0.0.0.0"
            ) from None
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(
            f"{host}, --port={port}: {reason}; name another --port"
        ) from None
