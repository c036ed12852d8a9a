"""Find the sound files of a folder, and read their headers and hashes."""

import collections
import dataclasses
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from cak_jax.audio import sound_file
from cak_jax.audio.formats import SUFFIXES, AudioError, AudioInfo
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import counted, printable

RATES = (1000, 1_000_000)
"""The least and the greatest sample rate of a usable file, in Hz."""
# Declared samples per byte of the file; if there are more, they are counted.
_SUSPICIOUS = 100
Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, stage)`."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def no_progress(done: int, total: int, stage: str) -> None:
    """Report no progress."""


class CorpusError(InputError):
    """A corpus cannot be made; one line that names the folder or the field."""


@dataclasses.dataclass
class Listing:
    """The content of a folder.

    Attributes:
      folder: that was searched, or that of the one file.
      names: paths of the sound files relative to the folder, sorted.
      ignored: the number of other files by suffix; "hidden" for hidden ones.
      left_out: (printable name, reason) of files and folders that are not used although
        they may have been meant.
    """

    folder: str
    names: list[str]
    ignored: collections.Counter[str]
    left_out: list[tuple[str, str]]


class Source(NamedTuple):
    """A sound file of the corpus.

    Attributes:
      path: of the file; may hold bytes that are no text.
      name: relative to the corpus folder, printable, forward slashes.
      sha256: of its bytes.
      info: its header; `frames` is counted if none is declared, or an impossible one.
    """

    path: str
    name: str
    sha256: str
    info: AudioInfo

    @property
    def frames(self) -> int:
        """Return the samples per channel."""
        return self.info.frames or 0


def scan(folder: str) -> Listing:
    """List the sound files below a folder, by suffix and in sorted order.

    Hidden files and folders are only counted. Links are followed once. The folder of a
    training run is left out. A single sound file is listed alone.

    Raises:
      CorpusError: neither a folder nor a sound, or a folder that cannot be read.
    """
    suffix = os.path.splitext(folder)[1].lower()
    if suffix in SUFFIXES and os.path.isfile(folder):
        folder, name = os.path.split(folder)
        return Listing(folder or ".", [name], collections.Counter(), [])
    if not os.path.isdir(folder):
        fault = "is not a folder" if os.path.lexists(folder) else "does not exist"
        raise CorpusError(
            f"corpus.path: {printable(folder)} {fault}; name a folder of sounds, one "
            "sound, or a zip"
        )
    listing = Listing(folder, [], collections.Counter(), [])
    seen = set()
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        real = os.path.realpath(os.path.join(folder, relative))
        if real not in seen:
            seen.add(real)
            waiting += _scan_one(folder, relative, listing)
    listing.names.sort()
    return listing


def _scan_one(folder: str, relative: str, listing: Listing) -> list[str]:
    """Add the files of one folder to a listing; return its folders, last one first."""
    try:
        with os.scandir(os.path.join(folder, relative)) as unsorted:
            entries = sorted(unsorted, key=lambda entry: entry.name)
    except OSError as error:
        if not relative:
            raise CorpusError(
                f"corpus.path: {printable(folder)} cannot be read ({error.strerror}); "
                "name a folder that can"
            ) from error
        listing.left_out.append((_printable(relative), f"folder: {error.strerror}"))
        return []
    if {"config.json", "metrics.jsonl"} <= {entry.name for entry in entries}:
        listing.left_out.append((_printable(relative or "."), "folder: a training run"))
        return []
    folders = []
    for entry in entries:
        name = os.path.join(relative, entry.name)
        suffix = os.path.splitext(entry.name)[1].lower()
        if entry.name.startswith("."):
            listing.ignored["hidden"] += 1
        # Not entry.is_dir(), which fails for a link to itself.
        elif os.path.isdir(entry.path):
            folders.append(name)
        elif suffix in SUFFIXES:
            listing.names.append(name)
        else:
            listing.ignored[printable(suffix)] += 1
    return folders[::-1]


def probe(
    folder: str, names: list[str], known: dict[str, list[Any]], progress: Progress
) -> tuple[list[Source], list[tuple[str, str]]]:
    """Hash every file and read its header, several at a time.

    Args:
      folder, names: that was listed, and its sound files.
      known: the results of an earlier probe by printable name, replaced by the new
        ones. A file of the same size and time is not read again.
      progress: of the stage "reading".

    Returns:
      The usable files, one of those with equal content, and (name, reason) of the
      others.
    """
    earlier = dict(known)
    known.clear()
    sources, left_out = [], []
    first: dict[str, str] = {}  # name by content
    tasks = [(os.path.join(folder, name), _printable(name)) for name in names]
    results = parallel(lambda task, _: _probe_one(task[0], earlier.get(task[1])), tasks)
    for done, ((path, name), result) in enumerate(zip(tasks, results, strict=True)):
        progress(done + 1, len(tasks), "reading")
        if isinstance(result, AudioError):
            left_out.append((name, result.reason))
            continue
        known[name] = result
        _, _, sha256, info = result
        if sha256 in first:
            left_out.append((name, f"same content as {first[sha256]}"))
            continue
        first[sha256] = name
        info = AudioInfo(**info | {"notes": tuple(info["notes"])})
        sources.append(Source(path, name, sha256, info))
    return sources, left_out


def find_sources(folder: str) -> tuple[list[Source], list[tuple[str, str]]]:
    """Find the usable sound files of a folder, as a training does.

    Returns:
      The files, and (name, reason) of those that are left out.

    Raises:
      CorpusError: it is not a folder, or it holds no usable sound file.
    """
    folder = os.path.expanduser(folder)
    listing = scan(folder)
    sources, unusable = probe(listing.folder, listing.names, {}, no_progress)
    listing.left_out += unusable
    if not sources:
        raise CorpusError(nothing_usable(folder, listing))
    return sources, listing.left_out


def nothing_usable(folder: str, listing: Listing) -> str:
    """Return one line about the content of a folder without usable sounds."""
    parts = [f"{name}: {reason}" for name, reason in listing.left_out[:3]]
    if len(listing.left_out) > 3:
        parts.append(f"and {len(listing.left_out) - 3} more")
    other = sum(listing.ignored.values())
    if other:
        kinds = ", ".join(kind or "no suffix" for kind in sorted(listing.ignored)[:5])
        files = counted(other, "file")
        parts.append(f"{files} without a name of a sound file ({kinds})")
    content = "; ".join(parts) or "it is empty"
    return (
        f"corpus.path: {printable(folder)} holds no usable sound file ({content}); "
        "name a folder with sounds"
    )


def parallel(
    function: Callable[[Task, threading.Event], Result], tasks: Iterable[Task]
) -> Iterator[Any]:
    """Yield `function(task, stop)` of every task in order, computed by threads.

    Decoding, resampling and hashing release Python's lock, so threads use all cores.
    An `AudioError` becomes the result of its task. `stop` is set when the caller leaves
    early; long work should look at it.
    """
    stop = threading.Event()

    def run(task: Task) -> Result | AudioError | None:
        try:
            return None if stop.is_set() else function(task, stop)
        except AudioError as error:
            # Its frames would keep the file open, and a process that decodes it.
            return error.with_traceback(None)

    with ThreadPoolExecutor(min(8, max(2, os.cpu_count() or 1))) as threads:
        try:
            yield from threads.map(run, tasks)
        finally:
            stop.set()
            threads.shutdown(wait=False, cancel_futures=True)


def _probe_one(path: str, known: list[Any] | None) -> list[Any]:
    """Return size, time, SHA-256 and header of a file, from `known` if it can."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise AudioError(path, f"cannot be opened ({error.strerror})") from error
    stamp = [status.st_size, status.st_mtime_ns]
    if known is not None and known[:2] == stamp and len(known) == 4:
        return known
    # The header first, because `info` refuses a FIFO and whatever is no sound file.
    info = sound_file.info(path)
    if not RATES[0] <= info.sample_rate <= RATES[1]:
        raise AudioError(path, f"declares {info.sample_rate} samples per second")
    samples = (info.frames or 0) * info.channels
    if not 0 < samples <= _SUSPICIOUS * status.st_size:
        notes = list[str]()
        frames = sum(map(len, sound_file.blocks(path, note=notes.append)))
        info = dataclasses.replace(info, frames=frames, notes=tuple(notes))
    if info.frames == 0:
        raise AudioError(path, "holds no samples")
    try:
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return [*stamp, sha256, dataclasses.asdict(info)]
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})") from error


def _printable(relative: str) -> str:
    return printable(relative.replace(os.sep, "/"))
