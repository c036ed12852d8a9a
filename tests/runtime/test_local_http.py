"""Who may call a page, and addresses that can be listened at."""

import socket

import pytest

from cak_jax.runtime.errors import InputError
from cak_jax.runtime.local_http import (
    LOOPBACK,
    RefusedError,
    check_address,
    check_caller,
    security_headers,
)


def allowed(method="GET", hosts=LOOPBACK, **headers):
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    try:
        check_caller(method, names.get, hosts)
    except RefusedError as error:
        assert error.status == 403
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1:80", "LOCALHOST", "[::1]:9", "localhost:"])
def test_names_of_this_machine(host):
    assert allowed(host=host)
    assert allowed("POST", host=host, origin=f"http://{host}")


@pytest.mark.parametrize("host", ["", "evil.example.org", "127.0.0.1.evil.org:80"])
def test_other_names(host):
    assert not allowed(host=host)
    assert allowed(host=host, hosts=())


def test_pages_of_other_origins():
    host = {"host": "localhost:80"}
    for origin in ("http://evil.example.org", "null", "http://localhost:81"):
        assert not allowed("POST", origin=origin, **host)
    assert not allowed("POST", sec_fetch_site="cross-site", **host)
    assert not allowed("POST", hosts=(), sec_fetch_site="cross-site", **host)
    # A link of another page may open this one.
    assert allowed("GET", sec_fetch_site="cross-site", **host)


def test_headers_carry_the_policy():
    headers = security_headers("default-src 'none'")
    assert headers["content-security-policy"] == "default-src 'none'"
    assert headers["referrer-policy"] == "no-referrer"


def test_addresses():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match="in use; name another --port"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)
    with pytest.raises(InputError, match="must be an address such as"):
        check_address("example.org", port)
