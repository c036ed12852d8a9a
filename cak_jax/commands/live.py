"""Hear an effect while it plays: a sound file or a live input, with the knob on keys.

    cak live --effect=bright --amount=0.5 YOUR.wav
    cak live --effect=bright --amount=0.5
    cak live --list-devices

While it plays, up and + turn the knob up by 0.05, down and - turn it down, 0 to 9 set
it to tenths, b switches to the dry sound and back, q ends. The status line shows the
knob, the share of the time that rendering takes (the largest in brackets), blocks that
came too late, the peak, and the latency, to which the device adds its own. The output
stays below -1 dBFS: "limited" counts the blocks that were turned down for that.

Exit codes: 0 done, 1 the sound broke off (a damaged file, a device that is gone), 2
unusable arguments or no device.
"""

import argparse
import contextlib
from types import ModuleType
from typing import Any

from cak_jax.apps.live import sound_card
from cak_jax.commands import effects, render_flags
from cak_jax.commands.cli import new_parser, remark, run_command
from cak_jax.effect import locate
from cak_jax.effect.effect import describe
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.knob import Knob
from cak_jax.rendering.settings import MATCH_SECONDS, check_number
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import EXIT_DONE, EXIT_FAILED, EXIT_UNUSABLE
from cak_jax.runtime.text import printable

# Samples.
BLOCK_SIZES = (16, 16384)


class _ListDevices(argparse.Action):
    """List the devices and leave at once, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any) -> None:
        """Print the list; exit."""
        try:
            lines = sound_card.devices(sound_card.load())
        except sound_card.DeviceError as error:
            parser.exit(complain(error, EXIT_UNUSABLE))
        for line in lines:
            say(line)
        parser.exit(EXIT_DONE)


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak live`."""
    parser = new_parser("live", __doc__)
    parser.usage = "cak live --effect=EFFECT --amount=NUMBER [FLAGS] [FILE]"
    parser.add_argument(
        "input", nargs="?", metavar="FILE", help="a sound file; default: a live input"
    )
    render_flags.add_effect(parser)
    # Known, so that its refusal says why.
    render_flags.add_knob(parser).add_argument("--aim", help=argparse.SUPPRESS)
    render_flags.add_shape(parser)
    render_flags.add_loudness(parser)
    parser.add_argument(
        "--match",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="time constant of the gain that gives the output the input's loudness; 0 "
        "for none: strong effects get loud; default: 1",
    )
    parser.add_argument(
        "--loop", action="store_true", help="begin again at the end of FILE"
    )
    parser.add_argument(
        "--device", help="output: a number or a part of the name of --list-devices"
    )
    parser.add_argument("--input-device", help="the same for the input, without FILE")
    parser.add_argument(
        "--block-size",
        type=int,
        default=512,
        metavar="SAMPLES",
        help=f"{BLOCK_SIZES[0]} to {BLOCK_SIZES[1]}: smaller is quicker and costs "
        "more; default: 512",
    )
    parser.add_argument(
        "--list-devices", action=_ListDevices, nargs=0, help="list devices and leave"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return run_command(make_parser(), arguments, run)


def run(options: argparse.Namespace) -> int:
    """Check the flags, find the devices and play; return the exit code."""
    if not options.effect:
        return effects.choose("live", [options.input] if options.input else [])
    if options.aim is not None:
        raise EffectError(
            "--aim: a sound must be measured before it plays; find its amount with cak "
            "apply --aim, and give --amount here"
        )
    rendering = render_flags.RenderRequest.parse(options, peaks="none")
    check_number("--block-size", options.block_size, *BLOCK_SIZES)
    check_number("--match", options.match, *MATCH_SECONDS)
    if options.input is None and options.loop:
        raise EffectError("--loop: there is no FILE to begin again")
    if options.input is not None and options.input_device is not None:
        raise EffectError("--input-device: the sound is FILE; leave one of them out")
    # Imported here, because a wrong flag must answer at once.
    from cak_jax.audio import sound_file

    documents = [locate.read(name) for name in options.effect]
    header = sound_file.info(options.input) if options.input is not None else None
    for note in header.notes if header is not None else ():
        remark(f"{printable(options.input)} {note}")
    card = sound_card.load()
    if header is not None:
        route = sound_card.route_file(card, header, options.device)
    else:
        rate = documents[0]["spectrogram"]["sample_rate"]
        devices = options.device, options.input_device
        route = sound_card.route_input(card, rate, *devices)
    return play(options, rendering, card, route, header.notes if header else ())


def play(
    options: argparse.Namespace,
    rendering: render_flags.RenderRequest,
    card: ModuleType,
    route: sound_card.Route,
    told: tuple[str, ...] = (),
) -> int:
    """Play to the end, or until a key ends it; return the exit code.

    At the end, what is odd about the file is said, except for what was `told`.
    """
    from cak_jax.apps.live.block_reader import BlockReader
    from cak_jax.apps.live.player import Player
    from cak_jax.apps.live.session import KEYS, Keyboard, Session, undisturbed, watch
    from cak_jax.rendering.stream import Stream

    with contextlib.ExitStack() as closing:
        reader = None
        if options.input is not None:
            reader = BlockReader(options.input, options.block_size, options.loop)
            closing.callback(reader.close)
            reader.start(route.sample_rate)
            if reader.empty:
                raise reader.error or EffectError(
                    f"{printable(options.input)}: holds no sound; choose another file"
                )
        effect, notes = rendering.load()
        for line in notes:
            remark(line)
        assert isinstance(rendering.knob, Knob)  # aims are refused
        stream = Stream(
            effect,
            route.sample_rate,
            route.channels,
            options.block_size,
            **rendering.knob.arguments,
            match_seconds=options.match,
            settings=rendering.settings,
        )
        player = Player(stream, None if reader is None else reader.take)
        session = Session(stream, player)
        closing.enter_context(undisturbed())
        opened = sound_card.opened(card, route, player, options.block_size)
        device = closing.enter_context(opened)
        keyboard = closing.enter_context(Keyboard())
        latency, added = player.latency, 1000 * sound_card.latency(device)
        say(
            f"{printable(effect.name)} on {printable(route.output_name)}: "
            f"{route.sample_rate} Hz, channels {route.channels}, latency {latency} "
            f"samples ({1000 * latency / route.sample_rate:.1f} ms) and {added:.1f} ms "
            "of the device"
        )
        for line in describe(effect):
            say(printable(line))
        if keyboard.listens:
            say(KEYS)
        try:
            watch(session, device, keyboard)
        except (sound_card.DeviceError, card.PortAudioError) as error:
            player.error = player.error or error
    say(session.summary())
    for note in () if reader is None else reader.notes:
        if note not in told:
            remark(f"{printable(options.input)} {note}")
    fault = player.error or (None if reader is None else reader.error)
    if fault is None:
        return EXIT_DONE
    return complain(str(fault) or type(fault).__name__, EXIT_FAILED)
