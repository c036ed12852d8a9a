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
from cak_jax.audio.streams.find import find
from cak_jax.audio.streams.kinds import identify
from cak_jax.audio.streams.source import Source, opened
from cak_jax.runtime.files import StrPath, open_without_waiting

FAMILIES = {"WAV": "RIFF", "WAVEX": "RIFF", "RF64": "RIFF"}
FAMILIES |= {"AIFF": "AIFF", "FLAC": "FLAC", "CAF": "CAF"}
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
      speakers: channel mask and sub-format of an EXTENSIBLE WAV, or the content of the
        chunk `chan` of a CAF; empty for none.
      notes: one line for each thing that could not be kept.
    """

    family: str = ""
    parts: tuple[tuple[Any, bytes], ...] = ()
    notes: tuple[str, ...] = ()
    speakers: bytes = b""

    def attach(self, path: StrPath) -> None:
        """Add the parts to a complete file of this family that has no metadata.

        Without parts the file is not touched.
        """
        if not self.parts and not self.speakers:
            return
        with open(path, "r+b") as file:
            if self.family == "CAF":
                riff_chunks.append_caf(file, b"chan", self.speakers)
            elif self.speakers:
                riff_chunks.set_speakers(file, self.speakers)
            if not self.parts:
                return
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
    if family and kept.family == family != "CAF":
        return kept
    if family == "RIFF":
        return Metadata(family, info_list(tags))
    speakers = kept.speakers if family == kept.family else b""
    lost = ", ".join(sorted(tags.keys() & _INFO.keys()))
    notes = (f"tags are not kept in {format}: {lost}",) if lost else ()
    return Metadata(family, (), notes, speakers)


def read(path: StrPath) -> Metadata:
    """Return the metadata of a file; `OSError` if it cannot be read."""
    with open_without_waiting(path) as whole:
        source = Source(whole.fileno())
        kind = identify(source)
        if kind.name not in ("chunks", "flac", "flac_32"):
            return Metadata()
        # As a decoder gets it: behind tags, with sizes that were mended.
        file = opened(source, find(source, kind)[0][0].pieces)
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
            found = riff_chunks.read(file, "<", _RIFF_OWN, b"data")
            return Metadata("RIFF", *found, riff_chunks.speakers(file))
        if head[:4] == b"caff":
            return Metadata("CAF", (), (), riff_chunks.speakers_of_caf(file))
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
