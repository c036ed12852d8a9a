"""A run folder as a tar archive: packed, checked, extracted; not compressed.

Nothing in an archive is believed: it may come from a shared folder. Names, kinds and
sizes are checked of all its members before the first of them is written.
"""

import os
import pathlib
import re
import shutil
import tarfile

from cak_jax.runtime.errors import FailedError

MOST_MEMBERS, LONGEST_NAME = 20000, 1000
_BLOCK = 1 << 20
_KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE)
# Of other systems' paths, or never in a run's names.
_STRANGE = re.compile(r"[\\:\x00-\x1f]")


class ArchiveError(FailedError):
    """An archive that cannot be used; one line that says why."""


def pack(run: pathlib.Path, file) -> None:
    """Write a run folder's files, but for locks, links and what is half written.

    Args:
      run: the run folder; nobody writes to it meanwhile.
      file: written to from its start to its end.
    """
    with tarfile.open(fileobj=file, mode="w|") as archive:
        for path in sorted(run.rglob("*")):
            inside = path.relative_to(run)
            hidden = inside.parts[0].startswith(".")
            partial = any("orbax-checkpoint-tmp" in part for part in inside.parts)
            if hidden or partial or path.is_symlink():
                continue
            # Without owner and time: the same bytes for the same files.
            member = tarfile.TarInfo(inside.as_posix())
            if path.is_dir():
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            elif path.is_file():
                with path.open("rb") as content:
                    member.size = os.fstat(content.fileno()).st_size
                    archive.addfile(member, content)


def check(archive: pathlib.Path) -> list[str]:
    """Return the names in an archive, each a plain file or a folder that lies inside.

    Raises:
      ArchiveError: it is no tar archive, or holds a link, a device, a path that leads
        out, a name twice, or more than its size can hold.
      OSError: it cannot be read.
    """
    names: dict[tuple[str, ...], bool] = {}
    left = archive.stat().st_size
    try:
        with tarfile.open(archive, "r:") as opened:
            for member in opened:
                left -= max(0, member.size)
                fault = _fault(member, names)
                if left < 0 or len(names) > MOST_MEMBERS:
                    fault = "is more than there can be"
                if fault:
                    raise ArchiveError(f"{member.name[:60]!a} in it {fault}")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArchiveError(f"is no tar archive ({error})") from None
    return ["/".join(parts) for parts in names]


def _fault(member: tarfile.TarInfo, names: dict[tuple[str, ...], bool]) -> str:
    """Return what is wrong with a member, or add it to the names; True is a file."""
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
        return "stands in another's place"
    names |= dict.fromkeys(above, False) | {parts: is_file}
    return ""


def read_member(archive: pathlib.Path, name: str, most: int = _BLOCK) -> bytes:
    """Return the first bytes of a file in a checked archive, b"" if it has none."""
    with tarfile.open(archive, "r:") as opened:
        for member in opened:
            if member.name == name and member.isfile():
                return opened.extractfile(member).read(most)
    return b""


def extract(archive: pathlib.Path, folder: pathlib.Path) -> None:
    """Write a checked archive's files into an empty folder.

    Raises:
      OSError: naming what could not be written.
    """
    with tarfile.open(archive, "r:") as opened:
        for member in opened:
            path = folder.joinpath(*pathlib.PurePosixPath(member.name).parts)
            (path if member.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
            if member.isfile():
                with opened.extractfile(member) as source, path.open("xb") as target:
                    shutil.copyfileobj(source, target, _BLOCK)
