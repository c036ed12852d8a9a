"""A second copy of a run folder, as tar archives in a folder such as Google Drive's.

Drive may lose a checkpoint's many small files, so each copy is one archive,
`NAME.000012.tar`, with its SHA-256 beside it. The hash is written first and the archive
gets its name last. An archive under that name is complete, or its hash does not match.

Archives may come from a shared folder, so nothing in them is trusted: the names, kinds
and sizes of all members are checked before the first one is written.
"""

import contextlib
import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import tarfile
import time
import uuid
from collections.abc import Iterable
from typing import BinaryIO, cast

from cak_jax.runtime.errors import FailedError
from cak_jax.runtime.files import replace_file

KEPT = 3
SUFFIX, HASH = ".tar", ".sha256"
# A killed process leaves a partial archive. It is deleted once it is an hour old,
# because a younger one may still be written to by another process.
STALE_SECONDS = 3600.0
MOST_MEMBERS, LONGEST_NAME = 20000, 1000
_BLOCK = 1 << 20
_KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE)
# Characters that other systems use in paths, and control characters: no run writes a
# name with them.
_STRANGE = re.compile(r"[\\:\x00-\x1f]")


class MirrorError(FailedError):
    """The archives belong to another run; one line with the remedy."""


class ArchiveError(FailedError):
    """An archive that cannot be used; one line that says why."""


class _Hashing:
    """A file to write to that hashes the data on the way."""

    def __init__(self, file: BinaryIO):
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Hash and write."""
        self.sha256.update(data)
        return self._file.write(data)


def keep(run: pathlib.Path, mirror: pathlib.Path) -> pathlib.Path:
    """Archive a run folder, to which nobody writes meanwhile, under its name.

    The mirror is made if missing. The three newest archives are kept.

    Returns:
      The complete archive; its hash is beside it.

    Raises:
      OSError: it could not be written; the older archives are unchanged.
    """
    mirror.mkdir(parents=True, exist_ok=True)
    for partial in mirror.glob(f".{glob.escape(run.name)}.*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > STALE_SECONDS:
                partial.unlink()
    older = archives(run.name, mirror)
    number = 1 + (_number(older[0]) if older else 0)
    path = mirror / f"{run.name}.{number:06d}{SUFFIX}"
    temporary = mirror / f".{run.name}.{uuid.uuid4().hex}.partial"
    try:
        with temporary.open("xb") as file:
            hashing = _Hashing(file)
            pack(run, cast(BinaryIO, hashing))
            file.flush()
            os.fsync(file.fileno())
        line = f"{hashing.sha256.hexdigest()}  {path.name}\n"  # as sha256sum reads it
        replace_file(hash_path(path), line.encode())
        os.replace(temporary, path)
    except OSError as error:
        # The message names the archive: an error of a full disk has no name, and the
        # temporary name would not help.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    finally:
        temporary.unlink(missing_ok=True)
    for old in older[KEPT - 1 :]:
        old.unlink(missing_ok=True)
        hash_path(old).unlink(missing_ok=True)
    return path


def restore(run: pathlib.Path, mirror: pathlib.Path) -> list[str]:
    """Restore the newest good archive where the run folder is missing or behind it.

    A run folder that is behind is kept beside the restored one under another name.

    Returns:
      A sentence for each thing found or done; empty if there was nothing to do.

    Raises:
      MirrorError: the archives belong to a run with other settings.
      OSError: it could not be written; the run folder is unchanged.
    """
    messages = []
    newest_first = archives(run.name, mirror)
    for archive in newest_first:
        try:
            check_hash(archive)
            names = check_members(archive)
        except (ArchiveError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            messages.append(f"{archive.name}: {reason}; not used")
            continue
        if is_ahead(archive, names, run):
            messages += _replace(archive, run)
        return messages
    if newest_first:
        messages.append(f"{mirror}: holds no archive of {run.name} that can be used")
    return messages


def archives(name: str, mirror: pathlib.Path) -> list[pathlib.Path]:
    """Return the archives of the run of that name, newest first."""
    pattern = re.compile(re.escape(name) + r"\.\d{6,12}" + re.escape(SUFFIX))
    if not mirror.is_dir():
        return []
    paths = [path for path in mirror.iterdir() if pattern.fullmatch(path.name)]
    return sorted(paths, key=_number, reverse=True)


def hash_path(archive: pathlib.Path) -> pathlib.Path:
    """Return the path of the file that holds an archive's hash."""
    return archive.with_name(archive.name + HASH)


def check_hash(archive: pathlib.Path) -> None:
    """Raise `ArchiveError` if an archive's hash is missing, unreadable or another."""
    try:
        with hash_path(archive).open("rb") as file:
            words = file.read(200).decode("ascii", "replace").split()
    except FileNotFoundError:
        raise ArchiveError(f"has no {HASH} beside it") from None
    with archive.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not words or words[0] != sha256:
        raise ArchiveError("is damaged, its hash is another")


