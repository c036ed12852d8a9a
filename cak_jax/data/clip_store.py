"""Prepared clips on disk, so that a second run on the same sounds starts at once.

A store is a folder whose name is a hash of the files, the plan and the shape of the
clips. It holds `clips.f32` (raw float32, clip after clip), `store.json` (a record of
each clip) and `statistics-*.json`. It is built under another name and renamed when
complete. If two processes build the same store, the slower one removes its own. A store
that changed later does not fit its hashes, and is built again.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from cak_jax.audio.formats import AudioError
from cak_jax.data.clips import Cut, Shape, cut_file
from cak_jax.data.scan import CorpusError, Progress, parallel
from cak_jax.runtime import json_file
from cak_jax.runtime.text import in_bytes, printable

VERSION = 4
CLIPS = "clips.f32"
_STALE_SECONDS = 24 * 3600


class Store(NamedTuple):
    """A complete store: clips `[clip, sample]` float32, and what `store.json` holds.

    The clips of a folder are memory-mapped and read-only; "" is a store in memory.
    """

    folder: str
    audio: np.ndarray
    content: dict[str, Any]


class Rows:
    """The clips of a store that is being built: written in any order."""

    def __init__(self, file: BinaryIO, samples: int, cache: str) -> None:
        """Write to a file, clips of so many samples; faults name the cache folder."""
        self._file, self._bytes, self._cache = file, 4 * samples, cache
        self._lock = threading.Lock()

    def write(self, row: int, clip: np.ndarray) -> None:
        """Write `[sample]` float32 into a row; several threads may do so at once."""
        data = np.ascontiguousarray(clip, "<f4").tobytes()
        with _reported(self._cache), self._lock:
            self._file.seek(row * self._bytes)
            self._file.write(data)

    def keep(self, rows: list[int]) -> None:
        """Keep only these rows, given in rising order, and move them to the front."""
        with _reported(self._cache):
            for target, row in enumerate(rows):
                if target != row:
                    self._file.seek(row * self._bytes)
                    data = self._file.read(self._bytes)
                    self._file.seek(target * self._bytes)
                    self._file.write(data)
            self._file.truncate(len(rows) * self._bytes)


def cache_folder(setting: str) -> str:
    """Return the folder of the stores; make it if it is missing.

    An empty setting means `$XDG_CACHE_HOME/cak_jax` or `~/.cache/cak_jax`.

    Raises:
      CorpusError: it cannot be made, or there is no home folder.
    """
    folder = os.path.expanduser(setting)
    if not folder:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = os.path.join(base, "cak_jax")
    remedy = "set corpus.cache to a folder that can be written"
    if not setting and not os.path.isabs(folder):
        raise CorpusError(f"corpus.cache: there is no home folder: {remedy}")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        reason = f"{printable(folder)} cannot be made ({error.strerror})"
        raise CorpusError(f"corpus.cache: {reason}: {remedy}") from error
    return os.path.abspath(folder)


def open_store(cache: str, key: str) -> Store | None:
    """Return the store of that key; None if it is missing or damaged."""
    folder = os.path.join(cache, key)
    store = _read_intact(folder)
    if store is None and os.path.isdir(folder):
        logging.warning(
            "%s: damaged, or of another version; the clips are prepared again",
            printable(folder),
        )
    return store


def _read_intact(folder: str) -> Store | None:
    store = _read(folder)
    rows = zip(store.audio, store.content["clips"], strict=True) if store else ()
    changed = (hashlib.sha256(row).hexdigest() != clip["sha256"] for row, clip in rows)
    return None if any(changed) else store


def _read(folder: str) -> Store | None:
    content = json_file.read_sealed(os.path.join(folder, "store.json"))
    if not content or content.get("version") != VERSION:
        return None
    shape = (len(content["clips"]), content["samples"])
    path = os.path.join(folder, CLIPS)
    if not os.path.isfile(path) or os.path.getsize(path) != 4 * shape[0] * shape[1]:
        return None
    if not content["clips"]:
        return Store(folder, np.zeros(shape, np.float32), content)
    return Store(folder, np.memmap(path, "<f4", "r", shape=shape), content)


@contextlib.contextmanager
def build_store(
    cache: str, key: str, count: int, samples: int
) -> Iterator[tuple[Rows, dict[str, Any]]]:
    """Give `(rows, content)` to fill; the store exists when the block ends well.

    The disk must have space for `count` rows of so many samples.

    Raises:
      CorpusError: the disk is full or cannot be written.
    """
    _remove_stale(cache)
    _check_space(cache, 4 * count * samples)
    temporary = os.path.join(cache, f"{key}.{uuid.uuid4().hex}.partial")
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, temporary, ignore_errors=True)
        with _reported(cache):
            os.mkdir(temporary)
            # Not a memory map, because a full disk would then kill the process.
            file = open(os.path.join(temporary, CLIPS), "w+b")  # noqa: SIM115
        cleanup.callback(_close, file)
        content: dict[str, Any] = {"version": VERSION, "samples": samples}
        yield Rows(file, samples, cache), content
        with _reported(cache):
            file.close()  # on a full disk, the first call that fails may be this one
            json_file.write_sealed(os.path.join(temporary, "store.json"), content)
            _publish(temporary, os.path.join(cache, key))


def prepare(cuts: Sequence[Cut], shape: Shape, cache: str, progress: Progress) -> Store:
    """Return the store of some clips; decode them if it does not exist yet.

    A damaged file is left out as a whole; silent clips are left out one by one.

    Returns:
      The store. Its `content` has "clips" (one record each, in the order of `cuts`),
      "left_out" ([name, reason]) and "notes" (name -> what is odd about the file, and
      what was done to it).

    Raises:
      CorpusError: the cache folder is full or cannot be written.
    """
    used = [cut for cut in cuts if cut.starts]
    plan = [[c.source.name, c.source.sha256, c.starts, c.held_out] for c in used]
    key = json_file.digest([plan, shape._asdict()])
    store = open_store(cache, key)
    if store is not None:
        return store
    first_rows = np.cumsum([0, *(len(cut.starts) for cut in used)]).tolist()
    with build_store(cache, key, first_rows[-1], shape.samples) as (rows, content):
        tasks = list(zip(used, first_rows, strict=False))
        results = parallel(
            lambda task, stop: _decode(task[0], task[1], rows, shape, stop), tasks
        )
        content |= {"clips": [], "left_out": [], "notes": {}}
        kept: list[int] = []
        for (cut, first), result in zip(tasks, results, strict=True):
            kept += _collect(cut, first, result, content)
            progress(first + len(cut.starts), first_rows[-1], "decoding")
        rows.keep(kept)
    store = _read(os.path.join(cache, key))
    if store is None:
        raise CorpusError(
            f"corpus.cache: {printable(cache)} changed while it was written: set "
            "corpus.cache to a folder that nothing else empties"
        )
    return store


def summary(clip: np.ndarray) -> dict[str, Any]:
    """Return a clip's peak and the SHA-256 of its samples."""
    data = np.ascontiguousarray(clip, "<f4")
    return {
        "peak": float(np.abs(clip).max(initial=0.0)),
        "sha256": hashlib.sha256(data.data).hexdigest(),
    }


