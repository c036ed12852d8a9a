"""The cluster: Dask's scheduler and workers, on this machine or behind an address.

Dask brings who is there, who has gone, calls, and encryption; what is to be done by
whom is decided in `distribute`. Whoever reaches a scheduler can run programs on its
workers, so an address beyond this machine must be encrypted (`tls://`), and workers on
this machine listen on the loopback with a key of their own.
"""

import functools
import itertools
import logging
import os
import pathlib
import queue
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from cak_jax.runtime.errors import FailedError, InputError
from cak_jax.runtime.text import printable

LOCAL = "local:"
MOST_LOCAL = 1000
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# A scheduler that answers no call for so long has gone.
PATIENCE_SECONDS = 60.0
CONNECT_SECONDS = 30.0
RESTART_TIMEOUT = "1 day"
MISSING = 'the extra "cluster" is missing: pip install "cak-jax[cluster]"'


class ClusterError(FailedError):
    """The cluster cannot be used; one line with the reason and the remedy."""


class AddressError(InputError):
    """--cluster does not name a cluster that may be used."""


class Address(NamedTuple):
    """Where the workers are: `local` ones of this machine, or behind an `url`.

    Attributes:
      key: PEM file with key and certificate of the cluster; "" for Dask's settings.
    """

    text: str
    local: int
    url: str
    key: str


class Event(NamedTuple):
    """Something that a call has led to: "told", and at the end "done" or "failed"."""

    kind: str
    call: int
    value: Any


def parse(text: str, key: str = "") -> Address:
    """Return the address of `--cluster` and `--cluster_key`.

    Raises:
      AddressError: it is none, or it is neither encrypted nor on this machine.
    """
    name = f"--cluster={text}"
    if text.startswith(LOCAL):
        count = text.removeprefix(LOCAL)
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= MOST_LOCAL):
            raise AddressError(
                f"{name}: must be local:N with N workers from 1 to {MOST_LOCAL}"
            )
        if key:
            raise AddressError("--cluster_key: local workers make a key of their own")
        return Address(text, int(count), "", "")
    protocol, _, place = text.rpartition("://")
    host, _, port = place.rpartition(":")
    known = protocol in ("tls", "tcp", "")
    if not (known and host and port.isascii() and port.isdigit()):
        raise AddressError(f"{name}: must be local:N or a scheduler's tls://HOST:PORT")
    if (protocol or "tcp") == "tcp" and host not in LOOPBACK:
        raise AddressError(
            f"{name}: is not encrypted, and whoever reaches it could run programs "
            "here; start the scheduler with tls:// and name that "
            "(cak_jax/sweep/MACHINES.md)"
        )
    if key and not pathlib.Path(key).expanduser().is_file():
        raise AddressError(f"--cluster_key={key}: is no file")
    return Address(text, 0, f"{protocol or 'tcp'}://{place}", key)