def is_ahead(archive: pathlib.Path, names: list[str], run: pathlib.Path) -> bool:
    """Return whether a checked archive holds a later step of a run than its folder.

    `names` are those of the archive's members; the folder may be missing.

    Raises:
      MirrorError: the archive belongs to a run with other settings.
    """
    if not any(path.name[0] != "." for path in run.glob("*")):
        return True
    config = run / "config.json"
    local = _settings_hash(config.read_bytes() if config.is_file() else b"")
    with tarfile.open(archive, "r:") as opened:
        members = [member for member in opened if member.name == config.name]
        content = opened.extractfile(members[0]) if members else None
        archived = _settings_hash(content.read(_BLOCK) if content else b"")
    if local and archived and local != archived:
        raise MirrorError(
            f"{archive}: is of a run with other settings than {run}; name another "
            "folder to mirror to, or give the run another name"
        )
    local_names = (
        path.relative_to(run).as_posix() for path in run.glob("checkpoints/*")
    )
    return newest_step(names) > newest_step(local_names)


def newest_step(names: Iterable[str]) -> int:
    """Return the step of the newest checkpoint among paths in a run folder; -1 if none.

    >>> newest_step(["config.json", "checkpoints/40/state/x", "checkpoints/9"])
    40
    """
    pattern = re.compile(r"checkpoints/(\d{1,18})(/.*)?")
    matches = (pattern.fullmatch(name) for name in names)
    return max((int(match[1]) for match in matches if match), default=-1)


def _number(archive: pathlib.Path) -> int:
    return int(archive.name.removesuffix(SUFFIX).rpartition(".")[2])


def _settings_hash(config: bytes) -> str:
    """Return the settings' hash that a config.json names, "" if it names none."""
    try:
        return str(json.loads(config)["config_sha256"])
    except (ValueError, KeyError, TypeError):
        return ""


def _replace(archive: pathlib.Path, run: pathlib.Path) -> list[str]:
    """Replace a run folder by an archive's content; return sentences about it."""
    run.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex[:8]
    fresh = run.with_name(f".{run.name}.{mark}.restored")
    messages = [f"{run}: restored from {archive.name}"]
    try:
        fresh.mkdir()
        extract(archive, fresh)
        if run.exists():
            aside = run.with_name(f"{run.name}.behind.{mark}")
            os.replace(run, aside)
            messages.append(f"the older folder is kept as {aside}")
        os.replace(fresh, run)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return messages


def pack(run: pathlib.Path, file: BinaryIO) -> None:
    """Write a run folder as an uncompressed tar archive, from its start to its end.

    Hidden files (locks), links and unfinished checkpoints are left out.
    """
    with tarfile.open(fileobj=file, mode="w|") as archive:
        for path in sorted(run.rglob("*")):
            inside = path.relative_to(run)
            hidden = inside.parts[0].startswith(".")
            unfinished = any("orbax-checkpoint-tmp" in part for part in inside.parts)
            if hidden or unfinished or path.is_symlink():
                continue
            # Without owner and time, so that equal files give equal archives.
            member = tarfile.TarInfo(inside.as_posix())
            if path.is_dir():
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            elif path.is_file():
                with path.open("rb") as content:
                    member.size = os.fstat(content.fileno()).st_size
                    archive.addfile(member, content)


def check_members(archive: pathlib.Path) -> list[str]:
    """Return the names in an archive: plain files and folders that lie inside it.

    Raises:
      ArchiveError: it is no tar archive, or holds a link, a device, a path that leads
        out, a name twice, or more than its size can hold.
      OSError: it cannot be read.
    """
    # Whether a name is a file.
    names: dict[tuple[str, ...], bool] = {}
    left = archive.stat().st_size
    try:
        with tarfile.open(archive, "r:") as opened:
            for member in opened:
                left -= max(0, member.size)
                fault = _add_member(member, names)
                if left < 0 or len(names) > MOST_MEMBERS:
                    fault = "is more than there can be"
                if fault:
                    raise ArchiveError(f"{member.name[:60]!a} in it {fault}")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArchiveError(f"is no tar archive ({error})") from None
    return ["/".join(parts) for parts in names]


def _add_member(member: tarfile.TarInfo, names: dict[tuple[str, ...], bool]) -> str:
    """Add a member to the names; return its fault instead if it has one."""
    parts = pathlib.PurePosixPath(member.name).parts
    is_file = member.type == tarfile.REGTYPE
    if member.type not in _KINDS or member.issparse() or member.size < 0:
        return "is neither a plain file nor a folder"
    if not parts or member.name.startswith("/") or ".." in parts:
        return "leads out of the folder"
    if len(member.name) > LONGEST_NAME or _STRANGE.search(member.name):
        return "is no name that a run writes"
    above = [parts[:n] for n in range(1, len(parts))]
    if (is_file and parts in names) or any(names.get(part) for part in (*above, parts)):
        return "has the name of another member"
    names |= dict.fromkeys(above, False) | {parts: is_file}
    return ""


def extract(archive: pathlib.Path, folder: pathlib.Path) -> None:
    """Write a checked archive's files into an empty folder."""
    with tarfile.open(archive, "r:") as opened:
        for member in opened:
            path = folder.joinpath(*pathlib.PurePosixPath(member.name).parts)
            (path if member.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
            content = opened.extractfile(member)  # None for a folder
            if content is not None:
                with content as source, path.open("xb") as target:
                    shutil.copyfileobj(source, target, _BLOCK)
