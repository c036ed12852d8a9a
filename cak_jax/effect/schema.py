"""The checks of an effect document; every fault is one line that names the field.

Nothing here loads JAX, so that listing effects is quick.
"""

import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any, NoReturn

from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.files import StrPath

FORMAT = "cak-effect"
# Version 1 has no spacing, quality and knob. The effects that it holds are written in
# it, so that older programs read them.
FIRST, VERSION = 1, 2
MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
# Learned numbers are at most this large, because float32 arithmetic stays finite then;
# training ends far below.
LARGEST = 1e4
ANY = (-LARGEST, LARGEST)
# Smallest and largest value of each number, by the object that holds it.
GATE = {"threshold": ANY, "temperature": (0.0, LARGEST)}
SPECTROGRAM = {
    "sample_rate": (4000, 768000),
    "n_fft": (16, 65536),
    "hop_length": (1, 32768),
    "win_length": (16, 65536),
}
NORMALIZATION = {
    "alpha": (1e-6, 1e6),
    "gamma": (0.01, 100.0),
    "low": (-50.0, 50.0),
    "high": (-50.0, 50.0),
}
# Bins and frames between the kernel's cells.
SPACING = (1, 16)
# The change of a quality at amount 1, in the quality's unit.
RANGE = (1e-6, 1e6)
# Of the reader of a taught quality: points of the rating per unit of a measured one.
READER_WEIGHT, MOST_WEIGHTS = (-1e9, 1e9), 64
# R2 of a reader on ratings that it was not fitted on; below 0 it is worse than a guess.
R2 = (-1e6, 1.0)
# The knob's table: the shares of the pattern at amounts 0, 1/8, ... 1.
KNOB_POINTS, LARGEST_SHARE = 9, 4.0
# The table that changes nothing.
STRAIGHT = tuple(place / (KNOB_POINTS - 1) for place in range(KNOB_POINTS))
Ranges = Mapping[str, tuple[float, float]]
KEYS = {"format", "version", "name", "kernel", "bias", "scale"}
KEYS |= {"gate", "spectrogram", "normalization", "provenance"}
# Top-level keys of version 2; a file of version 1 keeps them as keys it does not know.
KEYS_2 = {"quality", "knob"}

# What a published model's "effect" holds.
MODEL_FIELDS = (
    *("kernel", "bias", "scale", "threshold", "temperature"),
    *("spectrogram", "normalization"),
)


class EffectError(InputError):
    """An effect file or value that cannot be used; the message names the field."""


def _fail(source: str, field: str, text: str) -> NoReturn:
    raise EffectError(f"{source}: {field} {text}")


def _member(source: str, table: Any, field: str, where: str = "") -> Any:
    if field not in table:
        _fail(source, f"{where}{field}", "is missing")
    return table[field]


def _number(
    source: str, value: Any, field: str, low: float, high: float, whole: bool = False
) -> None:
    kinds, name = (int, "whole number") if whole else (int | float, "number")
    if isinstance(value, bool) or not isinstance(value, kinds):
        _fail(source, field, f"must be a {name}, got {type(value).__name__}")
    if not low <= value <= high:  # false for NaN too
        shown = value if abs(value) < 1e300 else "a huge number"
        _fail(source, field, f"must be between {low:g} and {high:g}, got {shown}")


def _table(
    source: str, document: Any, name: str, ranges: Ranges, whole: bool = False
) -> dict[str, Any]:
    """Return the object `name` of a document, its numbers checked."""
    table = _member(source, document, name)
    if not isinstance(table, dict):
        _fail(source, name, f"must be an object, got {type(table).__name__}")
    for field, (low, high) in ranges.items():
        value = _member(source, table, field, f"{name}.")
        _number(source, value, f"{name}.{field}", low, high, whole)
    return table


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise EffectError(f"the key {key[:80]!r} stands twice; remove one")
        table[key] = value
    return table


