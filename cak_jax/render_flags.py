"""The knob and the shape of an effect on a command line, without JAX."""

import argparse
import csv
import itertools
import math
import os
import pathlib

from cak_jax.effect_schema import EffectError
from cak_jax.formats import printable
from cak_jax.render_settings import FLIPS

MAX_CURVE_BYTES = 16 << 20
# Of a knob, for file names: what stands there is not one number.
MOVING = ("curve", "lfo", "follow")


def add_knob(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the knob; exactly one of them must be given."""
    knob = parser.add_mutually_exclusive_group(required=True)
    knob.add_argument("--control", type=float, help="the raw knob, 0 (identity) to 10")
    knob.add_argument(
        "--amount",
        type=float,
        help="the knob with the gate inverted, 0 to 1: equal turns, equal change",
    )
    knob.add_argument(
        "--curve",
        metavar="CSV",
        help="a file of lines `seconds,amount`; straight lines in between",
    )
    knob.add_argument(
        "--lfo",
        metavar="WAVE:HERTZ[:LOW:HIGH[:PHASE]]",
        help="an oscillator turns the knob: sine, triangle, square or saw, as in "
        "sine:0.5:0:1",
    )
    knob.add_argument(
        "--follow",
        metavar="LOW:HIGH[:ATTACK:RELEASE]",
        help="the input's level turns the knob, -60 dBFS gives LOW, 0 dBFS gives HIGH; "
        "times in seconds, as in 0:1:0.01:0.2",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="values of --curve, --lfo and --follow are raw controls, not amounts",
    )


def add_shape(parser: argparse.ArgumentParser) -> None:
    """Add the flags that reshape the effect."""
    parser.add_argument(
        "--mix",
        type=float,
        default=1.0,
        help="share of what the effect adds, 0 (the input) to 1",
    )
    parser.add_argument(
        "--size",
        type=size,
        default=(1, 1),
        metavar="N|TIMExFREQUENCY",
        help="frames and bins between the kernel's cells, 1 to 16, as in 2 or 1x4",
    )
    parser.add_argument(
        "--flip", default="none", choices=FLIPS, help="mirror the kernel"
    )
    parser.add_argument(
        "--tilt",
        type=float,
        default=0.0,
        help="-1 to 1: less of the effect below (above 0) or above (below 0)",
    )


def size(text: str) -> tuple[int, int]:
    """Return `(time, frequency)` of `2` or `2x3`."""
    try:
        parts = [int(part) for part in text.lower().split("x")]
    except ValueError:
        parts = []
    if len(parts) not in (1, 2):
        raise argparse.ArgumentTypeError(f"{text!r} is neither N nor TIMExFREQUENCY")
    return parts[0], parts[-1]


def source(options: argparse.Namespace):
    """Return the knob of a command line, and whether it is calibrated.

    Returns:
      A number or one of `controls`' classes; True for amounts, False for raw controls.

    Raises:
      EffectError: one line that names the flag or the file.
    """
    moving = next((name for name in MOVING if getattr(options, name) is not None), "")
    if options.raw and not moving:
        raise EffectError(
            "--raw: goes with --curve, --lfo or --follow; --control is raw by itself"
        )
    if not moving:
        calibrated = options.control is None
        return (options.amount if calibrated else options.control), calibrated
    try:
        found = _MAKERS[moving](getattr(options, moving))
    except EffectError as error:
        raise EffectError(f"--{moving}: {error}") from None
    return found, not options.raw


def read_curve(path: str | os.PathLike):
    """Read a `controls.Curve` from lines `seconds,value`, with or without a heading.

    Raises:
      EffectError: one line that names the file and the line in it.
    """
    from cak_jax.controls import Curve

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
        pair = _numbers(row)
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


def _numbers(cells: list[str]) -> tuple[float, ...] | None:
    try:
        return tuple(float(cell) for cell in cells)
    except ValueError:
        return None


def _oscillator(text: str):
    from cak_jax.controls import Oscillator

    wave, *rest = text.split(":")
    values = _numbers(rest)
    if values is None or len(values) not in (1, 3, 4):
        raise EffectError(f"{text!r} is not WAVE:HERTZ[:LOW:HIGH[:PHASE]]")
    return Oscillator(wave, *values)


def _follower(text: str):
    from cak_jax.controls import Follower

    values = _numbers(text.split(":"))
    if values is None or len(values) not in (2, 4):
        raise EffectError(f"{text!r} is not LOW:HIGH[:ATTACK:RELEASE]")
    return Follower(*values)


_MAKERS = {"curve": read_curve, "lfo": _oscillator, "follow": _follower}


def knob_name(options: argparse.Namespace) -> str:
    """Return how the knob stands, for file names: `c080`, `a080`, `curve`, `lfo`."""
    for name in MOVING:
        if getattr(options, name) is not None:
            return name
    letter, value = (
        ("a", options.amount) if options.control is None else ("c", options.control)
    )
    return f"{letter}{round(value * 100):03d}" if math.isfinite(value) else letter


def weights(text: str) -> list[float]:
    """Return the numbers of `0.7,0.3`."""
    values = _numbers(text.split(","))
    if values is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers as 0.7,0.3")
    return list(values)


def add_effect(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name the effect, or several to morph."""
    parser.add_argument(
        "--effect",
        required=True,
        action="append",
        metavar="EFFECT",
        help="an effect.json, a run folder, a name that `cak effects` lists, or a text "
        "code; several times: the effect between them (--weights)",
    )
    parser.add_argument(
        "--weights",
        type=weights,
        metavar="W,W...",
        help="how much of each --effect, as in 0.7,0.3; default: the same",
    )


def load(options: argparse.Namespace):
    """Return the effect of a command line.

    Raises:
      EffectError: one line that names the flag or the file.
    """
    from cak_jax.effect import load_effect
    from cak_jax.morph import morph

    effects = [load_effect(name) for name in options.effect]
    if len(effects) == 1:
        if options.weights is not None:
            raise EffectError("--weights: is for several --effect")
        return effects[0]
    shares = options.weights or list(itertools.repeat(1.0, len(effects)))
    try:
        return morph(effects, shares)
    except EffectError as error:
        raise EffectError(f"--weights: {error}") from None
