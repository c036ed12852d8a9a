"""What commands that render have in common: the effect, its knob, its shape.

Without JAX until an effect is loaded.
"""

import argparse
import math
from typing import Any

from cak_jax.commands import knob_flags
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.settings import CHANNELS, FLIPS
from cak_jax.runtime.text import printable

EFFECT = "an effect.json, a run folder, a shipped name or a text code"
# Flags of a knob that moves; an output is called after them.
MOVING = {
    "curve": knob_flags.read_curve,
    "lfo": knob_flags.oscillator,
    "follow": knob_flags.follower,
}


def add_effect(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name the effect, or several."""
    parser.add_argument(
        "--effect",
        required=True,
        action="append",
        metavar="EFFECT",
        help=f"{EFFECT}; several times for one between them",
    )
    parser.add_argument(
        "--weights", help="of several effects, such as 0.7,0.3; default: all the same"
    )


def add_knob(parser: argparse.ArgumentParser):
    """Add the flags of a knob that stands; return their group, one of which is due."""
    knob = parser.add_mutually_exclusive_group(required=True)
    knob.add_argument("--control", type=float, help="the raw knob, 0 (identity) to 10")
    knob.add_argument(
        "--amount",
        type=float,
        help="the knob with the gate inverted, 0 to 1: equal turns, equal change",
    )
    return knob


def add_moving(parser: argparse.ArgumentParser, knob) -> None:
    """Add the flags of a knob that moves to the group of those that do not."""
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
        default="1",
        metavar="N|TIMExFREQUENCY",
        help="frames and bins between the kernel's cells, 1 to 16, as in 2 or 1x4",
    )
    parser.add_argument(
        "--channels",
        default="linked",
        choices=CHANNELS,
        help="one gain map for all channels (keeps the image), or one each",
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


def shape(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of `RenderSettings` that `add_shape` asks for."""
    names = ("mix", "flip", "tilt", "channels")
    given = {name: getattr(options, name) for name in names}
    return {**given, "size": parse_size(options.size)}


def parse_size(text: str) -> tuple[int, int]:
    """Return `(time, frequency)` of `2` or `2x3`.

    Raises:
      EffectError: something else.
    """
    try:
        parts = [int(part) for part in text.lower().split("x")]
    except ValueError:
        parts = []
    if len(parts) not in (1, 2):
        raise EffectError(
            f"--size={printable(text)}: must be one whole number, or two as in 2x3"
        )
    return parts[0], parts[-1]


def parse_weights(text: str | None, count: int) -> list[float]:
    """Return the numbers of `--weights`; all the same if it is not given.

    Raises:
      EffectError: something else than numbers with commas between them, or one effect.
    """
    if text is None:
        return [1.0] * count
    if count == 1:
        raise EffectError("--weights: there is one effect; give --effect several times")
    found = knob_flags.numbers(text.split(","))
    if found is None:
        raise EffectError(
            f"--weights={printable(text)}: must be numbers with commas between them: "
            "0.7,0.3"
        )
    return list(found)


def load(options: argparse.Namespace) -> tuple[Any, list[str]]:
    """Return the effect of a command line, and what is to be said about it.

    Raises:
      EffectError: one line that names the flag or the file.
    """
    from cak_jax.effect.effect import load_effect
    from cak_jax.effect.morph import morph

    weights = parse_weights(options.weights, len(options.effect))
    effects = [load_effect(name) for name in options.effect]
    if len(effects) == 1:
        return effects[0], []
    return morph(effects, weights), differing(effects)


def differing(effects) -> list[str]:
    """Return a line for each effect whose spectrogram is not the first one's."""
    first = effects[0]
    taken = described(vars(first.spectrogram))
    return [
        f"{printable(effect.name)} was made for {described(vars(own))}; taken are the "
        f"settings of {printable(first.name)}: {taken}"
        for effect in effects[1:]
        if (own := effect.spectrogram) != first.spectrogram
    ]


def described(spectrogram: dict[str, Any]) -> str:
    """Return the settings of a spectrogram in words."""
    return (
        f"{spectrogram['n_fft']} samples a frame, hop {spectrogram['hop_length']}, "
        f"{spectrogram['sample_rate']} Hz"
    )


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
        found = MOVING[moving](getattr(options, moving))
    except EffectError as error:
        raise EffectError(f"--{moving}: {error}") from None
    return found, not options.raw


def knob_name(options: argparse.Namespace) -> str:
    """Return how the knob stands, for file names: `c080`, `a080`, `curve`, `lfo`."""
    for name in MOVING:
        if getattr(options, name) is not None:
            return name
    calibrated = options.control is None
    value = options.amount if calibrated else options.control
    digits = f"{round(value * 100):03d}" if math.isfinite(value) else ""
    return ("a" if calibrated else "c") + digits
