"""Several processes as one program: joining, agreeing, waiting (`jax.distributed`)."""

import contextlib
import os
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from cak_jax.sweep import rendezvous
from cak_jax.sweep.rendezvous import HostError

# The others may still be starting; and after a fault of one nobody should wait long.
JOIN_SECONDS, LEAVE_SECONDS = 120, 20


def join(coordinator: str, processes: int, process: int) -> None:
    """Make this process one of several, before any device is used.

    Args:
      coordinator: "host:port" of process 0, the same for all.
      processes: how many there are.
      process: which of them this is, from 0.

    Raises:
      HostError: the others cannot be reached, or do not fit.
      ValueError: `coordinator` is no such address.
    """
    rendezvous.meet(coordinator, processes, process, JOIN_SECONDS)
    # JAX would catch SIGTERM to let all save together; here finished runs are on disk.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        with _direct():
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
def _direct() -> Iterator[None]:
    """Hide proxies: gRPC would ask one for a machine that only these know."""
    names = [name for name in os.environ if "_proxy" in name.lower()]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ |= hidden


def is_first() -> bool:
    """Say whether this process speaks and writes for all."""
    return jax.process_index() == 0


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """Turn another process's end into one line."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # JAX raises the one or the other
        raise HostError(
            f"another process has ended ({str(error).splitlines()[0][:100]}); start "
            "all of them again: finished runs are kept"
        ) from None


def wait(what: str) -> None:
    """Wait until every process has come here.

    Raises:
      HostError: one has ended.
    """
    if jax.process_count() > 1:
        with _together():
            multihost_utils.sync_global_devices(what)


def agree(number: int) -> int:
    """Return the number that the first process gives, on all of them.

    Raises:
      HostError: a process has ended.
    """
    if jax.process_count() == 1:
        return number
    with _together():
        return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def check_same(sha256: str, what: str) -> None:
    """Refuse to go on where processes have different things before them.

    Raises:
      HostError: naming what differs, or a process has ended.
    """
    if jax.process_count() == 1:
        return
    own = np.frombuffer(bytes.fromhex(sha256)[:16], np.int32)
    with _together():
        every = np.asarray(multihost_utils.process_allgather(own))
    if (every != every[:1]).any():
        raise HostError(f"{what}: differs between the processes; give all the same")
