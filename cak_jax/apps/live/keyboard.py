"""Keys of the terminal, as they are pressed; none where there is no terminal."""

import os
import select
import signal
import sys
import time

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = None

ARROWS = {b"A": "up", b"B": "down", b"C": "right", b"D": "left"}
INTRODUCTIONS = (b"\x1b[", b"\x1bO")


def split_keys(data: bytes) -> tuple[list[str], bytes]:
    """Return the keys that bytes of a terminal stand for, and an unfinished rest.

    Printable ASCII stands for itself and arrows for "up", "down", "left", "right";
    anything else is no key.

    >>> split_keys(b"q\\x1b[A\\x1b[")
    (['q', 'up'], b'\\x1b[')
    """
    found = []
    while data:
        if data[:2] in INTRODUCTIONS:
            # Parameters and intermediates, then one byte that ends the sequence.
            end = next((i for i in range(2, len(data)) if 64 <= data[i] < 127), None)
            if end is None:
                return found, data[:32]
            if end == 2 and data[2:3] in ARROWS:
                found.append(ARROWS[data[2:3]])
            data = data[end + 1 :]
        elif data == b"\x1b":
            return found, data
        else:
            if 32 < data[0] < 127:
                found.append(chr(data[0]))
            data = data[1:]
    return found, b""


class Keyboard:
    """Reads keys without echo while it is open, and puts the terminal back."""

    def __enter__(self):
        """Take the terminal, if standard input is one and this its foreground job."""
        self._before, self._rest = None, b""
        if termios is not None and _is_ours(sys.stdin):
            self._file = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._file)
            # Ended from outside, too, it is put back.
            self._handler = signal.signal(signal.SIGTERM, _leave)
            tty.setcbreak(self._file)
        return self

    def __exit__(self, *error):
        """Put the terminal back."""
        if self._before is not None:
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)
            signal.signal(signal.SIGTERM, self._handler)

    @property
    def listens(self) -> bool:
        """Whether there are keys to be read."""
        return self._before is not None

    def keys(self, seconds: float) -> list[str]:
        """Wait at most so long and return the keys pressed; see `split_keys`."""
        if not self.listens:
            time.sleep(seconds)
            return []
        if not select.select([self._file], [], [], seconds)[0]:
            # An escape that nothing follows is a key of its own, and means nothing.
            self._rest = b""
            return []
        try:
            data = os.read(self._file, 1024)
        except OSError:  # the terminal was closed
            data = b""
        if not data:
            self._before = None
        found, self._rest = split_keys(self._rest + data)
        return found


def _leave(number, frame):
    sys.exit(128 + number)


def _is_ours(stream) -> bool:
    """Whether a stream is the terminal that this process is in the foreground of."""
    try:
        return stream.isatty() and os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # None, no terminal, closed
        return False
