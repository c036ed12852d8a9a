"""An effect as a short text that fits a message or the address of a page.

`cak1` or `cak2`, then base64url (RFC 4648, section 5; A-Z a-z 0-9 - _, no padding) of
little-endian bytes. `cak1` has 112 characters, which hold 84 bytes:

    offset  type        what
    0       9 float32   kernel[0][0], kernel[0][1], ... kernel[2][2]
    36      float32     bias
    40      float32     scale
    44      2 float32   gate.threshold, gate.temperature
    52      4 float32   normalization.alpha, .gamma, .low, .high
    68      3 uint32    spectrogram.sample_rate, .n_fft, .hop_length
    80      uint32      CRC-32 (zlib's) of the 80 bytes before it

`cak2` has 176 characters, which hold 132 bytes: the first 80 as above, then

    80      2 uint16    spectrogram.spacing: bins, frames
    84      9 float32   knob; 0, 1/8, ... 1 where the effect has none
    120     int32       quality.name: 1 + its place in `quality_names.WORDS`, negative
                        for less of it; 0 where the effect has no quality
    124     float32     quality.range; 0 where the effect has no quality
    128     uint32      CRC-32 of the 128 bytes before it

An effect that a file of version 1 holds has a `cak1`, every other one a `cak2`. The
window is always Hann and as long as n_fft, so the code does not hold it. Name,
provenance and unknown keys are left out, and the unit of a quality is that of `WORDS`.
A quality beyond `WORDS`, such as a person's rating, is left out, but its knob is kept.
In JavaScript a `DataView` over the bytes, with `getFloat32(offset, true)` and so on,
reads all of it.
"""

import base64
import re
import string
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from cak_jax.effect.schema import (
    FIRST,
    FORMAT,
    GATE,
    KNOB_POINTS,
    NORMALIZATION,
    STRAIGHT,
    VERSION,
    EffectError,
    check_document,
)
from cak_jax.model.quality_names import LESS, WORDS, split

ALPHABET = frozenset(string.ascii_letters + string.digits + "-_")
FLOATS, FIRST_BYTES = 17, 80
# Bytes before the checksum, by the prefix.
CHECKED = {"cak1": FIRST_BYTES, "cak2": 128}
PREFIX_CHARACTERS = 4
LENGTHS = {
    prefix: PREFIX_CHARACTERS + (checked + 4) * 4 // 3
    for prefix, checked in CHECKED.items()
}
# A text within this many characters of a code's length is taken for a damaged code,
# because a code loses or gains a few characters at its ends.
_LOST = 16
_SHOWN = 16


def encode(document: dict[str, Any], source: str = "effect") -> str:
    """Return the text code of an effect.

    Args:
      document: of an effect file. Its numbers are rounded to float32, the type that
        rendering computes in.
      source: the name that messages give it.

    Returns:
      The characters. Encoding a decoded code returns the same code.

    Raises:
      EffectError: the document is invalid, or float32 cannot hold a number; one line
        that names the field.
    """
    check_document(document, source)
    spectrogram = document["spectrogram"]
    whole = [spectrogram[name] for name in ("sample_rate", "n_fft", "hop_length")]
    data = _rounded(_floats(document), source) + np.array(whole, "<u4").tobytes()
    prefix, second = "cak1", _second_part(document, source)
    if second is not None:
        prefix, data = "cak2", data + second
    data += zlib.crc32(data).to_bytes(4, "little")
    # Checked again, because rounding may make `low` and `high` the same number.
    check_document(_document(data), f"{source}, rounded to float32")
    return prefix + base64.urlsafe_b64encode(data).decode("ascii")


def left_out(document: dict[str, Any]) -> str:
    """Return a line on the quality that a code of the document lacks; "" if none.

    Args:
      document: valid, of an effect file.
    """
    if document["version"] == FIRST or "quality" not in document:
        return ""
    if _known_quality(document) is not None:
        return ""
    return (
        f"the code leaves out the quality {document['quality']['name']!a}, because it "
        f"knows {', '.join(WORDS)} only; the knob is kept"
    )


def decode(code: str) -> dict[str, Any]:
    """Return the effect document that a text code holds.

    Each number is the shortest decimal that is the same float32. The name is made from
    the checksum.

    Raises:
      EffectError: the text is not a code, has another version, is damaged, or holds an
        invalid effect; one line.
    """
    if not isinstance(code, str):
        raise EffectError(f"a text code is a string, got {type(code).__name__}")
    source = ascii(code[:_SHOWN] + ("..." if len(code) > _SHOWN else ""))[1:-1]
    prefix = code[:PREFIX_CHARACTERS]
    if prefix not in CHECKED:
        raise EffectError(
            f"{source}: is no text code of an effect, or a damaged one, or of another "
            f"version; this program reads those that begin with {' or '.join(CHECKED)}"
        )
    damage, data = "", b""
    wrong = next((c for c in code if c not in ALPHABET), None)
    if wrong is not None:
        damage = f"{wrong!a} cannot stand in one"
    elif len(code) != LENGTHS[prefix]:
        damage = f"it has {len(code)} characters, not {LENGTHS[prefix]}; copy all of it"
    else:
        data = base64.urlsafe_b64decode(code[PREFIX_CHARACTERS:])
        if zlib.crc32(data[:-4]) != _checksum(data):
            damage = "its checksum does not fit; copy it again"
    if damage:
        raise EffectError(f"{source}: is a damaged text code: {damage}")
    _check_quality(data, source)
    document = _document(data)
    check_document(document, source)
    return document


