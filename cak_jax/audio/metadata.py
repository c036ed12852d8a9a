"""The metadata of a sound file, carried over to the file that is made from it.

There are three families: chunks of WAV, WAVEX and RF64, chunks of AIFF and AIFC, blocks
of FLAC. Within a family they are copied as they are. Rendering keeps rate and length,
so cue points and loops stay valid. What describes the samples themselves (format,
peaks, checksums, seek tables) is written anew or left out.
"""

import dataclasses
import struct
from typing import Any

from cak_jax.audio import flac_blocks, riff_chunks
from cak_jax.runtime.files import StrPath, open_without_waiting

FAMILIES = {"WAV": "RIFF", "WAVEX": "RIFF", "RF64": "RIFF"}
FAMILIES |= {"AIFF": "AIFF", "FLAC": "FLAC"}
"""Format, in soundfile's names -> the family whose metadata it holds."""

_RIFF_OWN = frozenset(
    (
        *(b"fmt ", b"data", b"fact", b"PEAK", b"ds64", b"levl", b"MD5 "),
        *(b"JUNK", b"junk", b"pad ", b"PAD ", b"FLLR"),
    )
)
_AIFF_OWN = frozenset((b"COMM", b"SSND", b"FVER", b"PEAK", b"FLLR", b"JUNK", b"junk"))

_INFO = {"title": b"INAM", "artist": b"IART", "album": b"IPRD", "date": b"ICRD"}
_INFO |= {"comment": b"ICMT", "genre": b"IGNR", "tracknumber": b"ITRK"}
_INFO |= {"copyright": b"ICOP"}
"""Tag, in soundfile's names -> its chunk in a WAV file's `LIST INFO`."""


@dataclasses.dataclass(frozen=True)
class Metadata:
    """The metadata that one file gets from another.

    Attributes:
      family: "RIFF", "AIFF" or "FLAC"; empty for none of these.
      parts: (name, bytes) of every chunk, or (kind, bytes) of every block, in order.
      notes: one line for each thing that could not be kept.
    """

    family: str = ""
    parts: tuple[tuple[Any, bytes], ...] = ()
    notes: tuple[str, ...] = ()

    def attach(self, path: StrPath) -> None:
        """Add the parts to a complete file of this family that has no metadata.

        Without parts the file is not touched.
        """
        if not self.parts:
            return
        with open(path, "r+b") as file:
            if self.family == "FLAC":
                flac_blocks.insert(file, self.parts)
            else:
                order = "<" if self.family == "RIFF" else ">"
                riff_chunks.append(file, order, self.parts)


def carry(path: StrPath, format: str, tags: dict[str, str]) -> Metadata:
    """Choose the metadata of a file that is made from another one.

    Args:
      format: of the file that is written, in soundfile's names.
      tags: of `path`, from `sound_file.tags`; used if the family changes.

    Raises:
      OSError: the file cannot be read. A damaged one only leaves a note.
    """
    family = FAMILIES.get(format, "")
    kept = read(path)
    if family and kept.family == family:
        return kept
    if family == "RIFF":
        return Metadata(family, info_list(tags))
    lost = ", ".join(sorted(tags.keys() & _INFO.keys()))
    notes = (f"tags are not kept in {format}: {lost}",) if lost else ()
    return Metadata(family, (), notes)


def read(path: StrPath) -> Metadata:
    """Return the metadata of a file; `OSError` if it cannot be read."""
    with open_without_waiting(path) as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
            return Metadata("RIFF", *riff_chunks.read(file, "<", _RIFF_OWN, b"data"))
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return Metadata("AIFF", *riff_chunks.read(file, ">", _AIFF_OWN, b"SSND"))
        if flac_blocks.is_flac(file):
            return Metadata("FLAC", *flac_blocks.read(file))
    return Metadata()


def info_list(tags: dict[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    """Return the chunk `LIST INFO` of tags, in UTF-8; empty if there are none."""
    body = b""
    for tag, name in _INFO.items():
        text = tags.get(tag, "").replace("\0", " ").encode("utf-8", "replace")
        if text:
            text += bytes(1 + (len(text) + 1) % 2)
            body += name + struct.pack("<I", len(text)) + text
    return ((b"LIST", b"INFO" + body),) if body else ()
