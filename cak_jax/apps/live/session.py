"""A performance: keys turn the knob, one line says how it goes, until it is over."""

import contextlib
import gc
import math
import shutil
import sys
import time
from collections.abc import Iterator

from cak_jax.apps.live.player import Player
from cak_jax.apps.live.sound_card import DeviceError
from cak_jax.rendering.settings import MAX_CONTROL
from cak_jax.rendering.stream import Stream

STEP = 0.05
TURNS = {"up": STEP, "+": STEP, "=": STEP, "down": -STEP, "-": -STEP, "_": -STEP}
KEYS = "keys: up + and down - turn the knob, 0 to 9 set it, b bypasses, q quits"
LOOK_SECONDS = 0.1
# A device that asks for nothing for so long, and four blocks more, is gone.
PATIENCE_SECONDS = 5.0
# Of the interpreter's turns between threads; its own 5 ms are half a block.
TURN_SECONDS = 0.0005


class Session:
    """The knob and the switches of a player, by key."""

    def __init__(self, stream: Stream, player: Player, kind: str, value: float):
        """Start with a knob.

        Args:
          stream: the effect that the player plays through.
          player: what the device calls.
          kind: "control" or "amount".
          value: the knob as the stream was made with.
        """
        self.stream, self.player = stream, player
        self._kind, self.value = kind, value
        # What was shown last, and after how many blocks.
        self._peak, self._blocks = 0.0, 0

    def press(self, key: str) -> None:
        """Do what a key stands for; others do nothing."""
        if key in TURNS:
            self._turn(self.value + TURNS[key])
        elif key in "0123456789":
            self._turn(int(key) / 10)
        elif key in "bB":
            self.player.bypass = not self.player.bypass
        elif key in "qQ":
            self.player.leaving = True

    def _turn(self, value: float) -> None:
        self.value = round(min(MAX_CONTROL, max(0.0, value)), 6)
        self.stream.set_knob(**{self._kind: self.value})

    def line(self) -> str:
        """Return how it goes; the peak is that of the blocks since the last call."""
        player = self.player
        if player.blocks != self._blocks:
            self._peak, self._blocks = player.take_peak(), player.blocks
        milliseconds = 1000 * player.latency / self.stream.sample_rate
        parts = [
            f"knob {self.value:.2f}{' dry' if player.bypass else ''}",
            f"load {player.load:.0%} ({player.worst:.0%})",
            f"underruns {player.underruns}",
            f"peak {decibels(self._peak)} dBFS",
            *self._incidents(),
            # Last, as it stays the same and a narrow terminal cuts the end off.
            f"latency {player.latency} ({milliseconds:.1f} ms)",
        ]
        return "  ".join(parts)

    def summary(self) -> str:
        """Return what there is to say at the end."""
        player, stream = self.player, self.stream
        seconds = player.blocks * stream.block_size / stream.sample_rate
        parts = [
            f"played {seconds:.1f} s",
            f"load {player.load:.0%} (at most {player.worst:.0%})",
            f"underruns {player.underruns}",
            *self._incidents(),
        ]
        return "  ".join(parts)

    def _incidents(self) -> list[str]:
        player, found = self.player, []
        if player.limited:
            found.append(f"limited {player.limited}")
        if player.repaired:
            found.append(f"bad samples {player.repaired}")
        return found


def watch(session: Session, device, keyboard) -> None:
    """Serve keys and show the line until the device has played the last block.

    Args:
      session: what keys act on.
      device: has `active`.
      keyboard: an open `Keyboard`.

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


class StatusLine:
    """One line of a terminal, written over again; nothing where there is none."""

    def __enter__(self):
        """Write nothing yet."""
        self._shown = False
        return self

    def __exit__(self, *error):
        """Leave the line as it stands and go to the next."""
        if self._shown:
            self._write("\n")

    def show(self, make_line) -> None:
        """Show what `make_line()` gives, cut to the terminal's width."""
        if sys.stdout is None or not sys.stdout.isatty():
            return
        width = shutil.get_terminal_size().columns - 1
        # Back to the first column, and after the line erase what is left there.
        self._write(f"\r{make_line()[:width]}\x1b[K")
        self._shown = True

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stdout.write(text)
            sys.stdout.flush()


def decibels(peak: float) -> str:
    """Return a level in dB of full scale, "-inf" for silence."""
    return f"{20 * math.log10(peak):.1f}" if peak > 0 else "-inf"


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keep other threads and the garbage collector from delaying the device's."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    # What exists now is not looked through again: that would take longer than a block.
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)
