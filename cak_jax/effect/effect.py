"""An effect as data: eleven learned numbers and the constants they belong to.

Effect files come from strangers. So the reader checks every field before use, and
reports each fault in one line that names the field. Format: `README.md` of this room.
"""

import dataclasses
import os
import pathlib
from typing import Any

from cak_jax.effect import locate
from cak_jax.effect.schema import (
    FIRST,
    FORMAT,
    KEYS,
    KEYS_2,
    NORMALIZATION,
    VERSION,
    check_document,
    write_text,
)
from cak_jax.model.quality_names import WORDS, split
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.runtime.files import StrPath, replace_file
from cak_jax.runtime.text import printable

# Characters of the sentence on what is heard that are shown: it has about 200.
LONGEST_SENTENCE = 400


@dataclasses.dataclass(frozen=True)
class Quality:
    """What the knob of an effect changes in the sound.

    Attributes:
      name: such as "spectral_flatness", or "-attack" for less of it; with a reader the
        name of a person's rating. Other names can be kept, but not measured.
      unit: of `range`, for people.
      range: the change at amount 1, above 0; the mean over the training clips.
      reader: of a taught quality, the weight of each measured quality by name: their
        changes, so weighted and summed, are the change in `unit`.
      r2: of that sum on ratings of files that the reader was not fitted on.
      target: the value of the quality, in `unit`, that amount 1 leads to. A sound that
        is near it already changes less. None: it is not known.
      companions: the changes of other qualities, by name, each in its own unit, that
        the training asked for at amount 1 as well, because they go with this one in
        the corpus. None: none were asked for.
    """

    name: str
    unit: str
    range: float
    reader: dict[str, float] | None = None
    r2: float | None = None
    target: float | None = None
    companions: dict[str, float] | None = None

    def to_document(self) -> dict[str, Any]:
        """Return it as in an effect file: fields that are None are left out."""
        fields = dataclasses.asdict(self)
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def more(self) -> str:
        """What a person hears as it rises, such as "more percussive"."""
        name, sign = split(self.name)
        if self.reader is not None or name not in WORDS:
            return f'more "{self.name}"'
        return WORDS[name].more if sign > 0 else WORDS[name].less


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
      spacing: `(v, h)`, bins and frames between the kernel's cells, 1 to 16:
        `kernel[i][j]` multiplies `x[f + v (i - 1), t + h (j - 1)]`.
      quality: what the knob changes; None if that was not measured.
      knob: 9 numbers, the shares `c * gate(c)` of the pattern at amounts 0, 1/8, ... 1;
        they begin with 0 and rise, to 4 at most. None: the share is the amount. See
        `gate.share`.
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
    spacing: tuple[int, int] = (1, 1)
    quality: Quality | None = None
    knob: tuple[float, ...] | None = None
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        # The same checks as for a file, so that no invalid effect exists.
        check_document(to_document(self), "effect")


def describe(effect: Effect) -> list[str]:
    """Return lines on the quality, the knob's table and the spacing, where it has them.

    The first line is what was heard at the end of the training, if the file says it.

    >>> numbers = ((0.0, 0.0, 0.0),) * 3, 0.0, 1.0
    >>> attack = Quality("-attack", "natural log", 0.75)
    >>> for line in describe(Effect("a", *numbers, spacing=(4, 1), quality=attack)):
    ...     print(line)
    more sustained: less attack, by 0.75 natural log at amount 1
    cells 4 bins apart
    """
    lines = []
    heard = effect.provenance.get("heard")
    # Checked, because provenance is free form and may hold anything.
    if isinstance(heard, str):
        lines.append(printable(heard[:LONGEST_SENTENCE]))
    if effect.quality is not None:
        quality = effect.quality
        name, sign = split(quality.name)
        known = quality.reader is None and name in WORDS
        change = f"by {quality.range:.3g} {quality.unit} at amount 1"
        if quality.reader is not None:
            lines.append(f"{quality.more}, a rating read from the sound, {change}")
        else:
            side = "more" if sign > 0 else "less"
            lines.append(f"{quality.more}: " * known + f"{side} {name}, {change}")
    if effect.knob is not None:
        half, full = effect.knob[4], effect.knob[8]
        lines.append(
            f"even knob: amount 0.5 is {half:.0%} of the pattern, amount 1 {full:.0%}"
        )
    units = zip(effect.spacing, ("bins", "frames"), strict=True)
    apart = [f"{cells} {unit}" for cells, unit in units if cells > 1]
    if apart:
        lines.append(f"cells {' and '.join(apart)} apart")
    return lines


def to_document(effect: Effect) -> dict[str, Any]:
    """Return the JSON document of an effect, in the lowest version that holds it."""
    settings = effect.spectrogram
    first = effect.spacing == (1, 1) and effect.quality is None and effect.knob is None
    spacing: dict[str, Any] = {} if first else {"spacing": list(effect.spacing)}
    known: dict[str, Any] = {}
    if effect.quality is not None:
        known["quality"] = effect.quality.to_document()
    if effect.knob is not None:
        known["knob"] = list(effect.knob)
    # A file of version 1 may hold anything under the names of version 2.
    extra = effect.extra
    if not first:
        extra = {key: value for key, value in extra.items() if key not in KEYS_2}
    return {
        "format": FORMAT,
        "version": FIRST if first else VERSION,
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
            **spacing,
        },
        "normalization": effect.normalization._asdict(),
        **known,
        "provenance": effect.provenance,
        **extra,
    }


def from_document(document: Any, source: str = "effect") -> Effect:
    """Build an effect from a document as `json.loads` returns it.

    Raises:
      EffectError: naming `source` and the field that is missing or wrong.
    """
    check_document(document, source)
    spectrogram, gate = document["spectrogram"], document["gate"]
    constants = document["normalization"]
    # Version 1 does not know these fields.
    new = document if document["version"] > FIRST else {}
    spacing = spectrogram.get("spacing", (1, 1)) if new else (1, 1)
    quality, knob = new.get("quality"), new.get("knob")
    known = KEYS | KEYS_2 if new else KEYS
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
        spacing=(spacing[0], spacing[1]),
        quality=quality and _quality(quality),
        knob=knob and tuple(map(float, knob)),
        provenance=document.get("provenance", {}),
        extra={k: v for k, v in document.items() if k not in known},
    )


def _quality(document: dict[str, Any]) -> Quality:
    weights, r2 = document.get("reader"), document.get("r2")
    target, companions = document.get("target"), document.get("companions")
    return Quality(
        document["name"],
        document["unit"],
        float(document["range"]),
        weights and {name: float(weight) for name, weight in weights.items()},
        None if r2 is None else float(r2),
        None if target is None else float(target),
        companions and {name: float(change) for name, change in companions.items()},
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
