"""The rules of a run folder: one run, one process, one corpus."""

import contextlib
import errno
import json
import os
import pathlib
import shutil
from collections.abc import Sequence

import filelock

from cak_jax.runtime import json_file
from cak_jax.runtime.errors import InputError
from cak_jax.training import config as config_lib

LOCK, HOLDER, STATUS = ".lock", ".holder", "status.json"
# The stages of a run, in this order.
STAGES = ("reading", "compiling", "training", "evaluating", "finished")
SHOWN = 3  # names in a message, at most
# What file systems say that know no locks.
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


class RunError(InputError):
    """The run folder cannot be used; one line that names it and the remedy."""


def check_folder(folder: pathlib.Path, flat: dict) -> None:
    """Refuse a folder that belongs to another run, before anything is written."""
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:  # what checkpoints are written by takes no other
        raise RunError(
            f"--workdir={folder}: is no Unicode name in this locale; name another, or "
            "set PYTHONUTF8=1"
        ) from None
    if folder.exists() and not folder.is_dir():
        raise RunError(f"--workdir={folder}: is a file; name a folder")
    path = folder / "config.json"
    if not path.exists():
        # A run that was stopped before it wrote anything leaves hidden files only:
        # its lock, perhaps a temporary one.
        if folder.is_dir() and any(p.name[0] != "." for p in folder.iterdir()):
            raise RunError(
                f"--workdir={folder}: is not empty and holds no run; name another"
            )
        return
    try:
        old = json_file.read(path)["config"]
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{path}: cannot be read; start in another --workdir") from None
    kinds = {any(field.startswith("sweep.") for field in own) for own in (old, flat)}
    if len(kinds) > 1:
        raise RunError(
            f"--workdir={folder}: a sweep and a single run cannot share a folder; "
            "name another"
        )
    changed = config_lib.differences(old, flat)
    if changed:
        raise RunError(
            f"--workdir={folder}: holds a run with another configuration "
            f"({'; '.join(changed)}); name another --workdir to start anew"
        )


def check_corpus(folder: pathlib.Path, manifest: dict) -> None:
    """Refuse to continue a run on other sounds than it began with.

    Args:
      folder: the run folder.
      manifest: of the corpus as it is now.

    Raises:
      RunError: with what is missing, new or changed.
    """
    path = folder / "corpus.json"
    if not path.exists():
        return
    try:
        old = dict(json_file.read(path))
        same = old["sha256"] == manifest["sha256"]
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{path}: cannot be read; start in another --workdir") from None
    if not same:
        raise RunError(
            f"--workdir={folder}: its corpus was another one "
            f"({corpus_difference(old, manifest)}); bring it back, or name another "
            "--workdir to start anew"
        )


def corpus_difference(old: dict, new: dict) -> str:
    """Say in one line how two manifests differ, as far as files tell."""
    new = json.loads(json.dumps(new))  # as the old one came back
    before, after = (
        {file["file"]: file for file in manifest.get("files", ())}
        for manifest in (old, new)
    )
    both = before.keys() & after.keys()
    groups = {
        "missing": before.keys() - after.keys(),
        "new": after.keys() - before.keys(),
        "changed": {n for n in both if _content(before[n]) != _content(after[n])},
    }
    said = [
        f"{what}: {', '.join(sorted(names)[:SHOWN])}"
        + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        for what, names in groups.items()
        if names
    ]
    if not said and both:
        return "the same files with other labels, cuts or another split"
    return "; ".join(said) or f"{old.get('clips')} clips, now {new.get('clips')}"


def _content(file: dict) -> str | None:
    # What else stands there may follow from other files: the split, ranked labels.
    return file.get("sha256")


def write_status(folder: pathlib.Path, stage: str, summary: Sequence[str] = ()) -> None:
    """Write what the run does now, for programs that watch it.

    Args:
      folder: the run folder, locked; its `config.json` has been written.
      stage: one of `STAGES`.
      summary: the finished run's last sentences.
    """
    status = {"stage": stage, "summary": list(summary)}
    json_file.write(folder / STATUS, status)


def read_status(folder: pathlib.Path) -> tuple[str, list[str]]:
    """Return a run's stage and summary; the first stage while there is no status.

    A run that ended early leaves the stage in which it ended.
    """
    try:
        status = json_file.read(folder / STATUS)
    except FileNotFoundError:
        return STAGES[0], []
    return status["stage"], status["summary"]


@contextlib.contextmanager
def locked(folder: pathlib.Path):
    """Make the folder and hold it for this process alone.

    The system lets go of the lock however the process ends. Where nothing but the lock
    was written to a new folder, it goes away again.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    # A file that stands for a lock would outlive a process that is killed.
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
                # What is not empty stays.
                with contextlib.suppress(OSError):
                    path.rmdir()
        lock.release()
