"""The flags of a performance, and what they may be."""

import argparse

from cak_jax.apps.live import sound_card
from cak_jax.commands import render_flags
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.settings import (
    MAX_CONTROL,
    RenderSettings,
    check_number,
)
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import EXIT_DONE, EXIT_UNUSABLE

SMALLEST_BLOCK, LARGEST_BLOCK = 16, 16384
LONGEST_MATCH = 600.0


class _ListDevices(argparse.Action):
    """Answer at once, as --help does, whatever else is asked for."""

    def __call__(self, parser, *given):
        """List the devices and leave."""
        try:
            lines = sound_card.devices(sound_card.load())
        except sound_card.DeviceError as error:
            parser.exit(complain(error, EXIT_UNUSABLE))
        for line in lines:
            say(line)
        parser.exit(EXIT_DONE)


def add(parser: argparse.ArgumentParser) -> None:
    """Add them to a command line."""
    parser.add_argument(
        "input", nargs="?", metavar="FILE", help="a sound file; default: a live input"
    )
    render_flags.add_effect(parser)
    render_flags.add_knob(parser)
    render_flags.add_shape(parser)
    _add_sound(parser)
    _add_devices(parser)


def _add_sound(parser) -> None:
    parser.add_argument(
        "--match",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="time constant of a gain that gives the output the input's loudness; 0 "
        "for none: strong effects get loud; default: 1",
    )
    parser.add_argument(
        "--loop", action="store_true", help="begin again at the end of FILE"
    )


def _add_devices(parser) -> None:
    parser.add_argument(
        "--device", help="output: a number or a part of the name of --list-devices"
    )
    parser.add_argument("--input-device", help="the same for the input, without FILE")
    parser.add_argument(
        "--block-size",
        type=int,
        default=512,
        metavar="SAMPLES",
        help=f"{SMALLEST_BLOCK} to {LARGEST_BLOCK}: smaller is quicker and costs more; "
        "default: 512",
    )
    parser.add_argument(
        "--list-devices", action=_ListDevices, nargs=0, help="list devices and leave"
    )


def check(options) -> RenderSettings:
    """Return how to render.

    Raises:
      EffectError: naming the flag that is out of range, or does not go with another.
    """
    kind, value = knob(options)
    check_number(f"--{kind}", value, 0.0, MAX_CONTROL)
    check_number("--block-size", options.block_size, SMALLEST_BLOCK, LARGEST_BLOCK)
    check_number("--match", options.match, 0.0, LONGEST_MATCH)
    check_number("--mix", options.mix, 0.0, 1.0)
    check_number("--tilt", options.tilt, -1.0, 1.0)
    render_flags.parse_weights(options.weights, len(options.effect))
    if options.input is None and options.loop:
        raise EffectError("--loop: there is no FILE to begin again")
    if options.input is not None and options.input_device is not None:
        raise EffectError("--input-device: the sound is FILE; leave one of them out")
    return RenderSettings(loudness="none", **render_flags.shape(options))


def knob(options) -> tuple[str, float]:
    """Return which knob was given, "amount" or "control", and how it stands."""
    if options.amount is not None:
        return "amount", options.amount
    return "control", options.control
