"""What the page's visitors send, checked value by value; without JAX or Gradio.

A browser sends what its controls allow, but anyone may send anything: every value is
taken for hostile until it has passed through here.
"""

import dataclasses
import os
import pathlib
from typing import Any

from cak_jax.effect import locate, text_code
from cak_jax.effect.schema import EffectError, read_document
from cak_jax.rendering.settings import (
    FLIPS,
    MIX,
    SIZE,
    TILT,
    RenderSettings,
    check_number,
)
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable

OWN_FILE, OWN_CODE = "an effect.json of my own", "a text code"
NO_EFFECT = "none"
LARGEST_AMOUNT = 2.0
# Far more overlap than any effect has costs time and brings nothing.
MOST_OVERLAP = 16
SHOWN = 80
LONGEST_CODE, LONGEST_NAME, LONGEST_PATH = 4096, 60, 4096


class RequestError(InputError):
    """The page was sent a value that it cannot use; one sentence that names it."""


@dataclasses.dataclass(frozen=True)
class Picked:
    """Which effect is wanted.

    Attributes:
      which: a shipped name, `OWN_FILE`, `OWN_CODE` or, of a second one, `NO_EFFECT`.
      file: the effect file that was uploaded, or None.
      code: the text code that was typed in, or "".
    """

    which: Any
    file: Any
    code: Any


def number(name: str, value: Any, low: float, high: float) -> float:
    """Return a number as a float.

    Raises:
      EffectError: another type, NaN, infinity, or out of range.
    """
    # No arrays and no objects come as JSON: what is not plain is not wanted.
    if type(value) not in (int, float):
        raise EffectError(f"{name} must be a number, got {type(value).__name__}")
    return check_number(name, value, low, high)


def whole(name: str, value: Any, low: int, high: int) -> int:
    """Return a whole number, also one that came as 3.0.

    Raises:
      EffectError: none, or out of range.
    """
    found = number(name, value, low, high)
    if found != int(found):
        raise EffectError(f"{name} must be a whole number, got {found:g}")
    return int(found)


def choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return one of the choices.

    Raises:
      RequestError: something else.
    """
    if not isinstance(value, str) or value not in choices:
        given = printable(value)[:SHOWN] if isinstance(value, str) else type(value)
        given = given if isinstance(given, str) else given.__name__
        raise RequestError(f"{name} must be one of {', '.join(choices)}, got {given}")
    return value


def text(name: str, value: Any, longest: int) -> str:
    """Return printable text of one line without spaces around it; None is "".

    Raises:
      RequestError: no text, too long, or letters that cannot be shown.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RequestError(f"{name} must be text, got {type(value).__name__}")
    # Not stripped before it is known to be short.
    if len(value) > longest:
        raise RequestError(f"{name} is longer than {longest} characters")
    value = value.strip()
    if not value.isprintable():
        raise RequestError(f"{name} must be one line of letters that can be shown")
    return value


def uploaded(name: str, value: Any, cache: pathlib.Path) -> pathlib.Path:
    """Return the path of an uploaded file.

    Args:
      name: of what it is.
      value: what Gradio gives for it.
      cache: the folder that uploads are in; nothing else is ever read.

    Raises:
      RequestError: none was given, or it lies elsewhere.
    """
    if value is None:
        raise RequestError(f"{name} is missing: choose a file first")
    if not isinstance(value, str) or not value or "\0" in value:
        raise RequestError(f"{name} must be an uploaded file")
    path = pathlib.Path(value)
    real = pathlib.Path(os.path.realpath(path))
    inside = real.is_relative_to(os.path.realpath(cache))
    if not inside or not real.is_file():
        raise RequestError(f"{name} is not there any more: upload it again")
    return path


def effect_document(picked: Picked, cache: pathlib.Path) -> dict[str, Any]:
    """Return the checked document of the effect that is wanted.

    Raises:
      RequestError, EffectError: there is none, or it cannot be used; never a path of
        this machine in it.
    """
    names = tuple(locate.names())
    which = choice("the effect", picked.which, (*names, OWN_FILE, OWN_CODE))
    if which == OWN_CODE:
        code = text("the text code", picked.code, LONGEST_CODE)
        if not code:
            raise RequestError("the text code is missing: paste it below the effect")
        document = text_code.decode(code)
    elif which == OWN_FILE:
        path = uploaded("the effect file", picked.file, cache)
        try:
            document = read_document(path)
        except EffectError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise EffectError(f"the effect file: {reason}") from None
    else:
        document = read_document(locate.find(which))
    _check_cost(document)
    return document


def _check_cost(document: dict[str, Any]) -> None:
    spectrogram = document["spectrogram"]
    overlap = spectrogram["n_fft"] // spectrogram["hop_length"]
    if overlap > MOST_OVERLAP:
        raise EffectError(
            f"spectrogram.hop_length must be at least a {MOST_OVERLAP}th of n_fft "
            f"here, got {spectrogram['hop_length']} of {spectrogram['n_fft']}; "
            "cak apply renders it"
        )


def render_settings(mix, size_time, size_frequency, flip, tilt) -> RenderSettings:
    """Return how to render.

    Raises:
      EffectError, RequestError: naming the value that is out of range.
    """
    size = (
        whole("size in time", size_time, *SIZE),
        whole("size in frequency", size_frequency, *SIZE),
    )
    return RenderSettings(
        mix=number("mix", mix, *MIX),
        size=size,
        flip=choice("flip", flip, FLIPS),
        tilt=number("tilt", tilt, *TILT),
    )
