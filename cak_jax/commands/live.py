"""Hear an effect while it plays: a sound file or a live input, with the knob on keys.

    cak live --effect=glass --amount=0.5 YOUR.wav
    cak live --effect=glass --amount=0.5
    cak live --list-devices

While it plays, up and + turn the knob up by 0.05, down and - down, 0 to 9 set it to
tenths, b switches to the dry sound and back, q ends. The line below shows the knob, the
share of the time that rendering takes (the most in brackets), blocks that came too
late, the peak, and the latency, to which the device adds its own. The output stays
below -1 dBFS: "limited" counts the blocks that were turned down for that.

Exit codes: 0 done, 1 it ended before its end (a damaged file, a device that is gone),
2 unusable arguments or no device.
"""

import argparse
import contextlib

from cak_jax.apps.live import sound_card
from cak_jax.commands import live_flags, render_flags
from cak_jax.commands.apply import remark
from cak_jax.commands.parser import new_parser
from cak_jax.effect import locate
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.settings import RenderSettings
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_UNUSABLE,
)
from cak_jax.runtime.text import printable


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak live`."""
    parser = new_parser("live", __doc__)
    live_flags.add(parser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = make_parser().parse_args(arguments)
    try:
        settings = live_flags.check(options)
        route, card = find_route(options)
        return play(options, settings, card, route)
    except (ValueError, OSError) as error:  # EffectError, AudioError, DeviceError
        return complain(error, EXIT_UNUSABLE)
    except KeyboardInterrupt:
        return complain("stopped", EXIT_INTERRUPTED)


def find_route(options):
    """Return from where to where sound goes, and the module that knows devices.

    Raises:
      EffectError, AudioError, DeviceError: what is named cannot be used.
    """
    from cak_jax.audio import sound_file

    rates = [locate.read(e)["spectrogram"]["sample_rate"] for e in options.effect]
    header = sound_file.info(options.input) if options.input is not None else None
    card = sound_card.load()
    if header is not None:
        return sound_card.route_file(card, header, options.device), card
    devices = options.device, options.input_device
    return sound_card.route_input(card, rates[0], *devices), card


def play(options, settings: RenderSettings, card, route) -> int:
    """Play to the end, or until a key ends it; return the exit code."""
    from cak_jax.apps.live.player import Player
    from cak_jax.apps.live.session import Session, undisturbed
    from cak_jax.rendering.stream import Stream

    kind, value = live_flags.knob(options)
    with contextlib.ExitStack() as closing:
        reader = None
        if options.input is not None:
            reader = start_reader(options, route.sample_rate)
            closing.callback(reader.close)
        effect, notes = render_flags.load(options)
        for line in notes:
            remark(line)
        stream = Stream(
            effect,
            route.sample_rate,
            route.channels,
            options.block_size,
            **{kind: value},
            match_seconds=options.match,
            settings=settings,
        )
        player = Player(stream, reader and reader.take)
        session = Session(stream, player, kind, value)
        closing.enter_context(undisturbed())
        return perform(effect, session, card, route, reader)


def start_reader(options, sample_rate: int):
    """Return what reads the file ahead.

    Raises:
      AudioError, EffectError: the file is damaged from its beginning, or empty.
    """
    from cak_jax.apps.live.block_reader import BlockReader

    reader = BlockReader(options.input, options.block_size, options.loop)
    reader.start(sample_rate)
    if not reader.empty:
        return reader
    raise reader.error or EffectError(
        f"{printable(options.input)}: holds no sound; choose another file"
    )


def perform(effect, session, card, route, reader) -> int:
    """Run the device and serve the keys; return the exit code."""
    from cak_jax.apps.live.session import KEYS, Keyboard, watch

    player, size = session.player, session.stream.block_size
    with sound_card.opened(card, route, player, size) as device, Keyboard() as keyboard:
        say(introduction(effect, session, route, device))
        if keyboard.listens:
            say(KEYS)
        try:
            watch(session, device, keyboard)
        except (sound_card.DeviceError, card.PortAudioError) as error:
            player.error = player.error or error
    say(session.summary())
    error = player.error or (reader and reader.error)
    if error is None:
        return EXIT_DONE
    return complain(str(error) or type(error).__name__, EXIT_FAILED)


def introduction(effect, session, route, device) -> str:
    """Return what plays where, and how late."""
    latency, rate = session.player.latency, route.sample_rate
    own = sound_card.latency(device)
    return (
        f"{printable(effect.name)} on {printable(route.output_name)}: {rate} Hz, "
        f"channels {route.channels}, latency {latency} samples "
        f"({1000 * latency / rate:.1f} ms) and {1000 * own:.1f} ms of the device"
    )
