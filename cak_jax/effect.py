"""The effect file: eleven learned numbers and the constants they belong to.

A strict reader: an effect comes from strangers, so every field is checked before use
and every fault is one line that names the field. Format: README, "Effect file".
As a program it is `cak effect`.
"""

if __name__ == "__main__":  # before anything imports JAX: --help answers at once
    import sys

    from cak_jax.effect_command import main

    sys.exit(main())

import dataclasses
import math
import os
import pathlib
from typing import Any

import numpy as np

from cak_jax import shipped, spectral
from cak_jax.effect_schema import (
    FORMAT,
    KEYS,
    VERSION,
    EffectError,
    check_document,
    parse,
    write_text,
)
from cak_jax.files import replace_file


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
    spectrogram: spectral.SpectrogramSettings = dataclasses.field(
        default_factory=spectral.SpectrogramSettings
    )
    normalization: spectral.Normalization = dataclasses.field(
        default_factory=spectral.Normalization
    )
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        # Through the reader's own checks, so that no invalid effect exists at all.
        check_document(to_document(self), "effect")

    def __call__(self, audio, sample_rate, control=None, **options):
        """Render audio through the effect; all of it in `render.render`.

        Args:
          audio: float `[samples]` or `[channels, samples]`, numpy or JAX.
          sample_rate: of `audio`, Hz.
          control: the raw knob, 0 (identity) to 10; or `amount=`, the knob with the
            gate inverted. A number, or one of `controls`: a curve, an oscillator, a
            follower.
          **options: `amount`, and the fields of `RenderSettings`.

        Returns:
          Audio of the same kind, shape and dtype.
        """
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
    check_document(document, source)
    spectrogram, gate = document["spectrogram"], document["gate"]
    constants = document["normalization"]
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
            **{
                name: float(constants[name])
                for name in ("alpha", "gamma", "low", "high")
            }
        ),
        provenance=document.get("provenance", {}),
        extra={k: v for k, v in document.items() if k not in KEYS},
    )


def loads(text: str, source: str = "effect") -> Effect:
    """Parse an effect from JSON text; `EffectError` on any fault."""
    return from_document(parse(text, source), source)


def dumps(effect: Effect) -> str:
    """Return the JSON text of an effect."""
    return write_text(to_document(effect))


def load_effect(effect: str | os.PathLike) -> Effect:
    """Read an effect from a file, a run folder, the package, or a text code.

    Args:
      effect: a file, a run folder, a name of `shipped.names()`, or a text code of
        `effect_code`. A file or folder that exists wins over a name, that over a code.

    Raises:
      EffectError: one line that names the file and the field, or the names there are,
        or what is wrong with the code.
    """
    return from_document(shipped.read(effect), os.fspath(effect))


def save_effect(effect: Effect, path: str | os.PathLike) -> None:
    """Write an effect file in one piece: complete or not at all."""
    replace_file(pathlib.Path(path), dumps(effect).encode("utf-8"))


def gated(effect: Effect, controls: np.ndarray) -> np.ndarray:
    """Return `c * gate(c)` of raw controls, any shape, in float64; 0 at 0."""
    exponent = -(np.asarray(controls, np.float64) - effect.threshold)
    return controls / (1.0 + np.exp(np.minimum(exponent * effect.temperature, 700.0)))


def amount(effect: Effect, control: float) -> float:
    """Return `c * gate(c) * scale`, the factor on the pattern; exactly 0 at 0."""
    return float(gated(effect, control)) * effect.scale


def calibrate(effect: Effect, share: float) -> float:
    """Return the control whose `c * gate(c)` equals `share`: the gate inverted.

    Equal turns of a calibrated knob give equal change of the spectrogram.

    Args:
      effect: whose gate is inverted.
      share: of the full effect, at least 0.
    """
    if not math.isfinite(share) or share < 0:
        raise EffectError(f"amount must be a finite number, at least 0, got {share}")
    # For control >= 0, c * gate(c) rises without bound, so that doubling ends.
    low, high = 0.0, 1.0
    while gated(effect, high) < share:
        high *= 2.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gated(effect, middle) < share else (low, middle)
    return 0.5 * (low + high) if share > 0 else 0.0
