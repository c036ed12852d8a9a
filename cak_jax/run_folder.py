"""The rules of a run folder: one run, one process, one corpus."""

import contextlib
import os
import pathlib

import filelock

from cak_jax import config as config_lib, writer

LOCK, HOLDER = ".lock", ".holder"


class RunError(ValueError):
    """The run folder cannot be used; one line that names it and the remedy."""


def check_folder(folder: pathlib.Path, flat: dict) -> None:
    """Refuse a folder that belongs to another run, before anything is written."""
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
        old = writer.read_json(path)["config"]
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


def check_corpus(folder: pathlib.Path, sha256: str) -> None:
    """Refuse to continue a run on other sounds than it began with."""
    path = folder / "corpus.json"
    if not path.exists():
        return
    old = writer.read_json(path).get("sha256")
    if old != sha256:
        raise RunError(
            f"--workdir={folder}: its corpus was another one (sha256 {str(old)[:12]}, "
            f"now {sha256[:12]}); name another --workdir to start anew"
        )


@contextlib.contextmanager
def locked(folder: pathlib.Path):
    """Make the folder and hold it for this process alone.

    The system lets go of the lock however the process ends.
    """
    lock, note = filelock.FileLock(folder / LOCK), folder / HOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        holder = note.read_text("utf-8") if note.exists() else "unknown"
        raise RunError(
            f"--workdir={folder}: is in use by process {holder}; "
            "wait for it or name another"
        ) from None
    except OSError as error:
        raise RunError(
            f"--workdir={folder}: cannot be written ({error.strerror})"
        ) from None
    try:
        note.write_text(str(os.getpid()), "utf-8")
        yield
    finally:
        lock.release()
