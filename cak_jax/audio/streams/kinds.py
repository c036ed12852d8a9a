"""What kind of sound file it is, by its first bytes behind tags and padding."""

import re
from typing import NamedTuple

from cak_jax.audio.streams import mpeg
from cak_jax.audio.streams.source import Source

# First bytes -> the kind. Of RIFF and FORM the kind of the content decides later.
_MAGIC = {
    **dict.fromkeys((b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff"), "chunks"),
    **dict.fromkeys((b"FORM", b"caff"), "chunks"),
    **{b"fLaC": "flac", b"OggS": "ogg", b".snd": "au"},
    **dict.fromkeys((b"Creative Voice File", b"NIST_1A"), "other"),
    **{b"wvpk": "wv", b"TTA1": "tta", b"#!AMR": "amr", b"\x1aE\xdf\xa3": "matroska"},
    b"0&\xb2u\x8ef\xcf\x11": "asf",
}
_SHORT = 16
_SYNC = re.compile(rb"fLaC\0\0\0\x22|fLaC\x80\0\0\x22|OggS\0\x02|RIFF....WAVE", re.S)
# Bytes behind a tag in which a file's own first bytes are looked for.
_NEAR = 1 << 16
# Sample types of CAF that libsndfile decodes; of ALAC those that it has written.
_PLAIN = (b"lpcm", b"ulaw", b"alaw", b"alac")
MORE = {
    **{"mp4": "M4A or MP4", "adts": "AAC", "asf": "WMA", "wv": "WavPack"},
    **{"tta": "TTA", "amr": "AMR", "matroska": "WebM or Matroska"},
    **{"flac_32": "32-bit FLAC", "ogg_flac": "FLAC in OGG"},
    **{"ogg_more": "OGG with Speex or a video", "caf": "CAF with compressed sound"},
}
"""Kind -> its name, for kinds that libsndfile does not decode."""


class Kind(NamedTuple):
    """What a file is.

    Attributes:
      name: "chunks", "flac", "ogg", "au", "mpeg", "other", a key of `MORE`, or "" for
        no sound file.
      start: its first byte, behind tags and padding.
    """

    name: str
    start: int = 0


def identify(source: Source) -> Kind:
    """Say what kind of sound file it is."""
    start = behind_tags(source)
    name = _by_magic(source.at(start, 64))
    if not name and start:
        # Writers count a byte more or less of their tag.
        stop = min(source.size, start + _NEAR)
        place = source.find(_SYNC, max(0, start - _SHORT), stop)
        start = place if place >= 0 else start
        name = _by_magic(source.at(start, 64)) if place >= 0 else ""
    if (
        name == "flac"
        and int.from_bytes(source.at(start + 20, 2), "big") >> 4 & 31 == 31
    ):
        name = "flac_32"
    elif name == "ogg":
        name = _ogg(source.at(start, 64))
    elif source.at(start, 4) == b"caff" and source.at(start + 28, 4) not in _PLAIN:
        name = "caf"
    if name:
        return Kind(name, start)
    place = mpeg.first_frame(source, start)
    return Kind("mpeg", place) if place >= 0 else Kind("")


def _ogg(page: bytes) -> str:
    """Return the kind of an OGG from its first page."""
    if b"\x7fFLAC" in page:
        return "ogg_flac"
    return "ogg_more" if b"Speex  " in page or b"\x80theora" in page else "ogg"


def behind_tags(source: Source) -> int:
    """Return the place behind ID3 tags and zeros at the beginning of a file."""
    start = 0
    while True:
        head = source.at(start, 10)
        if size := tag_size(head) or _ape_size(source.at(start, 32)):
            start += size
        elif head[:1] != b"\0" or head[4:8] == b"ftyp":
            return start
        elif (stop := _behind_zeros(source, start)) > start:
            start = stop
        else:
            return start


def tag_size(head: bytes) -> int:
    """Return the size of an ID3 tag from its first ten bytes; 0 for none."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _ape_size(head: bytes) -> int:
    """Return the size of an APE tag from its header; 0 for none."""
    if head[:8] != b"APETAGEX" or len(head) < 32:
        return 0
    return 32 + int.from_bytes(head[12:16], "little")


def _behind_zeros(source: Source, start: int) -> int:
    """Return the first byte from `start` on that is not 0, `start` if it is far."""
    block = source.at(start, _NEAR)
    rest = len(block.lstrip(b"\0"))
    return start + len(block) - rest if rest else start


def _by_magic(head: bytes) -> str:
    """Return the kind of a file that begins with these bytes; "" for none."""
    if head[4:8] == b"ftyp":
        return "mp4"
    if len(head) > 6 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        rate, size = (
            head[2] >> 2 & 15,
            (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5,
        )
        # Not a mark of UTF-16 either, which is followed by text.
        if rate < 13 and size > 7:
            return "adts"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
