"""A knob that moves, as text: a file of points, an oscillator, a follower."""

import csv
import os
import pathlib

from cak_jax.effect.schema import EffectError
from cak_jax.runtime.text import printable

MAX_CURVE_BYTES = 16 << 20


def read_curve(path: str | os.PathLike):
    """Read a `controls.Curve` from lines `seconds,value`, with or without a heading.

    Raises:
      EffectError: one line that names the file and the line in it.
    """
    from cak_jax.rendering.knob import Curve

    place, name = pathlib.Path(path), printable(path)
    if not place.is_file():
        raise EffectError(f"{name}: there is no such file")
    with place.open("rb") as file:
        data = file.read(MAX_CURVE_BYTES + 1)
    if len(data) > MAX_CURVE_BYTES:
        raise EffectError(f"{name}: is larger than {MAX_CURVE_BYTES >> 20} MB")
    try:
        lines = data.decode("utf-8-sig").splitlines()
        rows = list(csv.reader(lines))
    except (UnicodeDecodeError, csv.Error):
        raise EffectError(f"{name}: is no CSV file in UTF-8") from None
    points = []
    for number, row in enumerate(rows, 1):
        if not any(cell.strip() for cell in row):
            continue
        pair = numbers(row)
        if len(row) != 2 or (pair is None and points):
            raise EffectError(f"{name}: line {number} is not `seconds,value`")
        if pair is not None:
            points.append(pair)
    if not points:
        raise EffectError(f"{name}: holds no line `seconds,value`")
    try:
        return Curve(*map(tuple, zip(*points, strict=True)))
    except EffectError as error:
        raise EffectError(f"{name}: {error}") from None


def numbers(cells: list[str]) -> tuple[float, ...] | None:
    """Return what the texts say; None where one of them is no number."""
    try:
        return tuple(float(cell) for cell in cells)
    except ValueError:
        return None


def oscillator(text: str):
    """Return the `controls.Oscillator` of `WAVE:HERTZ[:LOW:HIGH[:PHASE]]`."""
    from cak_jax.rendering.knob import Oscillator

    wave, *rest = text.split(":")
    values = numbers(rest)
    if values is None or len(values) not in (1, 3, 4):
        raise EffectError(f"{text!r} is not WAVE:HERTZ[:LOW:HIGH[:PHASE]]")
    return Oscillator(wave, *values)


def follower(text: str):
    """Return the `controls.Follower` of `LOW:HIGH[:ATTACK:RELEASE]`."""
    from cak_jax.rendering.knob import Follower

    values = numbers(text.split(":"))
    if values is None or len(values) not in (2, 4):
        raise EffectError(f"{text!r} is not LOW:HIGH[:ATTACK:RELEASE]")
    return Follower(*values)
