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
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NoReturn

from cak_jax.effect.schema import FORMAT, VERSION, EffectError, check_document

PREFIX = "cak1"
ALPHABET = frozenset(string.ascii_letters + string.digits + "-_")
_NUMBERS = struct.Struct("<17f3I")
_CHECKSUM = struct.Struct("<I")
LENGTH = len(PREFIX) + (_NUMBERS.size + _CHECKSUM.size) * 4 // 3
# A text within this many characters of a code's length is taken for a damaged code,
# because a code loses or gains a few characters at its ends.
_LOST = 16
_SHOWN = 16
# Below this a rounded-up decimal cannot overflow float32.
_HUGE = 2.0**127


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
    whole = (spectrogram[name] for name in ("sample_rate", "n_fft", "hop_length"))
    values = [_single(source, field, value) for field, value in _floats(document)]
    data = _NUMBERS.pack(*values, *whole)
    data += _CHECKSUM.pack(zlib.crc32(data))
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
    source = _shown(code)
    if not code.startswith(PREFIX):
        _fail(
            source,
            "is no text code of an effect, or a damaged one, or of another version; "
            f"this program reads those that begin with {PREFIX}",
        )
    wrong = next((c for c in code if c not in ALPHABET), None)
    if wrong is not None:
        _fail(source, f"is a damaged text code: {wrong!a} cannot stand in one")
    if len(code) != LENGTH:
        _fail(
            source,
            f"is a damaged text code: it has {len(code)} characters, not {LENGTH}; "
            "copy all of it",
        )
    data = base64.urlsafe_b64decode(code[len(PREFIX) :])
    if zlib.crc32(data[: _NUMBERS.size]) != _checksum(data):
        _fail(
            source, "is a damaged text code: its checksum does not fit; copy it again"
        )
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
    gate, constants = document["gate"], document["normalization"]
    for i, row in enumerate(document["kernel"]):
        for j, value in enumerate(row):
            yield f"kernel[{i}][{j}]", value
    for field in ("bias", "scale"):
        yield field, document[field]
    for field in ("threshold", "temperature"):
        yield f"gate.{field}", gate[field]
    for field in ("alpha", "gamma", "low", "high"):
        yield f"normalization.{field}", constants[field]


def _single(source: str, field: str, value: float) -> float:
    """Round to float32; a number that becomes 0 is refused."""
    rounded = _rounded(value)
    if rounded == 0.0 != value:
        _fail(source, f"{field} is too small for a text code, got {value}; make it 0")
    return rounded


def _rounded(value: float) -> float:
    (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    return float(rounded)


def _shortest(value: float) -> float:
    """Return the shortest decimal, as a double, that rounds to a float32 value."""
    if not abs(value) < _HUGE:  # true for NaN too; no valid effect holds it
        return value
    decimals = (float(f"{value:.{digits}g}") for digits in range(1, 18))
    return next(decimal for decimal in decimals if _rounded(decimal) == value)


def _checksum(data: bytes) -> int:
    (checksum,) = _CHECKSUM.unpack_from(data, _NUMBERS.size)
    return int(checksum)


def _document(data: bytes) -> dict[str, Any]:
    """Return the numbers as an effect document, unchecked."""
    *floats, sample_rate, n_fft, hop_length = _NUMBERS.unpack_from(data)
    floats = list(map(_shortest, floats))
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": f"code-{_checksum(data):08x}",
        "kernel": [floats[0:3], floats[3:6], floats[6:9]],
        "bias": floats[9],
        "scale": floats[10],
        "gate": dict(zip(("threshold", "temperature"), floats[11:13], strict=True)),
        "spectrogram": {
            "sample_rate": sample_rate,
            "n_fft": n_fft,
            "hop_length": hop_length,
            "win_length": n_fft,
            "window": "hann",
        },
        "normalization": dict(
            zip(("alpha", "gamma", "low", "high"), floats[13:17], strict=True)
        ),
        "provenance": {"source": "text code"},
    }


def _shown(code: str) -> str:
    short = code[:_SHOWN] + ("..." if len(code) > _SHOWN else "")
    return ascii(short)[1:-1]


def _fail(source: str, text: str) -> NoReturn:
    raise EffectError(f"{source}: {text}")
