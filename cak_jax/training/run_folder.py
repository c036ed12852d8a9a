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
from cak_jax.runtime.text import printable
from cak_jax.training.config import differences

LOCK, HOLDER, STATUS = ".lock", ".holder", "status.json"
# The stages of a run, in this order.
STAGES = ("reading", "compiling", "training", "evaluating", "finished")
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
        # A run that was stopped early leaves hidden files only: its lock, perhaps a
        # temporary file.
        if folder.is_dir() and any(p.name[0] != "." for p in folder.iterdir()):
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

    stage: str  # one of `STAGES`
    summary: list[str]  # its sentences, at the end
    step: int  # of the training
    steps: int  # of the whole training; 0 before it begins


def write_status(
    folder: pathlib.Path,
    stage: str,
    summary: Sequence[str] = (),
    step: int = 0,
    steps: int = 0,
) -> None:
    """Write the run's status; its `config.json` has been written before."""
    status = Status(stage, list(summary), step, steps)
    json_file.write(folder / STATUS, status._asdict())


def read_status(folder: pathlib.Path) -> Status:
    """Return a run's status; the first stage while there is none.

    A run that ended early leaves the stage in which it ended.
    """
    try:
        # Earlier versions wrote no steps.
        return Status(**{"step": 0, "steps": 0} | json_file.read(folder / STATUS))
    except FileNotFoundError:
        return Status(STAGES[0], [], 0, 0)


class StepStatus:
    """Counts the steps of a training in the run's status, at most once a second."""

    def __init__(self, folder: pathlib.Path, step: int, steps: int):
        """Write the stage "training".

        Args:
          folder: of the run.
          step: from which the training goes on.
          steps: of the whole training.
        """
        self._folder, self._step, self._steps = folder, step, steps
        self._write()

    def add_step(self) -> None:
        """Count one step more."""
        self._step += 1
        if monotonic() - self._written >= 1.0:
            self._write()

    def _write(self) -> None:
        self._written = monotonic()
        write_status(self._folder, "training", step=self._step, steps=self._steps)


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Make the folder and lock it for this process.

    The system releases the lock however the process ends. A new folder is removed again
    if nothing but the lock was written to it.

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
        if missing and {p.name for p in folder.iterdir()} <= {LOCK, HOLDER}:
            shutil.rmtree(folder)
            for path in missing[1:]:
                # A folder that is not empty stays.
                with contextlib.suppress(OSError):
                    path.rmdir()
        lock.release()
