"""A run folder kept a second time, as archives in a folder such as Google Drive's.

Drive may never upload a checkpoint's many files, so a run is mirrored as one archive at
a time, `NAME.000012.tar`, with its SHA-256 beside it. The hash is written first and the
archive takes its name last: one that stands there is whole, or its hash says otherwise.
"""

import contextlib
import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import time
import uuid

from cak_jax.apps.notebook import run_archive
from cak_jax.apps.notebook.run_archive import ArchiveError
from cak_jax.runtime.errors import FailedError
from cak_jax.runtime.files import replace_file

KEPT = 3
SUFFIX, HASH = ".tar", ".sha256"
# What a write that was killed has left goes when it is so old.
STALE_SECONDS = 3600.0


class MirrorError(FailedError):
    """The archives are of another run; one line with the remedy."""


class _Hashing:
    """A file to write to that hashes what it is given."""

    def __init__(self, file):
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Write and hash."""
        self.sha256.update(data)
        return self._file.write(data)


def keep(run: pathlib.Path, mirror: pathlib.Path, kept: int = KEPT) -> pathlib.Path:
    """Archive a run folder that nobody writes to meanwhile.

    Args:
      run: the run folder; its name is the archives'.
      mirror: the second folder; made if missing.
      kept: newest archives that stay there, at least 1.

    Returns:
      The archive, complete, its hash beside it.

    Raises:
      OSError: it could not be written; those before it are as they were.
    """
    mirror.mkdir(parents=True, exist_ok=True)
    _clear(run.name, mirror)
    before = archives(run.name, mirror)
    number = 1 + (_number(before[0]) if before else 0)
    path = mirror / f"{run.name}.{number:06d}{SUFFIX}"
    temporary = mirror / f".{run.name}.{uuid.uuid4().hex}.partial"
    try:
        with temporary.open("xb") as file:
            hashing = _Hashing(file)
            run_archive.pack(run, hashing)
            file.flush()
            os.fsync(file.fileno())
        line = f"{hashing.sha256.hexdigest()}  {path.name}\n"  # as sha256sum reads it
        replace_file(hash_of(path), line.encode())
        os.replace(temporary, path)
    except OSError as error:
        # A full disk says so without a name, and the temporary one helps nobody.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    finally:
        temporary.unlink(missing_ok=True)
    for old in before[max(1, kept) - 1 :]:
        old.unlink(missing_ok=True)
        hash_of(old).unlink(missing_ok=True)
    return path


def restore(run: pathlib.Path, mirror: pathlib.Path) -> list[str]:
    """Bring a run folder that is missing, or behind, to its newest good archive.

    A folder that was behind is kept beside it under another name.

    Args:
      run: the run folder.
      mirror: where its archives are, if there are any.

    Returns:
      What was found and done, a sentence each; empty where there was nothing to do.

    Raises:
      MirrorError: the archives are of a run with other settings.
      OSError: it could not be written; the run folder is as it was.
    """
    said = []
    found = archives(run.name, mirror)
    for archive in found:
        try:
            check_hash(archive)
            names = run_archive.check(archive)
        except (ArchiveError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            said.append(f"{archive.name}: {reason}; not used")
            continue
        if is_ahead(archive, names, run):
            said += _replace(archive, run)
        return said
    if found:
        said.append(f"{mirror}: holds no archive of {run.name} that can be used")
    return said


def archives(name: str, mirror: pathlib.Path) -> list[pathlib.Path]:
    """Return the archives of the run of that name, newest first."""
    pattern = re.compile(re.escape(name) + r"\.\d{6,12}" + re.escape(SUFFIX))
    if not mirror.is_dir():
        return []
    found = [path for path in mirror.iterdir() if pattern.fullmatch(path.name)]
    return sorted(found, key=_number, reverse=True)


def hash_of(archive: pathlib.Path) -> pathlib.Path:
    """Return where an archive's hash stands."""
    return archive.with_name(archive.name + HASH)


def check_hash(archive: pathlib.Path) -> None:
    """Refuse an archive that is not what was written.

    Raises:
      ArchiveError: its hash is missing, is none, or is another.
      OSError: it cannot be read.
    """
    try:
        with hash_of(archive).open("rb") as file:
            words = file.read(200).decode("ascii", "replace").split()
    except FileNotFoundError:
        raise ArchiveError(f"has no {HASH} beside it") from None
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not words or words[0] != found:
        raise ArchiveError("is damaged, its hash is another")


def is_ahead(archive: pathlib.Path, names: list[str], run: pathlib.Path) -> bool:
    """Say whether an archive holds more of a run than its folder does.

    Raises:
      MirrorError: it is of a run with other settings.
    """
    if not any(path.name[0] != "." for path in run.glob("*")):
        return True
    own, theirs = (
        _settings(text)
        for text in (
            _read(run / "config.json"),
            run_archive.read_member(archive, "config.json"),
        )
    )
    if own and theirs and own != theirs:
        raise MirrorError(
            f"{archive}: is of a run with other settings than {run}; name another "
            "folder to mirror to, or give the run another name"
        )
    here = (path.relative_to(run).as_posix() for path in run.glob("checkpoints/*"))
    return newest_step(names) > newest_step(here)


def newest_step(names) -> int:
    """Return the newest checkpoint's step, of the paths in a run folder; -1 for none.

    >>> newest_step(["config.json", "checkpoints/40/state/x", "checkpoints/9"])
    40
    """
    pattern = re.compile(r"checkpoints/(\d{1,18})(/.*)?")
    found = (pattern.fullmatch(name) for name in names)
    return max((int(match[1]) for match in found if match), default=-1)


def _number(archive: pathlib.Path) -> int:
    return int(archive.name.removesuffix(SUFFIX).rpartition(".")[2])


def _clear(name: str, mirror: pathlib.Path) -> None:
    """Delete what writes that were killed have left there."""
    for path in mirror.glob(f".{glob.escape(name)}.*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()


def _read(path: pathlib.Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _settings(text: bytes) -> str:
    """Return the hash of the settings that a config.json names, "" if it is none."""
    try:
        return str(json.loads(text)["config_sha256"])
    except (ValueError, KeyError, TypeError):
        return ""


def _replace(archive: pathlib.Path, run: pathlib.Path) -> list[str]:
    """Put an archive's content in the place of a run folder; say so."""
    run.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex[:8]
    fresh = run.with_name(f".{run.name}.{mark}.restored")
    said = [f"{run}: restored from {archive.name}"]
    try:
        fresh.mkdir()
        run_archive.extract(archive, fresh)
        if run.exists():
            aside = run.with_name(f"{run.name}.behind.{mark}")
            os.replace(run, aside)
            said.append(f"what was there, less far, is now {aside}")
        os.replace(fresh, run)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return said