def write_text(document: dict[str, Any]) -> str:
    """Return the text of an effect file."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def read_document(path: StrPath) -> dict[str, Any]:
    """Return the document in a file; `EffectError` names the file and the field."""
    document: dict[str, Any] = read_json(path)
    check_document(document, str(path))
    return document


def read_json(path: StrPath) -> Any:
    """Parse a JSON file of at most 64 kB; its fields are not checked."""
    path = pathlib.Path(path)
    source = str(path)
    if not path.is_file():
        raise EffectError(f"{source}: there is no such file; give an effect.json")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise EffectError(f"{source}: is larger than {MAX_BYTES} bytes, no effect file")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except EffectError as error:
        raise EffectError(f"{source}: {error}") from None
    except UnicodeDecodeError:
        raise EffectError(f"{source}: is not UTF-8 text, no effect file") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise EffectError(f"{source}: is not a JSON effect file: {reason}") from None


def check_document(document: Any, source: str) -> None:
    """Check every field of an effect document.

    Args:
      document: as `json.loads` returns it.
      source: the name that messages give it.

    Raises:
      EffectError: one line that names `source` and the first field at fault.
    """
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise EffectError(f"{source}: an effect is a JSON object, got {kind}")
    if _member(source, document, "format") != FORMAT:
        _fail(source, "format", f'must be "{FORMAT}"')
    version = _member(source, document, "version")
    _number(source, version, "version", 1, 10**6, whole=True)
    if version > VERSION:
        text = f"{version} is newer than this program reads ({VERSION})"
        _fail(source, "version", text)
    check_name(_member(source, document, "name"), source)
    _check_kernel(source, _member(source, document, "kernel"))
    for field in ("bias", "scale"):
        _number(source, _member(source, document, field), field, *ANY)
    _table(source, document, "gate", GATE)
    _check_spectrogram(source, document)
    constants = _table(source, document, "normalization", NORMALIZATION)
    if constants["high"] - constants["low"] < 1e-6:
        _fail(source, "normalization.high", "must be above normalization.low")
    if version > FIRST:
        _check_spacing(source, document["spectrogram"])
        _check_quality(source, document)
        _check_knob(source, document)
    if not isinstance(document.get("provenance", {}), dict):
        _fail(source, "provenance", "must be an object")
    for field, value in document.items():
        _check_free_form(source, field[:80], value)


def check_name(name: Any, source: str) -> None:
    """Refuse an unusable name of an effect; see `check_document`."""
    _check_text(source, "name", name, 200)


def _check_text(source: str, field: str, text: Any, most: int) -> None:
    if not isinstance(text, str) or not 0 < len(text) <= most or not text.isprintable():
        _fail(source, field, f"must be 1 to {most} printable characters")


def _check_free_form(source: str, field: str, value: Any) -> None:
    # Kept values are written again, so they must be finite. Level by level, because a
    # stranger's nesting may be deeper than Python's recursion.
    level = [value]
    for _ in range(MAX_DEPTH):
        if any(isinstance(v, float) and not math.isfinite(v) for v in level):
            _fail(source, field, "holds a number that is not finite")
        nested = [v for v in level if isinstance(v, dict | list | tuple)]
        level = [x for v in nested for x in (v.values() if isinstance(v, dict) else v)]
        if not level:
            return
    _fail(source, field, f"is nested deeper than {MAX_DEPTH}")


def _check_kernel(source: str, kernel: Any) -> None:
    rows = isinstance(kernel, list | tuple) and len(kernel) == 3
    if not rows or any(not isinstance(r, list | tuple) or len(r) != 3 for r in kernel):
        _fail(source, "kernel", "must be 3 rows of 3 numbers")
    for i, row in enumerate(kernel):
        for j, value in enumerate(row):
            _number(source, value, f"kernel[{i}][{j}]", *ANY)


def _check_spectrogram(source: str, document: dict[str, Any]) -> None:
    table = _table(source, document, "spectrogram", SPECTROGRAM, whole=True)
    if _member(source, table, "window", "spectrogram.") != "hann":
        _fail(source, "spectrogram.window", 'must be "hann"')
    if table["win_length"] != table["n_fft"]:
        _fail(source, "spectrogram.win_length", "must equal spectrogram.n_fft")
    try:
        SpectrogramSettings(table["sample_rate"], table["n_fft"], table["hop_length"])
    except ValueError as error:
        raise EffectError(f"{source}: spectrogram.{error}") from None


def _check_spacing(source: str, spectrogram: dict[str, Any]) -> None:
    field = "spectrogram.spacing"
    spacing = spectrogram.get("spacing", [1, 1])
    if not isinstance(spacing, list | tuple) or len(spacing) != 2:
        _fail(source, field, "must be two whole numbers, of bins and of frames")
    for place, value in enumerate(spacing):
        _number(source, value, f"{field}[{place}]", *SPACING, whole=True)


def _check_quality(source: str, document: dict[str, Any]) -> None:
    if "quality" not in document:
        return
    quality = _table(source, document, "quality", {"range": RANGE})
    for field, most in (("name", 200), ("unit", 40)):
        text = _member(source, quality, field, "quality.")
        _check_text(source, f"quality.{field}", text, most)
    for field in ("reader", "companions"):
        if field in quality:
            _check_weights(source, f"quality.{field}", quality[field])
    if "r2" in quality:
        _number(source, quality["r2"], "quality.r2", *R2)
    if "target" in quality:
        _number(source, quality["target"], "quality.target", *READER_WEIGHT)


def _check_weights(source: str, field: str, weights: Any) -> None:
    if not isinstance(weights, dict) or not 0 < len(weights) <= MOST_WEIGHTS:
        text = f"must be an object of 1 to {MOST_WEIGHTS} weights, by quality"
        _fail(source, field, text)
    for name, weight in weights.items():
        _check_text(source, f"{field}: a quality", name, 200)
        _number(source, weight, f"{field}.{name}", *READER_WEIGHT)
    if not any(weights.values()):
        _fail(source, field, "must have a weight other than 0")


def _check_knob(source: str, document: dict[str, Any]) -> None:
    if "knob" not in document:
        return
    knob = document["knob"]
    if not isinstance(knob, list | tuple) or len(knob) != KNOB_POINTS:
        _fail(source, "knob", f"must be {KNOB_POINTS} numbers")
    for place, value in enumerate(knob):
        _number(source, value, f"knob[{place}]", 0.0, LARGEST_SHARE)
    if knob[0] != 0:
        _fail(source, "knob[0]", f"must be 0, got {knob[0]}")
    for place in range(1, KNOB_POINTS):
        if knob[place] <= knob[place - 1]:
            _fail(source, f"knob[{place}]", f"must be above knob[{place - 1}]")


def is_model(value: Any) -> bool:
    """Say whether parsed JSON is a published model rather than an effect document.

    Such JSON (repository gloame-ai/cak-audio; `tests/golden/published_model.json`)
    holds the learned numbers, the gate's two numbers and the constants in "effect".
    """
    return (
        isinstance(value, dict)
        and isinstance(value.get("effect"), dict)
        and "format" not in value
    )


def model_document(value: dict[str, Any], name: str, source: str) -> dict[str, Any]:
    """Return the effect document of a published model.

    Args:
      value: a published model, `is_model` is true for it.
      name: of the effect, because a model has none.
      source: the name that messages give the file.

    Raises:
      EffectError: one line that names the field that is missing or wrong.
    """
    model = value["effect"]
    for field in MODEL_FIELDS:
        if field not in model:
            raise EffectError(f"{source}: effect.{field} is missing")
    document = {
        "format": FORMAT,
        "version": FIRST,
        "name": name,
        "kernel": model["kernel"],
        "bias": model["bias"],
        "scale": model["scale"],
        "gate": {field: model[field] for field in ("threshold", "temperature")},
        "spectrogram": model["spectrogram"],
        "normalization": model["normalization"],
        "provenance": {"source": "arXiv 2508.02643, a model of gloame-ai/cak-audio"},
    }
    check_document(document, source)
    return document
