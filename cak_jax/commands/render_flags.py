"""The flags of every command that renders: the effect, its knob, its shape.

Nothing here loads JAX: `--help` and a wrong flag answer at once.
"""

import argparse
import csv
import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, Self

from cak_jax.effect.effect import Effect, load_effect
from cak_jax.effect.morph import morph
from cak_jax.effect.schema import EffectError
from cak_jax.model.spectrogram_settings import LIMIT_FLOOR_DB, SpectrogramSettings
from cak_jax.rendering.knob import Aim, Curve, Follower, Knob, Oscillator
from cak_jax.rendering.settings import (
    CHANNELS,
    FLIPS,
    KNOB,
    LIMITS,
    LOUDNESS,
    PEAKS,
    RenderSettings,
)
from cak_jax.runtime.text import parse_number, printable

EFFECT = "an effect.json, a run folder, a shipped name or a text code"
MAX_CURVE_BYTES = 16 << 20


def add_effect(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name the effect, or several.

    A command without any answers with `effects.choose`.
    """
    parser.add_argument(
        "--effect",
        action="append",
        metavar="EFFECT",
        help=f"{EFFECT}; several times for one between them",
    )
    parser.add_argument(
        "--weights", help="of several effects, such as 0.7,0.3; default: all the same"
    )


def add_knob(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Add the flags of a constant knob; return their group.

    `parse_knob` refuses a command without any.
    """
    knob = parser.add_mutually_exclusive_group()
    knob.add_argument("--control", type=float, help="the raw knob, 0 (identity) to 10")
    knob.add_argument(
        "--amount",
        type=float,
        help="the even knob, 0 (nothing) to 1 (full turn): equal turns, equal change; "
        "0.5, 0,5 and 50%% are the same",
    )
    return knob


def add_aim(knob: argparse._MutuallyExclusiveGroup) -> None:
    """Add the flag of an aim to the group of `add_knob`."""
    knob.add_argument(
        "--aim",
        type=float,
        metavar="SHARE",
        help="instead of a knob: how far the quality that the effect names shall move "
        "in each sound, 0 to 2 times its range; the amount is searched",
    )


def add_moving(
    parser: argparse.ArgumentParser, knob: argparse._MutuallyExclusiveGroup
) -> None:
    """Add the flags of a moving knob to the group of `add_knob`."""
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
        help="between the input, 0, and the rendered sound, 1: 0.5 is half of each "
        "frequency's change in dB",
    )
    parser.add_argument(
        "--size",
        default="1",
        metavar="N|TIMExFREQUENCY",
        help="factor on the frames and bins between the kernel's cells, 1 to 16, as in "
        "2 or 1x4",
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
    parser.add_argument(
        "--limit",
        default="dry",
        choices=LIMITS,
        help="dry holds what the effect adds below the sound of the last 2 ms, so that "
        "nothing sounds before a stroke; none does not; default: dry",
    )
    parser.add_argument(
        "--floor",
        type=float,
        default=LIMIT_FLOOR_DB,
        metavar="DBFS",
        help="level of the sound below which the effect fades out, so that noise in "
        f"pauses is left alone; -200 to 0; default: {LIMIT_FLOOR_DB:g}",
    )


def add_loudness(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says how the loudness is matched."""
    parser.add_argument(
        "--loudness",
        default="lufs",
        choices=LOUDNESS,
        help="match the input's loudness as it is heard (ITU-R BS.1770), by RMS, or do "
        "not",
    )


def add_peaks(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says what becomes of peaks."""
    parser.add_argument(
        "--peaks",
        default="ceiling",
        choices=PEAKS,
        help="hold peaks below -1 dBFS for moments, turn the whole sound down where it "
        "would clip, or leave them",
    )


@dataclasses.dataclass(frozen=True)
class RenderRequest:
    """The flags of a command that renders, parsed: one weight for each effect."""

    effects: tuple[str, ...]
    weights: tuple[float, ...]
    knob: Knob | Aim
    settings: RenderSettings

    @classmethod
    def parse(cls, options: argparse.Namespace, **others: str) -> Self:
        """Parse the flags; `others` are fields of `RenderSettings` without a flag."""
        return cls(
            knob=parse_knob(options),
            settings=parse_settings(options, **others),
            weights=parse_weights(options.weights, len(options.effect)),
            effects=tuple(options.effect),
        )

    def load(self) -> tuple[Effect, list[str]]:
        """Return the effect, or the one between several, and notes for the user.

        Raises:
          EffectError: an effect cannot be read, mixed, or rendered with the settings.
        """
        effects = [load_effect(name) for name in self.effects]
        effect, notes = effects[0], beyond_full_turn(self.knob)
        if len(effects) > 1:
            effect = morph(effects, self.weights)
            notes = [*differing(effects), *notes]
        self.settings.apart(effect.spacing)  # refuses what cannot be rendered
        return effect, notes


def parse_knob(options: argparse.Namespace) -> Knob | Aim:
    """Return the knob or the aim that the flags set."""
    flags = vars(options)
    names = ("control", "amount", "aim", *MOVING)
    name = next((name for name in names if flags.get(name) is not None), None)
    if name is None:
        raise EffectError(
            "--amount: missing; give --amount=0.5 for half a turn, 1 for full turn, or "
            "the raw --control"
        )
    if name in MOVING:
        try:
            value = MOVING[name](flags[name])
        except EffectError as error:
            raise EffectError(f"--{name}: {error}") from None
        return Knob(value, "control" if options.raw else "amount")
    if flags.get("raw"):
        raise EffectError(
            "--raw: goes with --curve, --lfo or --follow; --control is raw by itself"
        )
    try:
        if name == "aim":
            return Aim(flags[name])
        return Knob(flags[name], "amount" if name == "amount" else "control")
    except EffectError as error:
        value, hint = flags[name], ""
        if name == "amount" and KNOB[1] < value <= 100:
            hint = f"; 1 is full turn, {value:g} % is --amount={value / 100:g}"
        raise EffectError(f"--{error}{hint}") from None


def beyond_full_turn(knob: Knob | Aim) -> list[str]:
    """Return a note on an amount above 1, which is more than was trained for."""
    match knob:
        case Knob(value=float(value), unit="amount") if value > 1:
            return [
                f"--amount={value:g} is more than full turn, which is 1: training and "
                "measurements end there; beyond it the effect grows on in the same way"
            ]
    return []


def parse_settings(options: argparse.Namespace, **others: str) -> RenderSettings:
    """Return the settings that the flags of `add_shape` and `others` set."""
    flags = vars(options)
    names = ("channels", "mix", "loudness", "limit", "floor", "flip", "tilt")
    fields: dict[str, Any] = {name: flags[name] for name in names} | others
    size = parse_size(options.size)
    try:
        return RenderSettings(size=size, **fields)
    except EffectError as error:
        raise EffectError(f"--{error}") from None


def read_curve(path: str) -> Curve:
    """Read a `knob.Curve` from lines `seconds,value`, with or without a heading."""
    place, name = pathlib.Path(path), printable(path)
    if not place.is_file():
        raise EffectError(f"{name}: there is no such file")
    if place.stat().st_size > MAX_CURVE_BYTES:
        raise EffectError(f"{name}: is larger than {MAX_CURVE_BYTES >> 20} MB")
    try:
        text = place.read_text("utf-8-sig")
        # Spreadsheets where the comma is decimal write semicolons between cells.
        separator = ";" if ";" in text else ","
        rows = list(csv.reader(text.splitlines(), delimiter=separator))
    except (UnicodeDecodeError, csv.Error):
        raise EffectError(f"{name}: is no CSV file in UTF-8") from None
    points: list[tuple[float, ...]] = []
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
        return Curve(*zip(*points, strict=True))
    except EffectError as error:
        raise EffectError(f"{name}: {error}") from None


def numbers(cells: list[str]) -> tuple[float, ...] | None:
    """Return texts as numbers; None if one of them is no number."""
    try:
        return tuple(parse_number(cell) for cell in cells)
    except ValueError:
        return None


def oscillator(text: str) -> Oscillator:
    """Return the `knob.Oscillator` of `WAVE:HERTZ[:LOW:HIGH[:PHASE]]`."""
    wave, *rest = text.split(":")
    values = numbers(rest)
    if values is None or len(values) not in (1, 3, 4):
        raise EffectError(f"{text!r} is not WAVE:HERTZ[:LOW:HIGH[:PHASE]]")
    return Oscillator(wave, *values)


def follower(text: str) -> Follower:
    """Return the `knob.Follower` of `LOW:HIGH[:ATTACK:RELEASE]`."""
    values = numbers(text.split(":"))
    if values is None or len(values) not in (2, 4):
        raise EffectError(f"{text!r} is not LOW:HIGH[:ATTACK:RELEASE]")
    return Follower(*values)


# The flags of a knob that moves, and their readers.
MOVING: dict[str, Callable[[str], Curve | Oscillator | Follower]] = {
    "curve": read_curve,
    "lfo": oscillator,
    "follow": follower,
}


def parse_size(text: str) -> tuple[int, int]:
    """Return `(time, frequency)` of `2` or `2x3`; raise `EffectError` for others."""
    try:
        parts = [int(part) for part in text.lower().split("x")]
    except ValueError:
        parts = []
    if len(parts) not in (1, 2):
        raise EffectError(
            f"--size={printable(text)}: must be one whole number, or two as in 2x3"
        )
    return parts[0], parts[-1]


def parse_weights(text: str | None, count: int) -> tuple[float, ...]:
    """Return the numbers of `--weights`, or equal weights if the flag is left out.

    Raises:
      EffectError: the text is no list of numbers, or there is only one effect.
    """
    if text is None:
        return (1.0,) * count
    if count == 1:
        raise EffectError("--weights: there is one effect; give --effect several times")
    parsed = numbers(text.split(","))
    if parsed is None:
        raise EffectError(
            f"--weights={printable(text)}: must be numbers with commas between them: "
            "0.7,0.3"
        )
    return parsed


def differing(effects: Sequence[Effect]) -> list[str]:
    """Return a line for each effect whose spectrogram is not the first one's."""
    first = effects[0]
    return [
        f"{printable(effect.name)} was made for {described(effect.spectrogram)}; taken "
        f"are the settings of {printable(first.name)}: {described(first.spectrogram)}"
        for effect in effects[1:]
        if effect.spectrogram != first.spectrogram
    ]


def described(spectrogram: SpectrogramSettings) -> str:
    """Return the settings of a spectrogram in words."""
    return (
        f"{spectrogram.n_fft} samples a frame, hop {spectrogram.hop_length}, "
        f"{spectrogram.sample_rate} Hz"
    )
