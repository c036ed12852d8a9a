"""An effect as data: eleven learned numbers and the constants they belong to.

Effect files come from strangers. So the reader checks every field before use, and
reports each fault in one line that names the field. Format: README, "Effect file".
"""

import dataclasses
import os
import pathlib
from typing import Any

from cak_jax.effect import locate
from cak_jax.effect.schema import (
    FORMAT,
    KEYS,
    NORMALIZATION,
    VERSION,
    check_document,
    write_text,
)
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.runtime.files import StrPath, replace_file


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
    spectrogram: SpectrogramSettings = dataclasses.field(
        default_factory=SpectrogramSettings
    )
    normalization: Normalization = dataclasses.field(default_factory=Normalization)
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        # The same checks as for a file, so that no invalid effect exists.
        check_document(to_document(self), "effect")


def to_document(effect: Effect) -> dict[str, Any]:
    """Return the JSON document of an effect."""
    settings = effect.spectrogram
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
        "normalization": dataclasses.asdict(effect.normalization),
        "provenance": effect.provenance,
        **effect.extra,
    }


def from_document(document: Any, source: str = "effect") -> Effect:
    """Build an effect from a document as `json.loads` returns it.

    Raises:
      EffectError: naming `source` and the field that is missing or wrong.
    """
    check_document(document, source)
    spectrogram, gate = document["spectrogram"], document["gate"]
    constants = document["normalization"]
    return Effect(
        name=document["name"],
        kernel=tuple((float(a), float(b), float(c)) for a, b, c in document["kernel"]),
        bias=float(document["bias"]),
        scale=float(document["scale"]),
        threshold=float(gate["threshold"]),
        temperature=float(gate["temperature"]),
        spectrogram=SpectrogramSettings(
            spectrogram["sample_rate"], spectrogram["n_fft"], spectrogram["hop_length"]
        ),
        normalization=Normalization(*(float(constants[k]) for k in NORMALIZATION)),
        provenance=document.get("provenance", {}),
        extra={k: v for k, v in document.items() if k not in KEYS},
    )


def dumps(effect: Effect) -> str:
    """Return the text of an effect file."""
    return write_text(to_document(effect))


def load_effect(effect: StrPath) -> Effect:
    """Read an effect: a file, a run folder, a shipped name, or a text code.

    Raises:
      EffectError: one line that names the file and the field, or lists the shipped
        names, or names the fault in the code.
    """
    return from_document(locate.read(effect), os.fspath(effect))


def save_effect(effect: Effect, path: StrPath) -> None:
    """Write an effect file in one piece: complete or not at all."""
    replace_file(pathlib.Path(path), dumps(effect).encode("utf-8"))
