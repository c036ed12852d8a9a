"""Checks of every value that visitors send; without JAX or Gradio.

A browser sends what the page's controls allow, but a program may send anything. Every
value is taken for hostile until a function of this module has returned it. Otherwise it
raises a `RequestError` or an `EffectError` that names the value, and no path of this
machine.
"""

import os
import pathlib
from collections.abc import Callable
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

FROM_FILE, FROM_CODE = "an effect.json of my own", "a text code"
# Begins the choice of an effect that was trained here; its training's name follows.
TRAINED = "trained:"
NO_EFFECT = "none"
LARGEST_AMOUNT = 1.0
# n_fft / hop_length is at most 16, because more costs time and changes nothing.
MOST_OVERLAP = 16
# Characters of a refused value that its error shows.
SHOWN = 80
LONGEST_CODE, LONGEST_NAME, LONGEST_PATH = 4096, 60, 4096


class RequestError(InputError):
    """The page was sent a value that it cannot use; one sentence that names it."""


def number(name: str, value: Any, low: float, high: float) -> float:
    """Return a number as a float; refuse other types, NaN, and out of range."""
    # JSON has no other numbers; subclasses such as bool are refused.
    if type(value) not in (int, float):
        raise EffectError(f"{name} must be a number, got {type(value).__name__}")
    return check_number(name, value, low, high)


def whole(name: str, value: Any, low: int, high: int) -> int:
    """Return a whole number, also one that came as 3.0."""
    checked = number(name, value, low, high)
    if checked != int(checked):
        raise EffectError(f"{name} must be a whole number, got {checked:g}")
    return int(checked)


def choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return one of the choices."""
    is_text = isinstance(value, str)
    if not is_text or value not in choices:
        shown = printable(value)[:SHOWN] if is_text else type(value).__name__
        raise RequestError(f"{name} must be one of {', '.join(choices)}, got {shown}")
    return value


def text(name: str, value: Any, longest: int) -> str:
    """Return one line of printable text without spaces around it; "" for None."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RequestError(f"{name} must be text, got {type(value).__name__}")
    # The length is checked before anything else looks at the text.
    if len(value) > longest:
        raise RequestError(f"{name} is longer than {longest} characters")
    value = value.strip()
    if not value.isprintable():
        raise RequestError(f"{name} must be one line of printable characters")
    return value


def uploaded(name: str, value: Any, cache: pathlib.Path) -> pathlib.Path:
    """Return the path of an uploaded file; refuse one that lies outside the cache."""
    if value is None:
        raise RequestError(f"{name} is missing: choose a file first")
    if not isinstance(value, str) or not value or "\0" in value:
        raise RequestError(f"{name} must be an uploaded file")
    real = pathlib.Path(os.path.realpath(value))
    if not real.is_relative_to(os.path.realpath(cache)) or not real.is_file():
        raise RequestError(f"{name} is not there any more: upload it again")
    return pathlib.Path(value)


def effect_document(
    source: Any,
    file: Any,
    code: Any,
    cache: pathlib.Path,
    trained: Callable[[str], pathlib.Path | None] = lambda name: None,
) -> dict[str, Any]:
    """Return the checked document of an effect that the controls choose.

    Args:
      source: a shipped name, `FROM_FILE`, `FROM_CODE`, or `TRAINED` and the name of a
        training.
      file, code: the uploaded effect file or None, the text code or "".
      cache: the folder of uploads.
      trained: gives the effect file of a training by its name, None for an unknown one.
    """
    if isinstance(source, str) and source.startswith(TRAINED):
        path = trained(source.removeprefix(TRAINED))
        if path is None:
            raise RequestError(
                "this trained effect is not here any more: choose another one"
            )
        document = _read(path, "the trained effect")
    elif source == FROM_CODE:
        code = text("the text code", code, LONGEST_CODE)
        if not code:
            raise RequestError("the text code is missing: paste it below the effect")
        document = text_code.decode(code)
    elif source == FROM_FILE:
        path = uploaded("the effect file", file, cache)
        document = _read(path, "the effect file")
    else:
        names = tuple(locate.names())
        source = choice("the effect", source, (*names, FROM_FILE, FROM_CODE))
        document = read_document(locate.find(source))
    spectrogram = document["spectrogram"]
    if spectrogram["n_fft"] // spectrogram["hop_length"] > MOST_OVERLAP:
        raise EffectError(
            f"spectrogram.hop_length must be at least a {MOST_OVERLAP}th of n_fft "
            f"here, got {spectrogram['hop_length']} of {spectrogram['n_fft']}; "
            "cak apply renders it"
        )
    return document


def _read(path: pathlib.Path, name: str) -> dict[str, Any]:
    """Return the document of an effect file; an error names it without its path."""
    try:
        return read_document(path)
    except EffectError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise EffectError(f"{name}: {reason}") from None


def render_settings(
    mix: Any, size_time: Any, size_frequency: Any, flip: Any, tilt: Any
) -> RenderSettings:
    """Return the settings that the controls of mix and shape ask for."""
    return RenderSettings(
        mix=number("mix", mix, *MIX),
        size=(
            whole("size in time", size_time, *SIZE),
            whole("size in frequency", size_frequency, *SIZE),
        ),
        flip=choice("flip", flip, FLIPS),
        tilt=number("tilt", tilt, *TILT),
    )
