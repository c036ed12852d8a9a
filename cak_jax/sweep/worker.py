"""What a worker of a cluster does: say what it is, keep a corpus, make runs.

A worker holds one group at a time: its corpora and its compiled program. It needs no
file that another machine sees, because the corpus comes from the driver and every
finished run goes back as the bytes of its files.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
import platform
import socket
import tempfile
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import cak_jax
from cak_jax.data.corpus import Corpus
from cak_jax.sweep.grid import PlannedRun, SweepSettings

# What a worker tells while it works; see `distribute`.
Emit = Callable[[dict[str, Any]], object]
# Of this process: another one at the same address is another worker.
TOKEN = uuid.uuid4().hex
BLOCK = 2**24  # bytes of a corpus that are hashed at once


class Samples(NamedTuple):
    """The samples of a corpus as they travel: once to every worker.

    Attributes:
      sha256: of the bytes of the samples.
      shape: of `[clip, sample]` float32.
      path: of the file that holds them from the first byte to the last, where there is
        one: a worker that sees the same file maps it into memory.
    """

    sha256: str
    shape: tuple[int, int]
    path: str

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return 4 * self.shape[0] * self.shape[1]


class Task(NamedTuple):
    """Some runs of a group for one worker.

    Attributes:
      token: of the worker that it is meant for.
      group: number of the group, whose corpora the worker keeps.
      runs: at most `size`, the number that the group's program is compiled for.
      settings: of the sweep.
      known: widths that other workers have measured.
    """

    token: str
    group: int
    runs: list[PlannedRun]
    size: int
    settings: SweepSettings
    known: dict[str, dict[str, Any]]


@dataclasses.dataclass
class Kept:
    """The group that this process holds; group -1 is none."""

    group: int = -1
    samples: str = ""
    audio: np.ndarray | None = None
    corpora: dict[Any, Corpus] = dataclasses.field(default_factory=dict)
    program: Any = None  # GroupProgram, which loads JAX


_kept = Kept()


@functools.cache
def sources() -> str:
    """Return the SHA-256 of the package's source files."""
    folder = pathlib.Path(cak_jax.__file__).parent
    hashed = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        hashed.update(path.relative_to(folder).as_posix().encode() + b"\0")
        hashed.update(path.read_bytes() + b"\0")
    return hashed.hexdigest()


def program_version() -> str:
    """Return what two machines must have in common to make the same runs."""
    import jax

    return (
        f"cak_jax {cak_jax.__version__} (source {sources()[:8]}) on jax "
        f"{jax.__version__}"
    )


def describe(emit: Emit) -> dict[str, Any]:
    """Return what this worker is: its version, devices and free memory in bytes."""
    del emit
    import jax

    from cak_jax.training import machine

    return {
        "token": TOKEN,
        "version": program_version(),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "system": platform.machine(),
        "backend": jax.default_backend(),
        "devices": jax.device_count(),
        "kind": jax.devices()[0].device_kind,
        "free": machine.host_memory(),
    }


def digest(audio: np.ndarray) -> str:
    """Return the SHA-256 of samples; the array is in one piece."""
    hashed, data = hashlib.sha256(), audio.data.cast("B")
    for start in range(0, len(data), BLOCK):
        hashed.update(data[start : start + BLOCK])
    return hashed.hexdigest()


def samples_of(audio: np.ndarray) -> Samples:
    """Return the description of a corpus's samples."""
    path = ""
    if isinstance(audio, np.memmap) and audio.filename:
        path = os.fspath(audio.filename)
        if os.path.getsize(path) != audio.nbytes:
            path = ""
    clips, samples = audio.shape
    return Samples(digest(np.ascontiguousarray(audio)), (clips, samples), path)


def open_file(samples: Samples) -> np.ndarray | None:
    """Return the samples from the file that holds them, if this machine has it."""
    try:
        if os.path.getsize(samples.path) == samples.size:
            audio = np.memmap(samples.path, "<f4", "r", shape=samples.shape)
            return audio if digest(audio) == samples.sha256 else None
    except OSError:
        pass
    return None


def has_samples(emit: Emit, samples: Samples) -> bool:
    """Say whether this worker has these samples already, and keep them if so."""
    del emit
    if _kept.samples == samples.sha256:
        return True
    audio = open_file(samples)
    if audio is not None:
        _keep_samples(samples, audio)
    return audio is not None


def _keep_samples(samples: Samples, audio: np.ndarray) -> None:
    _kept.group, _kept.program = -1, None
    _kept.samples, _kept.audio = samples.sha256, audio


def keep_samples(emit: Emit, samples: Samples, audio: np.ndarray) -> bool:
    """Keep the samples that were sent; False if they have changed on the way."""
    del emit
    if audio.shape != samples.shape or digest(audio) != samples.sha256:
        return False
    _keep_samples(samples, audio)
    return True


def keep_group(
    emit: Emit, samples: Samples, group: int, corpora: dict[Any, Corpus]
) -> bool:
    """Keep the corpora of a group, which come without samples.

    False if this worker does not have the samples, as after it was started anew.
    """
    del emit
    if _kept.samples != samples.sha256 or _kept.audio is None:
        return False
    _kept.group, _kept.program = group, None
    _kept.corpora = {
        labels: dataclasses.replace(corpus, audio=_kept.audio)
        for labels, corpus in corpora.items()
    }
    return True


def make_runs(emit: Emit, task: Task) -> dict[str, Any]:
    """Train, measure and send back the runs of a task.

    It tells `{"steps": n}` while it trains, `{"said": text}` once for a program, and
    for every finished run `{"run": name, "files": {path: bytes}}`.

    Returns:
      `known` widths; or a `fault`, with the runs that were not sent left to be made:
      "stranger" where this process was started after the task was given, "memory" where
      the runs do not fit.
    """
    if task.token != TOKEN or task.group != _kept.group:
        return {"fault": "stranger"}
    try:
        _make(emit, task)
    except MemoryError as error:
        return _without_memory(error)
    except RuntimeError as error:  # JAX has no narrower one
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return _without_memory(error)
    return {"fault": "", "known": task.known}


def _without_memory(error: BaseException) -> dict[str, Any]:
    _kept.program = None
    return {"fault": "memory", "reason": str(error).split("\n")[0][:200]}


def _make(emit: Emit, task: Task) -> None:
    from cak_jax.sweep import results
    from cak_jax.sweep.group import Group, GroupProgram
    from cak_jax.training.run import versions

    program = _kept.program
    if program is None or program.size != task.size:
        program = _kept.program = GroupProgram(
            Group(task.runs, _kept.corpora),
            task.settings,
            task.size,
            task.known,
            lambda said: emit({"said": said}),
        )
    made_with = versions()
    for trained in program.train(task.runs, lambda count: emit({"steps": count})):
        run = trained.planned
        with tempfile.TemporaryDirectory(prefix="cak_jax") as place:
            folder = pathlib.Path(place)
            whole = program.group.whole(run).sha256
            results.write_run(trained, task.settings, folder, whole, made_with)
            files = results.read_files(folder, run.name)
        emit({"run": run.name, "files": files})