def worker_environment(number: int, count: int) -> dict[str, str]:
    """Return the variables of a local worker: its share of the cores, its GPU.

    XLA would give every worker a thread for each core of the machine.
    """
    cores = max(1, (os.cpu_count() or 1) // count)
    given = {"NPROC": str(cores), "OMP_NUM_THREADS": str(cores)}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else _gpus()
    if gpus:
        given["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    return given


def _gpus() -> list[str]:
    nodes = pathlib.Path("/dev").glob("nvidia[0-9]*")
    return [str(number) for number in range(len(list(nodes)))]


class Cluster:
    """A connection to workers; close it, or use it in a `with` block.

    Raises:
      ClusterError: there is no scheduler, it has another key, or Dask is missing.
    """

    def __init__(self, address: Address):
        try:
            import distributed
        except ImportError:
            raise ClusterError(f"--cluster={address.text}: {MISSING}") from None
        self.address, self._dask = address, distributed
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._numbers, self._futures = itertools.count(), dict[int, Any]()
        self._blobs: dict[str, Any] = {}
        self._topic = f"cak_jax-{uuid.uuid4().hex}"
        self._answered = time.monotonic()
        self._own: Any = None
        # What Dask logs, one line says better.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            security = self._security()
            if address.local:
                self._own = start_local(address.local, security)
            self._client = distributed.Client(
                self._own or address.url,
                security=security,
                timeout=CONNECT_SECONDS,
                set_as_default=False,
            )
        except AddressError:
            raise
        except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
            self.close()
            reason = printable(str(error).split("\n")[0][:300]) or type(error).__name__
            fault, remedy = "no scheduler answers with this key", "start it"
            if address.local:
                fault, remedy = "the workers cannot be started", "start fewer"
            raise ClusterError(
                f"--cluster={address.text}: {fault} ({reason}); {remedy}"
            ) from None
        self._client.subscribe_topic(self._topic, self._hear)

    def _security(self) -> Any:
        security = self._dask.Security
        if self.address.local:
            return security.temporary()
        if not self.address.key:
            own = security()  # from Dask's own settings
            encrypted = own.get_connection_args("client").get("ssl_context")
            if self.address.url.startswith("tls") and encrypted is None:
                raise AddressError(
                    f"--cluster={self.address.text}: is encrypted; name the file with "
                    "its key by --cluster_key"
                )
            return own
        key = str(pathlib.Path(self.address.key).expanduser().resolve())
        try:
            ssl.create_default_context(cafile=key).load_cert_chain(key)
        except (OSError, ssl.SSLError):
            raise AddressError(
                f"--cluster_key={self.address.key}: holds no key with its certificate "
                "in PEM; make it as cak_jax/sweep/MACHINES.md says"
            ) from None
        return security(
            tls_ca_file=key, tls_client_cert=key, tls_client_key=key,
            require_encryption=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Leave the cluster; local workers end."""
        client, own = getattr(self, "_client", None), self._own
        if client is not None:
            client.close()
        if own is not None:
            own.close()

    def workers(self) -> set[str] | None:
        """Return the addresses of the workers; None while the scheduler is silent.

        Raises:
          ClusterError: the scheduler has gone.
        """
        try:
            # Not `scheduler_info`, which the client overwrites from another thread.
            found = set(self._client.nthreads())
            if self._client.status == "running":
                self._answered = time.monotonic()
                return found
        except (OSError, RuntimeError, self._dask.core.CommClosedError):
            pass
        if time.monotonic() - self._answered > PATIENCE_SECONDS:
            raise ClusterError(
                f"--cluster={self.address.text}: the scheduler has gone; finished runs "
                "are kept, start it and run the same command again to go on"
            )
        return None

    def send(self, sha256: str, audio: np.ndarray) -> Any:
        """Bring samples into the cluster, once; return what stands for them in calls.

        Workers get them from one another. If all that had them are gone, they are sent
        again.
        """
        blob = self._blobs.get(sha256)
        if blob is None or blob.status != "finished":
            # Not a memory map, which Dask would take for another kind of array.
            plain = np.ascontiguousarray(audio).view(np.ndarray)
            blob = self._client.scatter(plain, hash=False)
            self._blobs[sha256] = blob
        return blob

    def call(self, worker: str, function: Callable[..., Any], *arguments: Any) -> int:
        """Start `function(emit, *arguments)` on a worker; return the call's number.

        What it tells by `emit`, and its result, come as events. A call on a worker that
        has gone never ends.
        """
        number = next(self._numbers)
        future = self._client.submit(
            run_on_worker, function, self._topic, number, *arguments,
            workers=[worker], allow_other_workers=False, pure=False, retries=0,
        )  # fmt: skip
        self._futures[number] = future
        future.add_done_callback(functools.partial(self._end, number))
        return number

    def drop(self, call: int) -> None:
        """Forget a call; one that still runs ends where it looks."""
        future = self._futures.pop(call, None)
        if future is not None:
            future.cancel(force=True)

    def events(self, seconds: float) -> Iterator[Event]:
        """Yield what has happened; wait up to some seconds for the first."""
        try:
            yield self._queue.get(timeout=seconds)
            while True:
                yield self._queue.get_nowait()
        except queue.Empty:
            return

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        told = dict(event[1])
        self._queue.put(Event("told", told.pop("call"), told))

    def _end(self, number: int, future: Any) -> None:
        if number not in self._futures:
            return
        try:
            event = Event("done", number, future.result())
        except Exception as error:  # of the call, or the scheduler has forgotten it
            event = Event("failed", number, error)
        # A call that was dropped meanwhile has no event.
        if self._futures.pop(number, None) is not None:
            self._queue.put(event)


def start_local(count: int, security: Any) -> Any:
    """Start a scheduler and workers on this machine, which end with this process.

    A worker that is killed is started again.
    """
    import dask
    from distributed import Nanny, Scheduler, SpecCluster

    # Dask reads this when a worker is lost, and gives it up if its new start takes
    # longer, as it does on a busy machine.
    dask.config.set({"distributed.deploy.lost-worker-timeout": RESTART_TIMEOUT})

    place = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    workers = {}
    for number in range(count):
        options = {
            "nthreads": 1, "memory_limit": 0, "dashboard": False,
            "silence_logs": logging.CRITICAL, "env": worker_environment(number, count),
        }  # fmt: skip
        workers[number] = {"cls": Nanny, "options": place | options}
    own = {"port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    scheduler = {"cls": Scheduler, "options": place | own}
    # The scheduler serves no page, which other people on this machine could read.
    settings: dict[str, Any] = {"distributed.scheduler.http.routes": []}
    with dask.config.set(settings):
        return SpecCluster(
            workers, scheduler, security=security, silence_logs=logging.CRITICAL
        )


def run_on_worker(
    function: Callable[..., Any], topic: str, call: int, *arguments: Any
) -> Any:
    """Call a function of `worker` in a worker's process, with a way to tell."""
    import distributed

    worker = distributed.get_worker()
    key = worker.get_current_task()

    def emit(told: dict[str, Any]) -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state != "executing":
            raise RuntimeError("the driver has gone")  # whoever called it, too
        worker.log_event(topic, told | {"call": call})

    return function(emit, *arguments)