def looks_like_code(text: str) -> bool:
    """Say whether a text is a code, whole or damaged, and not a name.

    >>> looks_like_code("cak1AAAA"), looks_like_code("bright")
    (True, False)
    """
    text = text.strip()
    if re.match(r"cak\d", text):
        return True
    near = any(abs(len(text) - length) <= _LOST for length in LENGTHS.values())
    return near and ALPHABET.issuperset(text)


def _floats(document: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for i, row in enumerate(document["kernel"]):
        for j, value in enumerate(row):
            yield f"kernel[{i}][{j}]", value
    for field in ("bias", "scale"):
        yield field, document[field]
    for table, fields in (("gate", GATE), ("normalization", NORMALIZATION)):
        for field in fields:
            yield f"{table}.{field}", document[table][field]


def _rounded(numbers: Iterable[tuple[str, float]], source: str) -> bytes:
    fields, values = zip(*numbers, strict=True)
    rounded = np.array(values, "<f4")
    for field, value, single in zip(fields, values, rounded, strict=True):
        if single == 0.0 != value:
            raise EffectError(
                f"{source}: {field} is too small for a text code, got {value}; "
                "make it 0"
            )
    return rounded.tobytes()


def _second_part(document: dict[str, Any], source: str) -> bytes | None:
    """Return what `cak2` adds to `cak1`; None if the document has nothing of it."""
    if document["version"] == FIRST:
        return None
    spacing = document["spectrogram"].get("spacing", [1, 1])
    knob, quality = document.get("knob", STRAIGHT), _known_quality(document)
    is_line = np.array_equal(np.array(knob, "<f4"), STRAIGHT)
    if list(spacing) == [1, 1] and is_line and quality is None:
        return None
    code, change = 0, 0.0
    if quality is not None:
        name, sign = split(quality["name"])
        code, change = sign * (1 + list(WORDS).index(name)), quality["range"]
    points = [(f"knob[{place}]", value) for place, value in enumerate(knob)]
    return (
        np.array(spacing, "<u2").tobytes()
        + _rounded(points, source)
        + np.array(code, "<i4").tobytes()
        + _rounded([("quality.range", change)], source)
    )


def _known_quality(document: dict[str, Any]) -> dict[str, Any] | None:
    """Return the quality of a document if a code can name it."""
    quality: dict[str, Any] | None = document.get("quality")
    if quality is None or "reader" in quality or split(quality["name"])[0] not in WORDS:
        return None
    return quality


def _quality(data: bytes) -> tuple[int, float]:
    return int(np.frombuffer(data, "<i4", 1, 120)[0]), _decimals(data, 1, 124)[0]


def _check_quality(data: bytes, source: str) -> None:
    if len(data) == CHECKED["cak2"] + 4 and abs(_quality(data)[0]) > len(WORDS):
        raise EffectError(
            f"{source}: quality is number {_quality(data)[0]} of a later version; "
            f"this program knows {len(WORDS)}"
        )


def _checksum(data: bytes) -> int:
    return int.from_bytes(data[-4:], "little")


def _decimals(data: bytes, count: int, offset: int = 0) -> list[float]:
    # NumPy writes a float32 as the shortest decimal that it is the nearest one to.
    return [float(str(value)) for value in np.frombuffer(data, "<f4", count, offset)]


def _document(data: bytes) -> dict[str, Any]:
    """Return the numbers as an effect document, unchecked."""
    floats = _decimals(data, FLOATS)
    sample_rate, n_fft, hop_length = np.frombuffer(data, "<u4", 3, 4 * FLOATS).tolist()
    document = {
        "format": FORMAT,
        "version": FIRST,
        "name": f"code-{_checksum(data):08x}",
        "kernel": [floats[0:3], floats[3:6], floats[6:9]],
        "bias": floats[9],
        "scale": floats[10],
        "gate": dict(zip(GATE, floats[11:13], strict=True)),
        "spectrogram": {
            "sample_rate": sample_rate,
            "n_fft": n_fft,
            "hop_length": hop_length,
            "win_length": n_fft,
            "window": "hann",
        },
        "normalization": dict(zip(NORMALIZATION, floats[13:], strict=True)),
        "provenance": {"source": "text code"},
    }
    if len(data) > FIRST_BYTES + 4:
        _add_second_part(document, data)
    return document


def _add_second_part(document: dict[str, Any], data: bytes) -> None:
    document["version"] = VERSION
    spacing = np.frombuffer(data, "<u2", 2, FIRST_BYTES).tolist()
    document["spectrogram"]["spacing"] = spacing
    knob, (code, change) = _decimals(data, KNOB_POINTS, 84), _quality(data)
    if knob != list(STRAIGHT):
        document["knob"] = knob
    if code:
        name = list(WORDS)[abs(code) - 1]
        document["quality"] = {
            "name": f"{LESS}{name}" if code < 0 else name,
            "unit": WORDS[name].unit,
            "range": change,
        }
