"""The rules of a run folder: one run, one process, one corpus; and its status file."""

import contextlib
import errno
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

import filelock

from cak_jax.data.scan import scan
from cak_jax.runtime import json_file
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.progress import Bars
from cak_jax.runtime.text import printable
from cak_jax.training.config import differences

LOCK, HOLDER, STATUS = ".lock", ".holder", "status.json"
# The stages of a run, in this order. The embedded sounds are made, others are read and
# decoded. A game that hears listens to crops of them ("hearing"). Held-out clips are
# measured during the training ("checking") and at its end.
STAGES = (
    *("making", "reading", "decoding", "measuring", "hearing", "compiling"),
    *("training", "checking", "evaluating", "report", "finished"),
)
SHOWN = 3  # names in a message, at most
# Errors of file systems without locks.
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


class RunError(InputError):
    """The run folder cannot be used; one line that names it and the remedy."""


def check_folder(folder: pathlib.Path, flat: dict[str, Any]) -> None:
    """Refuse a folder that belongs to another run, before anything is written.

    Raises:
      RunError: the folder holds something else, or another configuration.
    """
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:  # orbax takes no other name
        raise RunError(
            f"--workdir={folder}: is no Unicode name in this locale; name another, or "
            "set PYTHONUTF8=1"
        ) from None
    if folder.exists() and not folder.is_dir():
        raise RunError(f"--workdir={folder}: is a file; name a folder")
    path = folder / "config.json"
    if not path.exists():
        # A run that was stopped early leaves hidden files: its lock, perhaps a
        # temporary file. One that was killed then may leave its status.
        left = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
        if any(name[0] != "." and name != STATUS for name in left):
            raise RunError(
                f"--workdir={folder}: is not empty and holds no run; name another"
            )
        return
    try:
        old = dict(json_file.read(path)["config"])
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{path}: cannot be read; start in another --workdir") from None
    kinds = {
        any(field.startswith("sweep.") for field in fields) for fields in (old, flat)
    }
    if len(kinds) > 1:
        raise RunError(
            f"--workdir={folder}: a sweep and a single run cannot share a folder; "
            "name another"
        )
    changed = differences(old, flat)
    if changed:
        raise RunError(
            f"--workdir={folder}: holds a run with another configuration "
            f"({'; '.join(changed)}); give the --config and fields that it began "
            "with to go on, or name another --workdir to start anew"
        )


