"""An effect as a short text that fits a message or the address of a page.

`cak1` and 112 characters of base64url (RFC 4648, section 5; A-Z a-z 0-9 - _, no
padding), which hold 84 bytes, little-endian:

    offset  type        what
    0       9 float32   kernel[0][0], kernel[0][1], ... kernel[2][2]
    36      float32     bias
    40      float32     scale
    44      2 float32   gate.threshold, gate.temperature
    52      4 float32   normalization.alpha, .gamma, .low, .high
    68      3 uint32    spectrogram.sample_rate, .n_fft, .hop_length
    80      uint32      CRC-32 (zlib's) of the 80 bytes before it

The 1 is the version. The window is always Hann and as long as n_fft, so the code does
not hold it. Name, provenance and unknown keys are left out. In JavaScript a `DataView`
over the bytes, with `getFloat32(offset, true)` and `getUint32(offset, true)`, reads all
of it.
"""

import base64
import re
import string
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from cak_jax.effect.schema import (
    FORMAT,
    GATE,
    NORMALIZATION,
    VERSION,
    EffectError,
    check_document,
)

PREFIX = "cak1"
ALPHABET = frozenset(string.ascii_letters + string.digits + "-_")
FLOATS, CHECKED, BYTES = 17, 80, 84
LENGTH = len(PREFIX) + BYTES * 4 // 3
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
      `LENGTH` characters. Encoding a decoded code returns the same code.

    Raises:
      EffectError: the document is invalid, or float32 cannot hold a number; one line
        that names the field.
    """
    check_document(document, source)
    spectrogram = document["spectrogram"]
    whole = [spectrogram[name] for name in ("sample_rate", "n_fft", "hop_length")]
    fields, values = zip(*_floats(document), strict=True)
    rounded = np.array(values, "<f4")
    for field, value, single in zip(fields, values, rounded, strict=True):
        if single == 0.0 != value:
            raise EffectError(
                f"{source}: {field} is too small for a text code, got {value}; "
                "make it 0"
            )
    data = rounded.tobytes() + np.array(whole, "<u4").tobytes()
    data += zlib.crc32(data).to_bytes(4, "little")
    # Checked again, because rounding may make `low` and `high` the same number.
    check_document(_document(data), f"{source}, rounded to float32")
    return PREFIX + base64.urlsafe_b64encode(data).decode("ascii")


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
    if not code.startswith(PREFIX):
        raise EffectError(
            f"{source}: is no text code of an effect, or a damaged one, or of another "
            f"version; this program reads those that begin with {PREFIX}"
        )
    damage, data = "", b""
    wrong = next((c for c in code if c not in ALPHABET), None)
    if wrong is not None:
        damage = f"{wrong!a} cannot stand in one"
    elif len(code) != LENGTH:
        damage = f"it has {len(code)} characters, not {LENGTH}; copy all of it"
    else:
        data = base64.urlsafe_b64decode(code[len(PREFIX) :])
        if zlib.crc32(data[:CHECKED]) != _checksum(data):
            damage = "its checksum does not fit; copy it again"
    if damage:
        raise EffectError(f"{source}: is a damaged text code: {damage}")
    document = _document(data)
    check_document(document, source)
    return document


def looks_like_code(text: str) -> bool:
    """Say whether a text is a code, whole or damaged, and not a name.

    >>> looks_like_code("cak1AAAA"), looks_like_code("glass")
    (True, False)
    """
    text = text.strip()
    if re.match(r"cak\d", text):
        return True
    return abs(len(text) - LENGTH) <= _LOST and ALPHABET.issuperset(text)


def _floats(document: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for i, row in enumerate(document["kernel"]):
        for j, value in enumerate(row):
            yield f"kernel[{i}][{j}]", value
    for field in ("bias", "scale"):
        yield field, document[field]
    for table, fields in (("gate", GATE), ("normalization", NORMALIZATION)):
        for field in fields:
            yield f"{table}.{field}", document[table][field]


def _checksum(data: bytes) -> int:
    return int.from_bytes(data[CHECKED:], "little")


def _document(data: bytes) -> dict[str, Any]:
    """Return the numbers as an effect document, unchecked."""
    # NumPy writes a float32 as the shortest decimal that it is the nearest one to.
    floats = [float(str(value)) for value in np.frombuffer(data, "<f4", FLOATS)]
    sample_rate, n_fft, hop_length = np.frombuffer(data, "<u4", 3, 4 * FLOATS).tolist()
    return {
        "format": FORMAT,
        "version": VERSION,
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
