"""A performance: keys turn the knob and one line of the terminal shows how it goes."""

import contextlib
import dataclasses
import gc
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Self, cast

try:
    import termios
    import tty
except ImportError:  # Windows
    HAS_TERMINALS = False
else:
    HAS_TERMINALS = True

from cak_jax.apps.live.player import Player
from cak_jax.apps.live.sound_card import DeviceError
from cak_jax.rendering.loudness import level_in_words
from cak_jax.rendering.settings import KNOB
from cak_jax.rendering.stream import Stream

STEP = 0.05
TURNS = {"up": STEP, "+": STEP, "=": STEP, "down": -STEP, "-": -STEP, "_": -STEP}
KEYS = "keys: up + and down - turn the knob, 0 to 9 set it, b bypasses, q quits"
LOOK_SECONDS = 0.1
# A device that asks for no sound during 5 s and four blocks is taken for gone.
PATIENCE_SECONDS = 5.0
# Python's threads take turns of 0.5 ms instead of 5 ms, because 5 ms are half a block.
TURN_SECONDS = 0.0005
ARROWS = {b"A": "up", b"B": "down", b"C": "right", b"D": "left"}
INTRODUCTIONS = (b"\x1b[", b"\x1bO")


class Session:
    """A player, its knob and its switches, as keys change them."""

    def __init__(self, stream: Stream, player: Player):
        """Start with the knob of the stream that the player plays through."""
        self.stream, self.player = stream, player
        self.knob = stream.knob  # its value is a number
        # The peak that was shown last, and the number of blocks by then.
        self._peak, self._blocks = 0.0, 0

    def press(self, key: str) -> None:
        """Do what a key stands for; other keys do nothing."""
        if key in TURNS:
            self._turn(cast(float, self.knob.value) + TURNS[key])
        elif key in "0123456789":
            self._turn(int(key) / 10)
        elif key in "bB":
            self.player.bypass = not self.player.bypass
        elif key in "qQ":
            self.player.leaving = True

    def _turn(self, value: float) -> None:
        value = round(min(KNOB[1], max(KNOB[0], value)), 6)
        self.knob = dataclasses.replace(self.knob, value=value)
        self.stream.set_knob(**self.knob.arguments)

    def line(self) -> str:
        """Return the status line, with the peak since the last call."""
        player = self.player
        if player.blocks != self._blocks:
            self._peak, self._blocks = player.take_peak(), player.blocks
        milliseconds = 1000 * player.latency / self.stream.sample_rate
        parts = (
            f"knob {self.knob.value:.2f}{' dry' if player.bypass else ''}",
            f"load {player.load:.0%} ({player.worst:.0%})",
            f"underruns {player.underruns}",
            f"peak {level_in_words(self._peak)}",
            *self._incidents(),
            # The latency is last, because it never changes and a narrow terminal cuts
            # the end off.
            f"latency {player.latency} ({milliseconds:.1f} ms)",
        )
        return "  ".join(parts)

    def summary(self) -> str:
        """Return the line that is printed at the end."""
        player, stream = self.player, self.stream
        seconds = player.blocks * stream.block_size / stream.sample_rate
        parts = (
            f"played {seconds:.1f} s",
            f"load {player.load:.0%} (at most {player.worst:.0%})",
            f"underruns {player.underruns}",
            *self._incidents(),
        )
        return "  ".join(parts)

    def _incidents(self) -> list[str]:
        counts = {"limited": self.player.limited, "bad samples": self.player.repaired}
        return [f"{name} {count}" for name, count in counts.items() if count]


class Keyboard:
    """Keys of the terminal, read without echo while the `with` block runs.

    There are no keys where standard input is no terminal, or where this process does
    not run in the terminal's foreground.
    """

    def __enter__(self) -> Self:
        self._before: list[Any] | None = None
        self._rest = b""
        if HAS_TERMINALS and _is_ours(sys.stdin):
            self._file = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._file)
            # SIGTERM must reach `__exit__`, which restores the terminal.
            self._handler = signal.signal(
                signal.SIGTERM, lambda number, frame: sys.exit(128 + number)
            )
            tty.setcbreak(self._file)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)
            signal.signal(signal.SIGTERM, self._handler)

    @property
    def listens(self) -> bool:
        """Whether keys can be read."""
        return self._before is not None

    def keys(self, seconds: float) -> list[str]:
        """Wait for at most `seconds` and return the pressed keys; see `split_keys`."""
        if not self.listens:
            time.sleep(seconds)
            return []
        if not select.select([self._file], [], [], seconds)[0]:
            # The escape key was pressed alone; it has no meaning.
            self._rest = b""
            return []
        try:
            data = os.read(self._file, 1024)
        except OSError:  # the terminal was closed
            data = b""
        if not data:
            self._before = None
        keys, self._rest = split_keys(self._rest + data)
        return keys


def split_keys(data: bytes) -> tuple[list[str], bytes]:
    """Return the keys that a terminal's bytes stand for, and the unfinished rest.

    Printable ASCII stands for itself and arrows for "up", "down", "left", "right". All
    other bytes are left out.

    >>> split_keys(b"q\\x1b[A\\x1b[")
    (['q', 'up'], b'\\x1b[')
    """
    keys: list[str] = []
    while data:
        if data[:2] in INTRODUCTIONS:
            # Parameters and intermediates, then one byte that ends the sequence.
            end = next((i for i in range(2, len(data)) if 64 <= data[i] < 127), None)
            if end is None:
                return keys, data[:32]
            if end == 2 and data[2:3] in ARROWS:
                keys.append(ARROWS[data[2:3]])
            data = data[end + 1 :]
        elif data == b"\x1b":
            return keys, data
        else:
            if 32 < data[0] < 127:
                keys.append(chr(data[0]))
            data = data[1:]
    return keys, b""


def _is_ours(stream: Any) -> bool:
    """Return whether a stream is the terminal that this process is in front of."""
    try:
        return stream.isatty() and os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # None, no terminal, closed
        return False


class StatusLine:
    """One line of a terminal that is written over again; nothing elsewhere."""

    _shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # The line stays as it stands.
        if self._shown:
            self._write("\n")

    def show(self, make_line: Callable[[], str]) -> None:
        """Show the line that `make_line` returns, cut to the terminal's width."""
        if sys.stdout is None or not sys.stdout.isatty():
            return
        width = shutil.get_terminal_size().columns - 1
        # Go to the first column; after the line erase the rest of the old one.
        self._write(f"\r{make_line()[:width]}\x1b[K")
        self._shown = True

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stdout.write(text)
            sys.stdout.flush()


def watch(session: Session, device: Any, keyboard: Keyboard) -> None:
    """Obey keys and show the status line until the device has played the last block.

    The device is a running stream of `sound_card.opened`; the keyboard is open.

    Raises:
      DeviceError: the device stopped, or asks for no sound any more.
    """
    player, stream = session.player, session.stream
    patience = PATIENCE_SECONDS + 4 * stream.block_size / stream.sample_rate
    blocks, since = player.blocks, time.monotonic()
    with StatusLine() as status:
        while device.active:
            for key in keyboard.keys(LOOK_SECONDS):
                session.press(key)
            status.show(session.line)
            if player.blocks != blocks:
                blocks, since = player.blocks, time.monotonic()
            elif time.monotonic() - since > patience:
                raise DeviceError("the sound device asks for no more sound")
    if not player.over:
        raise DeviceError("the sound device stopped; is it still connected?")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keep other threads and the garbage collector from delaying the sound."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    # The collector leaves frozen objects out. Visiting all of them would take longer
    # than a block.
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)
