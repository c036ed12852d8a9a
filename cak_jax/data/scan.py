"""Find the sound files of a folder, and what can be known of them before decoding."""

import collections
import dataclasses
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from cak_jax.audio import sound_file
from cak_jax.audio.sound_file import AudioError, AudioInfo
from cak_jax.audio.truncation import shortfall
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable

RATES = (1000, 1_000_000)
_SUSPICIOUS = 100


class CorpusError(InputError):
    """A corpus cannot be made; one line that names the folder or the field."""


@dataclasses.dataclass
class Listing:
    """What a folder holds.

    Attributes:
      names: paths of sound files relative to the folder, sorted.
      ignored: how many other files there are, by suffix ("hidden" for hidden ones).
      left_out: (printable name, reason) of what could have been meant but is not used.
    """

    names: list[str]
    ignored: collections.Counter
    left_out: list[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Source:
    """A sound file of the corpus.

    Attributes:
      path: where it is; may hold bytes that are no text.
      name: relative to the corpus folder, printable, forward slashes.
      sha256: of its bytes.
      info: its header, with `frames` counted where what it declares cannot be.
      note: what is wrong with it though it can be used.
    """

    path: str
    name: str
    sha256: str
    info: AudioInfo
    note: str = ""


def scan(folder: str) -> Listing:
    """List the sound files below a folder, by suffix and in sorted order.

    Hidden files and folders are only counted, links are followed once, and a folder
    that this package wrote a run into is left out.

    Raises:
      CorpusError: not a folder, or one that cannot be read.
    """
    if not os.path.isdir(folder):
        what = "is not a folder" if os.path.lexists(folder) else "does not exist"
        raise CorpusError(f"corpus.path: {printable(folder)} {what}")
    found = Listing([], collections.Counter(), [])
    seen = set()
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        real = os.path.realpath(os.path.join(folder, relative))
        if real not in seen:
            seen.add(real)
            waiting += _scan_one(folder, relative, found)
    found.names.sort()
    return found


def _scan_one(folder: str, relative: str, found: Listing) -> list[str]:
    """Add one folder's files to `found` and return its folders, last one first."""
    try:
        with os.scandir(os.path.join(folder, relative)) as entries:
            entries = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if not relative:
            reason = f"cannot be read ({error.strerror})"
            raise CorpusError(f"corpus.path: {printable(folder)} {reason}") from error
        found.left_out.append((_printable(relative), f"folder: {error.strerror}"))
        return []
    if {"config.json", "metrics.jsonl"} <= {entry.name for entry in entries}:
        found.left_out.append((_printable(relative or "."), "folder: a training run"))
        return []
    folders = []
    for entry in entries:
        name = os.path.join(relative, entry.name)
        suffix = os.path.splitext(entry.name)[1].lower()
        if entry.name.startswith("."):
            found.ignored["hidden"] += 1
        # Not entry.is_dir(), which raises where a link leads to itself.
        elif suffix not in sound_file.SUFFIXES and os.path.isdir(entry.path):
            folders.append(name)
        elif suffix in sound_file.SUFFIXES:
            found.names.append(name)
        else:
            found.ignored[printable(suffix)] += 1
    return folders[::-1]


def probe(
    folder: str,
    names: list[str],
    known: dict[str, list],
    progress: Callable[[int, int, str], None],
) -> tuple[list[Source], list[tuple[str, str]]]:
    """Hash every file and read its header, several at a time.

    Args:
      folder, names: from `scan`.
      known: what an earlier probe found, by printable name; replaced by what this
        one finds. A file of the same size and time is not read again.
      progress: called as `progress(done, total, what)`.

    Returns:
      The files that can be used, without those of equal content, and (name, reason)
      of the others.
    """
    earlier = dict(known)
    known.clear()
    sources, left_out, first = [], [], {}
    tasks = [(os.path.join(folder, name), _printable(name)) for name in names]
    results = parallel(lambda task, _: _probe_one(*task, earlier), tasks)
    for done, ((path, name), result) in enumerate(zip(tasks, results, strict=True)):
        progress(done + 1, len(tasks), "reading")
        if isinstance(result, AudioError):
            left_out.append((name, result.reason))
            continue
        stamp, sha256, info, note = result
        known[name] = [*stamp, sha256, dataclasses.asdict(info), note]
        if sha256 in first:
            left_out.append((name, f"same content as {first[sha256]}"))
            continue
        first[sha256] = name
        sources.append(Source(path, name, sha256, info, note))
    return sources, left_out


def nothing_usable(folder: str, listing: Listing) -> str:
    """Say in one line what was found in a folder instead of sounds."""
    parts = [f"{name}: {reason}" for name, reason in listing.left_out[:3]]
    if len(listing.left_out) > 3:
        parts.append(f"and {len(listing.left_out) - 3} more")
    other = sum(listing.ignored.values())
    if other:
        kinds = ", ".join(kind or "no suffix" for kind in sorted(listing.ignored)[:5])
        parts.append(f"{other} files that are no sound files by name ({kinds})")
    found = "; ".join(parts) or "it is empty"
    return f"corpus.path: {printable(folder)} holds no usable sound file ({found})"


def parallel(function: Callable, tasks: Iterable) -> Iterator:
    """Yield `function(task, stop)` in order of the tasks, computed by threads.

    An `AudioError` becomes a result. `stop` is an event that is set when the caller
    leaves early: long work should look at it. Decoding, resampling and hashing
    release Python's lock, so threads use all cores.
    """
    stop = threading.Event()

    def run(task):
        try:
            return None if stop.is_set() else function(task, stop)
        except AudioError as error:
            return error

    with ThreadPoolExecutor(min(8, max(2, os.cpu_count() or 1))) as threads:
        try:
            yield from threads.map(run, tasks)
        finally:
            stop.set()
            threads.shutdown(wait=False, cancel_futures=True)


def _probe_one(path: str, name: str, known: dict) -> tuple[list, str, AudioInfo, str]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise AudioError(path, f"cannot be opened ({error.strerror})") from error
    stamp = [status.st_size, status.st_mtime_ns]
    earlier = known.get(name)
    if earlier is not None and earlier[:2] == stamp and len(earlier) == 5:
        return stamp, earlier[2], AudioInfo(**earlier[3]), earlier[4]
    # The header first: it refuses what must not be opened blindly, such as a FIFO.
    info = sound_file.info(path)
    if not RATES[0] <= info.sample_rate <= RATES[1]:
        raise AudioError(path, f"declares {info.sample_rate} samples per second")
    if not 0 < info.frames * info.channels <= _SUSPICIOUS * status.st_size:
        counted = sum(map(len, sound_file.blocks(path)))
        info = dataclasses.replace(info, frames=counted)
    if info.frames == 0:
        raise AudioError(path, "holds no samples")
    try:
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return stamp, sha256, info, shortfall(path)
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})") from error


def _printable(relative: str) -> str:
    return printable(relative.replace(os.sep, "/"))
