"""The flags of `benchmark_render.py`, and what cannot be measured."""

import argparse
import importlib.util
import math
import os
import shutil
import sys

from render_sides import RATE

from cak_jax.effect import locate
from cak_jax.rendering.knob import Knob

PARTS = ("render", "steps", "files", "cold", "linear", "memory")
NEED_PUBLISHED = {"render", "cold"}
LONG_MINUTES = 180.0
SHORTEST = 0.1
# What FLAC holds.
MOST_CHANNELS = 8
SAMPLE_BYTES = 3
LARGEST_WAV = 2**32 - 2**16


def refuse(fault: str) -> None:
    """End with a line about the command line, as `apply` does."""
    print(f"error: {fault}", file=sys.stderr)
    sys.exit(2)


def number(text: str) -> float:
    """Read a number above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def whole(text: str) -> int:
    """Read a whole number above 0."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def listed(read):
    """Return a reader of several values with commas between them."""

    def numbers(text: str) -> list:
        return list(dict.fromkeys(read(one) for one in text.split(",")))

    return numbers


def make_parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--parts", default=",".join(PARTS), help="of %(default)s")
    add("--effect", default="published", help="a file or a name")
    add("--control", type=number, default=1.0, help="the raw knob, above 0")
    add("--rounds", type=whole, default=5, help="turns that count")
    add("--seconds", type=number, default=120.0, help="of render, steps and files")
    add("--channels", type=whole, default=2, help="of all but linear")
    add("--cold-seconds", type=number, default=10.0)
    add("--lengths", type=listed(number), default="30,60,120,240", help="linear: s")
    add("--widths", type=listed(whole), default="1,2,4", help="linear: channels")
    add("--minutes", type=listed(number), default="1,10,60", help="of memory")
    add("--long", action="store_true", help=f"memory: {LONG_MINUTES:g} minutes, too")
    add("--folder", default=None, help="for sounds, removed at the end")
    add("--without-published", dest="published", action="store_false",
        help="ours only: needs no PyTorch")  # fmt: skip
    return parser


def read(arguments: list[str] | None, description: str) -> argparse.Namespace:
    """Return the flags' values, or exit with one line about what cannot be measured."""
    options = make_parser(description).parse_args(arguments)
    options.parts = list(dict.fromkeys(options.parts.split(",")))
    if options.long and LONG_MINUTES not in options.minutes:
        options.minutes.append(LONG_MINUTES)
    options.published &= bool(NEED_PUBLISHED & set(options.parts))
    check_words(options)
    check_sounds(options)
    for name in ("torch", "librosa") if options.published else ():
        if importlib.util.find_spec(name) is None:
            refuse(
                f'{name} is not installed: pip install -e ".[benchmark]", or add '
                "--without-published"
            )
    return options


def check_words(options) -> None:
    """Refuse a part, an effect, a control or a folder that does not exist."""
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        refuse(f"--parts: {unknown[0]!r} is none of {', '.join(PARTS)}")
    try:
        Knob(options.control, "control")
    except ValueError as error:
        refuse(f"--control: {error}")
    try:
        rate = locate.read(options.effect)["spectrogram"]["sample_rate"]
    except ValueError as error:
        refuse(f"--effect: {error}")
    if rate != RATE:
        refuse(f"--effect={options.effect}: is for {rate} Hz; take one for {RATE} Hz")
    if options.folder is not None and not os.path.isdir(options.folder):
        refuse(f"--folder={options.folder}: there is no such folder")


def check_sounds(options) -> None:
    """Refuse sounds that are nothing, or too much for a format."""
    minutes = [60 * value for value in options.minutes]
    lengths = [options.seconds, options.cold_seconds, *options.lengths, *minutes]
    if min(lengths) < SHORTEST:
        refuse(f"{min(lengths):g} s are too short to measure: {SHORTEST:g} s or more")
    if options.channels > MOST_CHANNELS:
        refuse(f"--channels={options.channels}: FLAC holds {MOST_CHANNELS} at most")
    if largest_file(options) > LARGEST_WAV:
        refuse(
            f"{largest_file(options) / 1e9:.1f} GB are more than the 4.3 that a WAV "
            "file holds: fewer --minutes, --seconds or --channels"
        )


def largest_file(options) -> int:
    """Return the bytes of the longest sound that will be written."""
    seconds = 0.0
    if "memory" in options.parts:
        seconds = 60 * max(options.minutes)
    if "files" in options.parts:
        seconds = max(seconds, options.seconds)
    return round(seconds * RATE) * options.channels * SAMPLE_BYTES


def check_room(options, folder) -> None:
    """Refuse sounds that the disk cannot hold twice, before and after."""
    needed, free = 2 * largest_file(options), shutil.disk_usage(folder).free
    if needed > free:
        refuse(
            f"the sounds need {needed / 1e9:.1f} GB, the disk of their folder has "
            f"{free / 1e9:.1f}: name another --folder"
        )