def _decode(
    cut: Cut, first: int, rows: Rows, shape: Shape, stop: threading.Event
) -> tuple[list[dict[str, Any]], list[str]]:
    """Write the clips of one file.

    Returns:
      A record of each clip, the silent ones' too, and the notes on the file.
    """
    records, notes = list[dict[str, Any]](), list[str]()
    for number, clip in enumerate(cut_file(cut, shape, notes.append)):
        if stop.is_set():
            break
        start = cut.starts[number] / cut.source.info.sample_rate
        record: dict[str, Any] = {"file": cut.source.name, "start": start}
        record["note"] = clip.note
        if clip.audio is not None:
            rows.write(first + number, clip.audio)
            record |= {"content": list(clip.content), "held_out": cut.held_out}
            record |= summary(clip.audio)
        records.append(record)
    return records, notes


def _collect(
    cut: Cut,
    first: int,
    result: tuple[list[dict[str, Any]], list[str]] | AudioError,
    content: dict[str, Any],
) -> list[int]:
    """Add the result of one file to `content`; return the rows that are used."""
    name = cut.source.name
    if isinstance(result, AudioError):
        content["left_out"].append([name, result.reason])
        return []
    records, notes = result
    good = [number for number, record in enumerate(records) if "sha256" in record]
    if not good:
        reasons = sorted({record["note"] for record in records})
        content["left_out"].append([name, ", ".join([*reasons, *notes])])
    for number, record in enumerate(records):
        note = record.pop("note")
        if number in good:
            content["clips"].append(record)
            notes += [note] if note else []
        elif good:
            content["left_out"].append([f"{name} @ {record['start']:.1f} s", note])
    if good and notes:
        earlier = content["notes"].get(name, [])
        content["notes"][name] = [*dict.fromkeys([*earlier, *notes])]
    return [first + number for number in good]


def save_note(path: str, value: dict[str, Any]) -> None:
    """Write a sealed JSON file that only saves time, so that a failure is ignored."""
    with contextlib.suppress(OSError):
        json_file.write_sealed(path, value)


@contextlib.contextmanager
def _reported(folder: str) -> Iterator[None]:
    """Turn a failure of the disk into a `CorpusError`."""
    try:
        yield
    except OSError as error:
        reason = f"{printable(folder)} cannot be written ({error.strerror})"
        remedy = "make space there, or set corpus.cache to another folder"
        raise CorpusError(f"corpus.cache: {reason}: {remedy}") from error


def _close(file: BinaryIO) -> None:
    # Runs after another error, which is the one to report.
    with contextlib.suppress(OSError):
        file.close()


def _publish(temporary: str, folder: str) -> None:
    """Rename a finished store, unless another process has made it meanwhile."""
    if os.path.isdir(folder) and _read_intact(folder) is None:
        shutil.rmtree(folder)
    try:
        os.rename(temporary, folder)
    except OSError:
        if _read(folder) is None:
            raise


def _check_space(cache: str, needed: int) -> None:
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise CorpusError(
            f"corpus.cache: {printable(cache)} has {in_bytes(free)} free, the clips "
            f"need {in_bytes(needed)}: lower corpus.max_clips, or set corpus.cache"
        )


def _remove_stale(cache: str) -> None:
    """Remove the unfinished stores of killed processes, a day after the last write."""
    with os.scandir(cache) as entries:
        names = [e.path for e in entries if e.name.endswith(".partial") and e.is_dir()]
    for path in names:
        # Another process may remove it at the same moment.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - os.path.getmtime(path) > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
