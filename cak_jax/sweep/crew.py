"""The workers of a cluster as the driver sees them, and the way to them."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from cak_jax.data.corpus import Corpus
from cak_jax.runtime.text import in_bytes
from cak_jax.sweep.cluster import Event
from cak_jax.sweep.grid import PlannedRun, SweepSettings
from cak_jax.sweep.group import ACCELERATOR_RUNS, CPU_RUNS
from cak_jax.sweep.worker import Samples

# Tasks of a CPU worker on average: small ones, so that its end costs little and one
# that joins late finds work. An accelerator gets as many runs as it holds at once.
CPU_TASKS = 4
# Memory that a worker needs beside a corpus: Python, JAX, the program.
BESIDE = 400_000_000


class Link(Protocol):
    """The way to the workers; `cluster.Cluster` is one."""

    def workers(self) -> set[str] | None:
        """Return who is there; None if that is not known at the moment."""

    def send(self, sha256: str, audio: np.ndarray) -> Any:
        """Return what stands for samples in a call."""

    def call(self, worker: str, function: Callable[..., Any], *arguments: Any) -> int:
        """Start a function on a worker; return the number of the call."""

    def drop(self, call: int) -> None:
        """Forget a call."""

    def events(self, seconds: float) -> Iterable[Event]:
        """Return what has happened."""


@dataclasses.dataclass
class Member:
    """A worker, as the driver knows it.

    Attributes:
      doing: "describe", "has_samples", "keep_samples", "keep_group" or "make_runs",
        the call that it is at; "" for none, "left out" for ever.
      most: runs at once, on all of its devices.
      group: that it holds, -1 for none; `target` is the one that it shall hold.
      runs: of its task, not sent yet; `steps`, `sent`: iterations made and sent of it.
      sizes: runs of a task, by group.
    """

    address: str
    doing: str = ""
    call: int = -1
    token: str = ""
    free: int = 0
    devices: int = 1
    is_cpu: bool = True
    most: int = 1
    samples: str = ""
    group: int = -1
    target: int = -1
    runs: list[PlannedRun] = dataclasses.field(default_factory=list)
    steps: int = 0
    sent: int = 0
    ended: float = 0.0
    failures: int = 0
    sizes: dict[int, int] = dataclasses.field(default_factory=dict)

    @property
    def serves(self) -> bool:
        """Whether it is not left out."""
        return self.doing != "left out"

    def learn(self, info: dict[str, Any], settings: SweepSettings) -> str:
        """Take in what `worker.describe` says; return it as a line for people."""
        self.token, self.free = info["token"], info["free"]
        self.is_cpu, self.devices = info["backend"] == "cpu", info["devices"]
        default = CPU_RUNS if self.is_cpu else ACCELERATOR_RUNS
        self.most = (settings.runs_at_once or default) * self.devices
        several = f"{self.devices} times " if self.devices > 1 else ""
        return (
            f"worker {self.address}: process {info['process']} on {info['host']}, "
            f"{several}{info['kind']} ({info['backend']}), "
            f"{in_bytes(info['free'])} free"
        )

    def size(self, group: int, runs: int, serving: int) -> int:
        """Return the runs of a task, decided once for a group and its program.

        A worker's tasks are of equal size, so that all of them end together.

        Args:
          group: number of the group.
          runs: of all groups that are not written yet.
          serving: number of workers.
        """
        if group not in self.sizes:
            share = -(-runs // serving)
            tasks = max(-(-share // self.most), CPU_TASKS if self.is_cpu else 1)
            size = max(1, -(-share // tasks))
            self.sizes[group] = -(-size // self.devices) * self.devices
        return self.sizes[group]

    def halve(self) -> int:
        """Take half as many runs at once; return how many, 0 if it cannot be less."""
        size = self.sizes[self.group]
        if size <= self.devices:
            return 0
        half = size // 2 // self.devices * self.devices
        self.most = max(self.devices, half)
        self.sizes.clear()
        return self.most


def unfit(info: dict[str, Any], device: str, version: str) -> str:
    """Return why a worker cannot serve, or "".

    Args:
      info: of `worker.describe`.
      device: that every worker must have, "" for any.
      version: of the driver's program.
    """
    if info["version"] != version:
        return f"has {info['version']}, here is {version}: install the same there"
    if device and info["backend"] != device:
        return (
            f"has no {device} ({info['kind']} only): start it where JAX sees one, or "
            "leave out --cluster_device"
        )
    return ""


def too_small(free: int, samples: Samples) -> str:
    """Return why a corpus does not fit into a worker's free bytes, or ""."""
    needed = samples.size + BESIDE
    if free >= needed:
        return ""
    return (
        f"has {in_bytes(free)} free, the corpus and the program need "
        f"{in_bytes(needed)}: lower corpus.max_clips, or start it on a larger machine"
    )


def without_samples(corpus: Corpus) -> Corpus:
    """Return a corpus whose samples are left out."""
    return dataclasses.replace(corpus, audio=np.zeros((0, 0), np.float32))
