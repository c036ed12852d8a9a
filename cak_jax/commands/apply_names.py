"""Names of outputs: made from a pattern, and known again by a later run.

A pattern holds `{stem}`, `{effect}`, `{amount}` and `{number}`, such as
`{stem} {effect} {amount}`.
"""

import dataclasses
import os
import pathlib
import re

from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable

PATTERN = "{stem}__{effect}_{amount}"
FIELDS = ("stem", "effect", "amount", "number")
EARLIER_RUN = "was written by an earlier run, as its name says"
# What the fields become, to know an output again. Amounts are those of `short_name`.
_FORMS = {
    "stem": r"(?P<stem>.+)",
    "effect": r"[\w.-]+",
    "amount": r"(?:(?:[ac]|aim)\d{3,4}|curve|lfo|follow)",
    "number": r"\d+",
}
_FIELD = re.compile(r"\{(\w*)\}")


@dataclasses.dataclass(frozen=True)
class Naming:
    """How outputs are named, apart from their suffix.

    Attributes:
      effect, amount: words of the pattern, such as "bright" and "a050".
      pattern: of the names; "{stem}" keeps the names of the inputs.
      digits: of a number.

    Raises:
      InputError: the pattern has an unknown field, or is no name of a file.
    """

    effect: str
    amount: str
    pattern: str = PATTERN
    digits: int = 1

    def __post_init__(self) -> None:
        shown = f"--name={printable(self.pattern)}"
        unknown = set(_FIELD.findall(self.pattern)) - set(FIELDS)
        if unknown or set(_FIELD.sub("", self.pattern)) & set("{}"):
            fields = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise InputError(f"{shown}: knows the fields {fields} only")
        if os.sep in self.pattern or "\0" in self.pattern or not self.pattern.strip():
            raise InputError(f"{shown}: must be the name of a file, without folders")
        if not {"stem", "number"} & set(_FIELD.findall(self.pattern)):
            raise InputError(
                f"{shown}: needs {{stem}} or {{number}}, to tell files apart"
            )
        plain = re.sub(r"[^\w.-]+", "-", self.effect).strip("-.") or "effect"
        object.__setattr__(self, "effect", plain)

    def stem(self, path: pathlib.Path, number: int, with_suffix: bool = False) -> str:
        """Return the stem of an input's output.

        Args:
          number: of the input, from 1.
          with_suffix: whether the input's suffix is kept, to tell two apart.
        """
        words = {
            "stem": path.name if with_suffix else path.stem,
            "effect": self.effect,
            "amount": self.amount,
            "number": str(number).zfill(self.digits),
        }
        return _FIELD.sub(lambda found: words[found[1]], self.pattern)

    def original(self, stem: str, names: set[str]) -> str:
        """Return the stem of the input of which a file is the output; "" for none.

        Args:
          stem: of the file.
          names: stems and names of the inputs that there are.
        """
        for pattern in {self.pattern, PATTERN}:
            found = _expression(pattern).fullmatch(stem)
            if found and found.groupdict().get("stem") in names - {stem}:
                return found["stem"]
        return ""


def is_named_like_an_output(stem: str) -> bool:
    """Say whether a stem is one that `PATTERN` makes."""
    return _expression(PATTERN).fullmatch(stem) is not None


def _expression(pattern: str) -> re.Pattern[str]:
    parts, seen = [], False
    for place, text in enumerate(_FIELD.split(pattern)):
        if not place % 2:
            parts.append(re.escape(text))
        elif text == "stem" and seen:
            parts.append("(?P=stem)")
        else:
            seen |= text == "stem"
            parts.append(_FORMS[text])
    return re.compile("".join(parts), re.DOTALL)
