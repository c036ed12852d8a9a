"""How processes find one another: late, twice, wrong, never; and strangers."""

import concurrent.futures
import contextlib
import socket
import threading
import time

import pytest
from support.ports import free_port

from cak_jax.sweep import hosts
from cak_jax.sweep.hosts import HostError


@pytest.fixture
def port():
    return free_port()


def meet(port, *who, seconds=60.0):
    """Let processes, as (number, count, delay), meet; return what each is told."""

    def one(process):
        number, count, *delay = process
        time.sleep(sum(delay))
        try:
            hosts.meet(f"localhost:{port}", count, number, seconds)
        except HostError as error:
            return str(error).removeprefix(f"--coordinator=localhost:{port}: ")
        return "go"

    with concurrent.futures.ThreadPoolExecutor(len(who)) as threads:
        return list(threads.map(one, who))


@pytest.mark.parametrize("late", [0, 1, 2])
def test_all_go_on_when_the_last_has_come(port, late):
    who = [(number, 3, 0.5 * (number == late)) for number in range(3)]
    assert meet(port, *who) == ["go"] * 3
    # The port is free for JAX at once, and for the same again.
    assert meet(port, (0, 2), (1, 2)) == ["go"] * 2


def test_who_does_not_come_is_named_to_all(port):
    missing = "--process=2, --process=3 did not come in 1 s"
    assert meet(port, (0, 4), (1, 4), seconds=1) == [missing] * 2
    [told] = meet(port, (1, 2), seconds=1)
    assert told == "--process=0 did not answer in 1 s (Connection refused)"


@pytest.mark.parametrize("other, told", [
    ((1, 3, 1.0), "two have --process=1"),
    ((2, 4, 1.0), "one has --processes=4, another 3"),
])  # fmt: skip
def test_who_does_not_fit_is_named_to_all(port, other, told):
    assert meet(port, (0, 3), (1, 3), other) == [told] * 3


def test_a_port_that_is_taken(port):
    with socket.create_server(("localhost", port)):
        [told] = meet(port, (0, 2))
    assert told == f"port {port}: Address already in use; name another"


def test_the_others_hear_that_the_first_was_stopped(port, monkeypatch):
    def stopped(server, *_):
        link, _ = server.accept()
        yield link
        raise KeyboardInterrupt

    monkeypatch.setattr(hosts, "_greeted", stopped)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        told = thread.submit(meet, port, (1, 2))
        with pytest.raises(KeyboardInterrupt):
            hosts.meet(f"localhost:{port}", 2, 0, 60.0)
    assert told.result() == ["--process=0 was stopped"]


def test_without_ipv6(port, monkeypatch):
    real = socket.create_server

    def only_4(address, **kind):
        if kind:
            raise OSError(99, "Cannot assign requested address")
        return real(address)

    monkeypatch.setattr(socket, "create_server", only_4)
    assert meet(port, (0, 2), (1, 2)) == ["go"] * 2


def test_who_comes_again_after_its_end_is_welcome(port):
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        first = thread.submit(meet, port, (0, 3))
        with contextlib.closing(knock(port)) as gone:
            gone.sendall(b"cak_jax process 1 of 3\n")
        assert meet(port, (1, 3), (2, 3)) == ["go"] * 2
        assert first.result() == ["go"]


def knock(port):
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("localhost", port))
        time.sleep(0.01)


@pytest.mark.parametrize("noise", [
    b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 10_000, b"\n",
    b"cak_jax process 1 of 2", b"cak_jax process -1 of 2\n",
    b"cak_jax process 1 of 2 \n", b"cak_jax process 99999999999 of 2\n",
])  # fmt: skip
def test_strangers_at_the_door_change_nothing(port, noise):
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        first = thread.submit(meet, port, (0, 2))
        with contextlib.suppress(OSError), contextlib.closing(knock(port)) as link:
            link.sendall(noise)
        assert meet(port, (1, 2)) == ["go"]
        assert first.result() == ["go"]


def test_a_stranger_in_place_of_the_first(port):
    with socket.create_server(("localhost", port)) as server:
        threading.Thread(target=answer, args=(server, b"HTTP/1.1 400\r\n\r\n")).start()
        [told] = meet(port, (1, 2), seconds=1)
    assert told == "--process=0 did not answer in 1 s (something else may be there)"


def answer(server, text):
    with contextlib.suppress(OSError):
        while True:
            with server.accept()[0] as link:
                link.sendall(text)


@pytest.mark.parametrize("address", [
    "", "a", "a:", ":1", "a:0", "a:65536", "a:x", "a b:1", "::1:1", "http://a:1",
    "[a:1",
])  # fmt: skip
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match="must be HOST:PORT"):
        hosts.parse(address)


def test_addresses():
    assert hosts.parse("node-1.local:4000") == ("node-1.local", 4000)
    assert hosts.parse("[::1]:65535") == ("::1", 65535)
    assert hosts.parse("10.0.0.1:1") == ("10.0.0.1", 1)


def test_an_answer_is_shown_in_print(port):
    with socket.create_server(("localhost", port)) as server:
        threading.Thread(target=answer, args=(server, b"no: \x1b[2J\xff b\n")).start()
        [told] = meet(port, (1, 2))
    assert told == "[2J\ufffd b"
