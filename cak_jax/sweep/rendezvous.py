"""Where the processes of one program find one another, before JAX joins them.

JAX ends a process, with a stack trace, whose partners do not come. Here the first one
waits for all others, each says which one it is, and all go on at once or with one line
that says why not.
"""

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterator

from cak_jax.runtime.errors import FailedError

_GREETING = re.compile(rb"cak_jax process (\d{1,6}) of (\d{1,6})\n")
_GO, _NO = b"go\n", b"no: "
_LONGEST = 500  # bytes of a line
_GREETING_SECONDS, _PAUSE_SECONDS = 5.0, 0.2


class HostError(FailedError):
    """The processes cannot work together; one line that says why."""


def parse(coordinator: str) -> tuple[str, int]:
    """Return host and port of "host:port", where an IPv6 address stands in brackets.

    Raises:
      ValueError: it is no such thing.
    """
    found = re.fullmatch(r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]\s]+):(\d{1,5})", coordinator)
    if not found or not 0 < int(found[2]) < 65536:
        raise ValueError("must be HOST:PORT, the port from 1 to 65535")
    return found[1].strip("[]"), int(found[2])


def meet(coordinator: str, processes: int, process: int, seconds: float) -> None:
    """Wait until all processes are there.

    Args:
      coordinator: "host:port" of process 0, the same for all.
      processes: how many there are.
      process: which of them this is, from 0.
      seconds: to wait at most.

    Raises:
      HostError: one did not come, or does not fit; all that came are told.
      ValueError: `coordinator` is no address.
    """
    host, port = parse(coordinator)
    try:
        if process == 0:
            _gather(port, processes, seconds)
        else:
            greeting = b"cak_jax process %d of %d\n" % (process, processes)
            _report(host, port, greeting, seconds)
    except HostError as error:
        raise HostError(f"--coordinator={coordinator}: {error}") from None


def _gather(port: int, processes: int, seconds: float) -> None:
    """Be process 0: let all others go on, or none."""
    answer, came = _NO + b"--process=0 was stopped\n", []
    with contextlib.ExitStack() as opened:
        try:
            server = opened.enter_context(_listen(port))
            for link in _greeted(server, processes, seconds):
                came.append(opened.enter_context(link))
            answer = _GO
        except HostError as error:
            answer = b"%s%s\n" % (_NO, str(error).encode())
            raise
        finally:
            for link in came:
                with contextlib.suppress(OSError):
                    link.sendall(answer)


def _listen(port: int) -> socket.socket:
    # On all addresses, as JAX does on the same port after this.
    try:
        if socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):  # known, but switched off
                return socket.create_server(
                    ("", port), family=socket.AF_INET6, dualstack_ipv6=True
                )
        return socket.create_server(("", port))
    except OSError as error:
        reason = os.strerror(error.errno)
        raise HostError(f"port {port}: {reason}; name another") from None


def _greeted(
    server: socket.socket, processes: int, seconds: float
) -> Iterator[socket.socket]:
    """Yield a connection to every process that comes, until all have come."""
    end, links = time.monotonic() + seconds, {}
    while len(links) < processes - 1:
        server.settimeout(max(0.01, end - time.monotonic()))
        try:
            link, _ = server.accept()
        except TimeoutError:
            missing = sorted(set(range(1, processes)) - links.keys())
            numbers = ", ".join(f"--process={number}" for number in missing)
            raise HostError(f"{numbers} did not come in {seconds:g} s") from None
        greeting = _GREETING.fullmatch(_read_line(link, _GREETING_SECONDS))
        if not greeting:  # somebody else, who only looks what is here
            link.close()
            continue
        yield link
        number, count = map(int, greeting.groups())
        if count != processes:
            raise HostError(f"one has --processes={count}, another {processes}")
        links = {own: there for own, there in links.items() if _is_there(there)}
        if number == 0 or number in links:
            raise HostError(f"two have --process={number}")
        links[number] = link


def _read_line(link: socket.socket, seconds: float) -> bytes:
    """Return what comes until a line's end, or before whatever goes wrong."""
    end, text = time.monotonic() + seconds, b""
    with contextlib.suppress(OSError):
        while not text.endswith(b"\n") and len(text) < _LONGEST:
            link.settimeout(max(0.01, end - time.monotonic()))
            part = link.recv(1)
            if not part:
                break
            text += part
    return text


def _is_there(link: socket.socket) -> bool:
    link.setblocking(False)
    try:
        return bool(link.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _report(host: str, port: int, greeting: bytes, seconds: float) -> None:
    """Be another process: come to process 0 and go on when it says so."""
    end, why = time.monotonic() + seconds, "something else may be there"
    while (left := end - time.monotonic()) > 0:
        try:
            with socket.create_connection((host, port), timeout=left) as link:
                link.sendall(greeting)
                # Where both give up at the same time, process 0 knows why.
                answer = _read_line(link, left + _GREETING_SECONDS)
        except OSError as error:
            why = error.strerror or str(error)
        else:
            if answer == _GO:
                return
            if answer.startswith(_NO):
                said = answer.removeprefix(_NO).decode("ascii", "replace")
                raise HostError("".join(filter(str.isprintable, said)))
        time.sleep(_PAUSE_SECONDS)
    raise HostError(f"--process=0 did not answer in {seconds:g} s ({why})")