def check_corpus(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
    """Refuse to continue a run on other sounds than it began with.

    Raises:
      RunError: with what is missing, new or changed.
    """
    old = _manifest_of(folder)
    if old is not None and old["sha256"] != manifest["sha256"]:
        raise _another_corpus(folder, corpus_difference(old, manifest))


def check_sounds(folder: pathlib.Path, sounds: str) -> None:
    """Refuse sounds that are clearly others than the run's, before they are read.

    Only names are compared: `check_corpus` compares what is in the files. Folders may
    have moved and a file may have another name, so that half of the names is enough.

    Args:
      folder: of the run.
      sounds: the folder of sounds; "" for the embedded ones. A zip is not looked into.

    Raises:
      RunError: with what is missing.
      CorpusError: there are no such sounds.
    """
    old = _manifest_of(folder)
    sounds = os.path.expanduser(sounds)
    if old is None or os.path.splitext(sounds)[1].lower() == ".zip":
        return
    config = json_file.read(folder / "config.json")["config"]
    was_made = not config.get("corpus.path", "")
    if was_made and sounds:
        raise _another_corpus(folder, "the embedded sounds, now a folder")
    files = old.get("files", ())
    names = scan(sounds).names if sounds else []
    here = {printable(os.path.basename(name)) for name in names}
    kept = [file for file in files if file["file"].rpartition("/")[2] in here]
    if not was_made and 2 * len(kept) < len(files):
        raise _another_corpus(folder, corpus_difference(old, {"files": kept}))


def _manifest_of(folder: pathlib.Path) -> dict[str, Any] | None:
    """Return the `corpus.json` of a run; None where there is none yet."""
    path = folder / "corpus.json"
    if not path.exists():
        return None
    try:
        old = dict(json_file.read(path))
    except (ValueError, TypeError):
        old = {}
    if "sha256" not in old:
        raise RunError(f"{path}: cannot be read; start in another --workdir")
    return old


def _another_corpus(folder: pathlib.Path, difference: str) -> RunError:
    return RunError(
        f"--workdir={folder}: its corpus was another one ({difference}); bring it "
        "back, or name another --workdir to start anew"
    )


def corpus_difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return one line with the files in which two manifests differ."""
    new = json.loads(json.dumps(new))  # with the types that JSON gave the old one
    before, after = (
        {file["file"]: file for file in manifest.get("files", ())}
        for manifest in (old, new)
    )
    both = before.keys() & after.keys()
    groups = {
        "missing": before.keys() - after.keys(),
        "new": after.keys() - before.keys(),
        # Only the content counts: split and ranked labels depend on other files too.
        "changed": {
            n for n in both if before[n].get("sha256") != after[n].get("sha256")
        },
    }
    lists = [
        f"{kind}: {', '.join(sorted(names)[:SHOWN])}"
        + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        for kind, names in groups.items()
        if names
    ]
    if not lists and both:
        return "the same files with other labels, cuts or another split"
    return "; ".join(lists) or f"{old.get('clips')} clips, now {new.get('clips')}"


class Status(NamedTuple):
    """How far a run is; for programs that watch it."""

    stage: str = ""  # one of `STAGES`; "" before the first
    done: int = 0  # clips, files, steps or pages of the stage
    total: int = 0  # 0 where the stage cannot be counted
    seconds_left: float | None = None  # of the stage; None while it cannot be told
    summary: Sequence[str] = ()  # sentences, at the end of the run


def write_status(folder: pathlib.Path, status: Status) -> None:
    """Write the status of a run."""
    json_file.write(folder / STATUS, status._asdict())


def read_status(folder: pathlib.Path) -> Status:
    """Return a run's status; one without a stage while there is none.

    A run that ended early leaves the stage in which it ended.
    """
    try:
        written = json_file.read(folder / STATUS)
    except FileNotFoundError:
        return Status()
    # Earlier versions wrote other fields.
    return Status(**{n: written[n] for n in Status._fields if n in written})


class StatusBars:
    """Shows the progress of a run on bars, and keeps it in the run's status.

    The status is written at the begin of a stage, at its end, and in between at most
    once a second.

    Args:
      bars: of the terminal.
      folder: of the run, locked.
    """

    def __init__(self, bars: Bars, folder: pathlib.Path):
        self._bars, self._folder, self._stage = bars, folder, ""
        self._began = self._written = 0.0
        self._first = 0

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Show and keep that `done` of `total` steps of a stage are done."""
        self._bars(done, total, stage)
        now = monotonic()
        if stage != self._stage:
            self._stage, self._began, self._first = stage, now, done
        elif now - self._written < 1.0 and done < total:
            return
        self._written, left = now, None
        if done > self._first:
            left = (now - self._began) * (total - done) / (done - self._first)
        write_status(self._folder, Status(stage, done, total, left))

    def begin(self, stage: str) -> None:
        """Keep that a stage begins, before anything of it is counted."""
        self._stage = ""
        write_status(self._folder, Status(stage))

    @contextlib.contextmanager
    def waiting(self, stage: str) -> Iterator[None]:
        """Show a clock and keep the stage while the block does what is not counted."""
        self.begin(stage)
        with self._bars.waiting(stage):
            yield


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Make the folder and lock it for this process.

    The system releases the lock however the process ends. A status without a run is
    removed again, and so is a new folder that holds nothing but the lock.

    Raises:
      RunError: another process holds it, or it cannot be written.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    # No soft lock: its file would stay after the process is killed.
    lock = filelock.FileLock(folder / LOCK, fallback_to_soft=False)
    note = folder / HOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        note.write_text(str(os.getpid()), "utf-8")
    except filelock.Timeout:
        holder = note.read_text("utf-8") if note.exists() else "unknown"
        raise RunError(
            f"--workdir={folder}: is in use by process {holder}; "
            "wait for it or name another"
        ) from None
    except OSError as error:
        lock.release()
        if error.errno in NO_LOCKS:
            raise RunError(
                f"--workdir={folder}: its file system knows no locks; name a folder on "
                "a local disk"
            ) from None
        raise RunError(
            f"--workdir={folder}: cannot be written ({error.strerror}); name a folder "
            "that can be"
        ) from None
    try:
        yield
    finally:
        if not (folder / "config.json").exists():
            (folder / STATUS).unlink(missing_ok=True)
        if missing and {p.name for p in folder.iterdir()} <= {LOCK, HOLDER}:
            shutil.rmtree(folder)
            for path in missing[1:]:
                # A folder that is not empty stays.
                with contextlib.suppress(OSError):
                    path.rmdir()
        lock.release()
