"""Several processes as one program: how they meet, join, wait and agree.

JAX ends a process with a stack trace if its partners do not come. Therefore the
processes first meet without JAX (`meet`): process 0 waits for all others, each of them
says its number, and then all start or all end with one line that gives the reason.
"""

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from cak_jax.runtime.errors import FailedError

# Two minutes to join, because the other machines may still be starting; 20 s to leave,
# because after a fault of one process nobody should wait long.
JOIN_SECONDS, LEAVE_SECONDS = 120, 20
_GREETING = re.compile(rb"cak_jax process (\d{1,6}) of (\d{1,6})\n")
_GO, _NO = b"go\n", b"no: "
_LONGEST = 500  # bytes of a line
_GREETING_SECONDS, _PAUSE_SECONDS = 5.0, 0.2


class HostError(FailedError):
    """The processes cannot work together; one line with the reason."""


def join(coordinator: str, processes: int, process: int) -> None:
    """Make this process one of several, before any device is used.

    Args:
      coordinator: "host:port" of process 0, the same for all.
      processes: how many there are.
      process: number of this one, from 0.

    Raises:
      HostError: the other processes cannot be reached or were started differently.
      ValueError: `coordinator` is no such address.
    """
    meet(coordinator, processes, process, JOIN_SECONDS)
    # JAX would catch SIGTERM so that all processes save together. A sweep has its
    # finished runs on disk and need not save.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        with _without_proxies():
            jax.distributed.initialize(
                coordinator,
                processes,
                process,
                initialization_timeout=JOIN_SECONDS,
                shutdown_timeout_seconds=LEAVE_SECONDS,
            )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0][:200]
        raise HostError(
            f"--coordinator={coordinator}: {reason}; start all {processes} processes "
            "with the same address"
        ) from None


@contextlib.contextmanager
def _without_proxies() -> Iterator[None]:
    """Hide proxy settings: gRPC would send a proxy to look for the coordinator."""
    names = [name for name in os.environ if "_proxy" in name.lower()]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ |= hidden


def is_first() -> bool:
    """Say whether this process prints and writes for all."""
    return jax.process_index() == 0


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """Report the end of another process as one line."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # JAX raises either
        raise HostError(
            f"another process has ended ({str(error).splitlines()[0][:100]}); start "
            "all of them again: finished runs are kept"
        ) from None


def wait(event: str) -> None:
    """Wait until every process has reached this event.

    Raises:
      HostError: a process has ended.
    """
    if jax.process_count() > 1:
        with _together():
            multihost_utils.sync_global_devices(event)


def agree(number: int) -> int:
    """Return the number of the first process, on all of them.

    Raises:
      HostError: a process has ended.
    """
    if jax.process_count() == 1:
        return number
    with _together():
        return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def check_same(sha256: str, name: str) -> None:
    """Refuse to go on if a hash differs between the processes.

    Args:
      sha256: hash of the content, hexadecimal.
      name: of what was hashed, for the message.

    Raises:
      HostError: the hashes differ, or a process has ended.
    """
    if jax.process_count() == 1:
        return
    local = np.frombuffer(bytes.fromhex(sha256)[:16], np.int32)
    with _together():
        every = np.asarray(multihost_utils.process_allgather(local))
    if (every != every[:1]).any():
        raise HostError(f"{name}: differs between the processes; give all the same")


def parse(coordinator: str) -> tuple[str, int]:
    """Return host and port of "host:port"; an IPv6 address stands in brackets.

    Raises:
      ValueError: the text has another form.
    """
    parts = re.fullmatch(r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]\s]+):(\d{1,5})", coordinator)
    if not parts or not 0 < int(parts[2]) < 65536:
        raise ValueError("must be HOST:PORT, the port from 1 to 65535")
    return parts[1].strip("[]"), int(parts[2])


def meet(coordinator: str, processes: int, process: int, seconds: float) -> None:
    """Wait until all processes are there.

    Args:
      coordinator: "host:port" of process 0, the same for all.
      processes: how many there are.
      process: number of this one, from 0.
      seconds: to wait at most.

    Raises:
      HostError: a process did not come or was started differently; all processes that
        came get the same message.
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
    """Act as process 0: tell all others to start, or all to end."""
    answer, links = _NO + b"--process=0 was stopped\n", []
    with contextlib.ExitStack() as opened:
        try:
            server = opened.enter_context(_listen(port))
            for link in _greeted(server, processes, seconds):
                links.append(opened.enter_context(link))
            answer = _GO
        except HostError as error:
            answer = b"%s%s\n" % (_NO, str(error).encode())
            raise
        finally:
            for link in links:
                with contextlib.suppress(OSError):
                    link.sendall(answer)


def _listen(port: int) -> socket.socket:
    # On all addresses, because JAX listens on all addresses of the same port later.
    try:
        if socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):  # IPv6 may be switched off
                return socket.create_server(
                    ("", port), family=socket.AF_INET6, dualstack_ipv6=True
                )
        return socket.create_server(("", port))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise HostError(f"port {port}: {reason}; name another") from None


def _greeted(
    server: socket.socket, processes: int, seconds: float
) -> Iterator[socket.socket]:
    """Yield a connection to every process that comes, until all have come."""
    end = time.monotonic() + seconds
    links: dict[int, socket.socket] = {}
    while len(links) < processes - 1:
        server.settimeout(max(0.01, end - time.monotonic()))
        try:
            link, _ = server.accept()
        except TimeoutError:
            missing = sorted(set(range(1, processes)) - links.keys())
            listed = ", ".join(f"--process={number}" for number in missing)
            raise HostError(f"{listed} did not come in {seconds:g} s") from None
        greeting = _GREETING.fullmatch(_read_line(link, _GREETING_SECONDS))
        if not greeting:  # another program, such as a port scanner
            link.close()
            continue
        yield link
        number, count = map(int, greeting.groups())
        if count != processes:
            raise HostError(f"one has --processes={count}, another {processes}")
        links = {n: other for n, other in links.items() if _is_open(other)}
        if number == 0 or number in links:
            raise HostError(f"two have --process={number}")
        links[number] = link


def _read_line(link: socket.socket, seconds: float) -> bytes:
    """Return the bytes up to a line's end, or up to the first error."""
    end, text = time.monotonic() + seconds, b""
    with contextlib.suppress(OSError):
        while not text.endswith(b"\n") and len(text) < _LONGEST:
            link.settimeout(max(0.01, end - time.monotonic()))
            part = link.recv(1)
            if not part:
                break
            text += part
    return text


def _is_open(link: socket.socket) -> bool:
    link.setblocking(False)
    try:
        return bool(link.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _report(host: str, port: int, greeting: bytes, seconds: float) -> None:
    """Act as another process: greet process 0 and start when it says so."""
    end, reason = time.monotonic() + seconds, "something else may be there"
    while (left := end - time.monotonic()) > 0:
        try:
            with socket.create_connection((host, port), timeout=left) as link:
                link.sendall(greeting)
                # Wait longer than process 0 does, because it knows who is missing.
                answer = _read_line(link, left + _GREETING_SECONDS)
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            if answer == _GO:
                return
            if answer.startswith(_NO):
                text = answer.removeprefix(_NO).decode("ascii", "replace")
                raise HostError("".join(filter(str.isprintable, text)))
        time.sleep(_PAUSE_SECONDS)
    raise HostError(f"--process=0 did not answer in {seconds:g} s ({reason})")
