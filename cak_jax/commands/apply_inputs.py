"""Find the sound files that arguments name: files, folders and patterns.

A folder is searched with all folders below it. A pattern such as `drums/**/*kick*` is
searched below the folder at its beginning. Hidden files and folders are left out; links
are followed once.
"""

import dataclasses
import fnmatch
import itertools
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

from cak_jax.audio.formats import SUFFIXES

Names = tuple[str, ...]
_DEEP = "**"


@dataclasses.dataclass(frozen=True)
class Source:
    """One input.

    Attributes:
      path: a file; with a fault, the argument.
      root: the folder that was searched, or the folder of a file that was named.
      searched: whether it was found by a search; False for a file that was named.
      fault, skipped: why it cannot be an input, and why it is left out.
    """

    path: str
    root: str
    searched: bool = False
    fault: str = ""
    skipped: str = ""

    @property
    def usable(self) -> bool:
        """Whether it can be an input and is not left out."""
        return not self.fault and not self.skipped


def collect(arguments: Sequence[str]) -> list[Source]:
    """Return every input once, in the order of the arguments.

    An argument that exists as a file or folder is not read as a pattern. An argument
    that matches nothing becomes a source with a fault.
    """
    matches = [source for argument in arguments for source in _resolve(argument)]
    named = {_real(source) for source in matches if not source.searched}
    first: dict[str, Source] = {}
    # Links last, so that a file counts under its own name.
    for source in sorted(matches, key=lambda source: os.path.islink(source.path)):
        first.setdefault(_real(source), source)
    sources = []
    for source in matches:
        real = _real(source)
        if first[real] is not source:
            again = f"is the same file as {first[real].path}"
            source = dataclasses.replace(source, skipped=again)
        elif real in named:
            source = dataclasses.replace(source, searched=False)
        sources.append(source)
    return sources


def _resolve(argument: str) -> list[Source]:
    if not argument:
        return [Source(argument, "", False, "an input's name is empty")]
    if os.path.isdir(argument):
        matches = sorted(_walk(argument))
        empty = "holds no sound files"
        root = argument
    elif os.path.lexists(argument) or not _is_pattern(argument):
        return [Source(argument, os.path.dirname(argument) or ".")]
    else:
        root, parts = _split(argument)
        walk = _walk(root, lambda folder: _leads_to(folder, parts))
        matches = sorted(pair for pair in walk if pair[1] or _matches(pair[0], parts))
        empty = "no sound file matches (/** at its end looks into folders)"
    sources = [
        Source(os.path.join(root, *names), root, True, fault)
        for names, fault in matches
    ]
    return sources or [Source(argument, root, True, empty)]


def _real(source: Source) -> str:
    return os.path.realpath(source.path)


def _is_pattern(text: str) -> bool:
    return any(character in text for character in "*?[")


def _split(pattern: str) -> tuple[str, Names]:
    """Split a pattern into the folder at its beginning and the parts after it."""
    parts = pattern.split(os.sep)
    plain = list(itertools.takewhile(lambda part: not _is_pattern(part), parts))
    root = os.sep.join(plain) if plain != [""] else os.sep
    rest = [part for part in parts[len(plain) :] if part not in ("", ".")]
    # Several `**` in a row mean one. A `**` at the end means every file below.
    rest = [
        p for p, q in zip(rest, [*rest[1:], ""], strict=True) if not p == q == _DEEP
    ]
    return root or ".", (*rest, "*") if rest[-1] == _DEEP else tuple(rest)


def _matches(names: Names, parts: Names) -> bool:
    if not parts:
        return not names
    if parts[0] == _DEEP:
        return any(_matches(names[n:], parts[1:]) for n in range(len(names) + 1))
    same = bool(names) and fnmatch.fnmatchcase(names[0], parts[0])
    return same and _matches(names[1:], parts[1:])


def _leads_to(folder: Names, parts: Names) -> bool:
    """Return whether a match can lie below a folder."""
    for name, part in zip(folder, parts, strict=False):
        if part == _DEEP:
            return True
        if not fnmatch.fnmatchcase(name, part):
            return False
    return len(folder) < len(parts)


def _walk(
    root: str, enter: Callable[[Names], bool] = lambda folder: True
) -> Iterator[tuple[Names, str]]:
    """Yield the sound files below a folder, and the folders that cannot be read.

    Only folders for which `enter` returns True are searched.

    Yields:
      `(names, fault)`: the path's parts below `root`; the fault is empty for a file.
    """
    waiting: list[Names] = [()]
    # With the root's parents, because a link to one of them would leave the root.
    seen = set(map(_identity, pathlib.Path(os.path.realpath(root)).parents))
    while waiting:
        folder = waiting.pop()
        path = os.path.join(root, *folder)
        try:
            identity = _identity(path)
            if identity in seen:
                continue
            seen.add(identity)
            with os.scandir(path) as entries:
                names = [e.name for e in entries if not e.name.startswith(".")]
        except OSError as error:
            if folder or os.path.isdir(path):
                yield folder, f"cannot be searched ({error.strerror})"
            continue
        for name in sorted(names, reverse=True):
            inner = os.path.join(path, name)
            # Not entry.is_dir(), because it raises for a link that leads to itself.
            if not os.path.isdir(inner):
                if os.path.splitext(name)[1].lower() in SUFFIXES:
                    yield (*folder, name), ""
            elif enter((*folder, name)):
                # Links last, so that a folder is searched under its own name.
                place = 0 if os.path.islink(inner) else len(waiting)
                waiting.insert(place, (*folder, name))


def _identity(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """Return device and inode, which all paths to one folder share."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino
