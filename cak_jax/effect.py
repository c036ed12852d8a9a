"""The effect file: eleven learned numbers and the constants they belong to.

A strict reader: an effect comes from strangers, so every field is checked before use
and every fault is one line that names the field. Format: README, "Effect file".
"""

import dataclasses
import json
import math
import os
import pathlib
from typing import Any

from cak_jax import spectral
from cak_jax.files import replace_file

FORMAT = "cak-effect"
VERSION = 1
MAX_BYTES = 64 * 1024
# Far beyond anything training reaches; keeps float32 arithmetic finite.
LARGEST = 1e4


class EffectError(ValueError):
    """An effect file or value that cannot be used; the message names the field."""


@dataclasses.dataclass(frozen=True)
class Effect:
    """One learned effect.

    Attributes:
      name: shown to people and used in output names.
      kernel: `[3, 3]`; `kernel[i][j]` multiplies `x[f + i - 1, t + j - 1]`.
      bias, scale: the other two learned numbers.
      threshold, temperature: of the gate.
      spectrogram: how the effect sees sound.
      normalization: constants of the corpus it was trained on.
      provenance: where it comes from; free form, not used in rendering.
      extra: keys of the file that this version does not know, kept on writing.
    """

    name: str
    kernel: tuple[tuple[float, float, float], ...]
    bias: float
    scale: float
    threshold: float = 0.3
    temperature: float = 20.0
    spectrogram: spectral.SpectrogramSettings = spectral.SpectrogramSettings()
    normalization: spectral.Normalization = spectral.Normalization()
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        # Through the reader's own checks, so that no invalid effect exists at all.
        _check_document(to_document(self), "effect")

    def __call__(self, audio, sample_rate, control, **options):
        """Render audio through the effect; see `render.render`."""
        from cak_jax import render

        return render.render(self, audio, sample_rate, control, **options)


def to_document(effect: Effect) -> dict[str, Any]:
    """Return the JSON document of an effect."""
    settings, constants = effect.spectrogram, effect.normalization
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": effect.name,
        "kernel": [list(row) for row in effect.kernel],
        "bias": effect.bias,
        "scale": effect.scale,
        "gate": {"threshold": effect.threshold, "temperature": effect.temperature},
        "spectrogram": {
            "sample_rate": settings.sample_rate,
            "n_fft": settings.n_fft,
            "hop_length": settings.hop_length,
            "win_length": settings.n_fft,
            "window": "hann",
        },
        "normalization": dataclasses.asdict(constants),
        "provenance": effect.provenance,
        **effect.extra,
    }


def from_document(document: Any, source: str = "effect") -> Effect:
    """Build an effect from a JSON document.

    Args:
      document: what `json.loads` gave.
      source: how messages name it.

    Raises:
      EffectError: naming the field that is missing or wrong.
    """
    _check_document(document, source)
    known = {*to_keys(), "format", "version"}
    spectrogram, gate = document["spectrogram"], document["gate"]
    return Effect(
        name=document["name"],
        kernel=tuple(tuple(float(v) for v in row) for row in document["kernel"]),
        bias=float(document["bias"]),
        scale=float(document["scale"]),
        threshold=float(gate["threshold"]),
        temperature=float(gate["temperature"]),
        spectrogram=spectral.SpectrogramSettings(
            spectrogram["sample_rate"], spectrogram["n_fft"], spectrogram["hop_length"]
        ),
        normalization=spectral.Normalization(
            **{name: float(document["normalization"][name]) for name in _NORMALIZATION}
        ),
        provenance=document.get("provenance", {}),
        extra={k: v for k, v in document.items() if k not in known},
    )


def to_keys() -> tuple[str, ...]:
    """Return the top-level keys that carry an effect's values."""
    names = "name", "kernel", "bias", "scale", "gate", "spectrogram"
    return (*names, "normalization", "provenance")


_NORMALIZATION = ("alpha", "gamma", "low", "high")


def _fail(source: str, field: str, text: str):
    raise EffectError(f"{source}: {field} {text}")


def _member(source: str, table: Any, field: str, where: str = ""):
    if field not in table:
        _fail(source, f"{where}{field}", "is missing")
    return table[field]


def _number(source, value, field, low=-LARGEST, high=LARGEST):
    if isinstance(value, bool) or not isinstance(value, int | float):
        _fail(source, field, f"must be a number, got {type(value).__name__}")
    if not low <= value <= high:  # false for NaN too
        shown = value if abs(value) < 1e300 else "a huge number"
        _fail(source, field, f"must be between {low:g} and {high:g}, got {shown}")
    return value


def _whole(source, value, field, low, high):
    if isinstance(value, bool) or not isinstance(value, int):
        _fail(source, field, f"must be a whole number, got {type(value).__name__}")
    return _number(source, value, field, low, high)


def _table(source, document, field):
    value = _member(source, document, field)
    if not isinstance(value, dict):
        _fail(source, field, f"must be an object, got {type(value).__name__}")
    return value


def _check_document(document: Any, source: str) -> None:
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise EffectError(f"{source}: an effect is a JSON object, got {kind}")
    if _member(source, document, "format") != FORMAT:
        _fail(source, "format", f'must be "{FORMAT}"')
    version = _member(source, document, "version")
    _whole(source, version, "version", 1, 10**6)
    if version > VERSION:
        _fail(
            source, "version", f"{version} is newer than this program reads ({VERSION})"
        )
    name = _member(source, document, "name")
    if not isinstance(name, str) or not 0 < len(name) <= 200 or not name.isprintable():
        _fail(source, "name", "must be 1 to 200 printable characters")
    _check_kernel(source, _member(source, document, "kernel"))
    for field in ("bias", "scale"):
        _number(source, _member(source, document, field), field)
    gate = _table(source, document, "gate")
    for field in ("threshold", "temperature"):
        _number(source, _member(source, gate, field, "gate."), f"gate.{field}")
    _check_spectrogram(source, _table(source, document, "spectrogram"))
    _check_normalization(source, _table(source, document, "normalization"))
    if not isinstance(document.get("provenance", {}), dict):
        _fail(source, "provenance", "must be an object")


def _check_kernel(source, kernel):
    rows = isinstance(kernel, list | tuple) and len(kernel) == 3
    if not rows or any(not isinstance(r, list | tuple) or len(r) != 3 for r in kernel):
        _fail(source, "kernel", "must be 3 rows of 3 numbers")
    for i, row in enumerate(kernel):
        for j, value in enumerate(row):
            _number(source, value, f"kernel[{i}][{j}]")


def _check_spectrogram(source, table):
    ranges = {
        "sample_rate": (4000, 768000),
        "n_fft": (16, 65536),
        "hop_length": (1, 32768),
        "win_length": (16, 65536),
    }
    for field, (low, high) in ranges.items():
        value = _member(source, table, field, "spectrogram.")
        _whole(source, value, f"spectrogram.{field}", low, high)
    if _member(source, table, "window", "spectrogram.") != "hann":
        _fail(source, "spectrogram.window", 'must be "hann"')
    if table["win_length"] != table["n_fft"]:
        _fail(source, "spectrogram.win_length", "must equal spectrogram.n_fft")
    try:
        spectral.SpectrogramSettings(
            table["sample_rate"], table["n_fft"], table["hop_length"]
        )
    except ValueError as error:
        raise EffectError(f"{source}: spectrogram.{error}") from None


def _check_normalization(source, table):
    ranges = {
        "alpha": (1e-6, 1e6),
        "gamma": (0.01, 100.0),
        "low": (-50.0, 50.0),
        "high": (-50.0, 50.0),
    }
    for field, (low, high) in ranges.items():
        value = _member(source, table, field, "normalization.")
        _number(source, value, f"normalization.{field}", low, high)
    if table["high"] - table["low"] < 1e-6:
        _fail(source, "normalization.high", "must be above normalization.low")


def _unique(pairs):
    table = {}
    for key, value in pairs:
        if key in table:
            raise EffectError(f"{key} stands there twice")
        table[key] = value
    return table


def loads(text: str, source: str = "effect") -> Effect:
    """Parse an effect from JSON text; `EffectError` on any fault."""
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except EffectError as error:
        raise EffectError(f"{source}: {error}") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise EffectError(f"{source}: is not a JSON effect file: {reason}") from None
    return from_document(document, source)


def dumps(effect: Effect) -> str:
    """Return the JSON text of an effect."""
    return json.dumps(to_document(effect), indent=1, allow_nan=False) + "\n"


def load_effect(path: str | os.PathLike) -> Effect:
    """Read an effect file.

    Raises:
      EffectError: one line that names the file and the field.
    """
    path = pathlib.Path(path)
    source = str(path)
    if not path.is_file():
        raise EffectError(f"{source}: there is no such file; give an effect.json")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise EffectError(f"{source}: is larger than {MAX_BYTES} bytes, no effect file")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise EffectError(f"{source}: is not UTF-8 text, no effect file") from None
    return loads(text, source)


def save_effect(effect: Effect, path: str | os.PathLike) -> None:
    """Write an effect file in one piece: complete or not at all."""
    replace_file(pathlib.Path(path), dumps(effect).encode("utf-8"))


def calibrate(effect: Effect, amount: float) -> float:
    """Return the control whose `c * gate(c)` equals `amount`: the gate inverted.

    Equal turns of a calibrated knob give equal change of the spectrogram.

    Args:
      effect: whose gate is inverted.
      amount: share of the full effect, at least 0.
    """
    if not math.isfinite(amount) or amount < 0:
        raise EffectError(f"amount must be a finite number, at least 0, got {amount}")

    def asked(control):
        exponent = -(control - effect.threshold) * effect.temperature
        return control / (1.0 + math.exp(min(exponent, 700.0)))

    # For control >= 0, c * gate(c) rises and reaches any amount by 2 * amount + bound.
    low, high = 0.0, 1.0
    while asked(high) < amount:
        high *= 2.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if asked(middle) < amount else (low, middle)
    return 0.5 * (low + high) if amount > 0 else 0.0
