"""Flags of `apply` on its outputs: format, depth, names, what to do with old ones."""

import argparse

from cak_jax.audio.formats import DEPTHS, FORMATS
from cak_jax.runtime.errors import InputError


def check(options: argparse.Namespace) -> None:
    """Refuse flags that contradict each other."""
    if options.skip_existing and options.overwrite:
        raise InputError("--skip-existing and --overwrite: give one of them")
    if options.name is not None and options.keep_names:
        raise InputError("--name and --keep-names: give one of them")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags to a parser."""
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        help="of the outputs; default: the input's, WAV for a lossy one",
    )
    parser.add_argument(
        "--depth",
        choices=tuple(DEPTHS),
        help="bits of a sample; default: the input's; a lossy input becomes 24 bits, "
        "and float where it goes above full scale",
    )
    parser.add_argument(
        "--name",
        metavar="PATTERN",
        help="names of the outputs, such as '{stem} {effect} {amount}' or "
        "'{number} {stem}'; default: {stem}__{effect}_{amount}",
    )
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave outputs that exist as they are, and do the rest",
    )
