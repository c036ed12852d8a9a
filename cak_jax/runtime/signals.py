"""SIGTERM and Ctrl-C: once to stop at a good moment, twice to leave at once.

Python runs its signal handlers between two instructions of the main thread, which may
be minutes away while XLA compiles there. So a thread of ours hears of every signal too,
through `signal.set_wakeup_fd`, and can end the process by itself.
"""

import contextlib
import os
import signal
import threading
import types
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
HINT = "run the same command again to resume"


class Stopped(KeyboardInterrupt):
    """The process was asked to stop.

    Attributes:
      code: its exit code, 128 and the signal's number.
    """

    def __init__(self, number: int, where: str = ""):
        self.code = 128 + number
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name}{where and ' ' + where}; {HINT}")


class Stops:
    """What was asked for so far, and what a first signal does.

    Attributes:
      requested: number of the signal that came, 0 for none.
    """

    def __init__(self) -> None:
        self.requested = 0
        self._raising, self._leaving, self._heard = True, False, 0

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a first signal only be noted; the block looks at `requested`."""
        self._raising = False
        try:
            yield
        finally:
            self._raising = True

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a first signal end the process: where nothing can be saved, or lost."""
        self._leaving = True
        try:
            yield
        finally:
            self._leaving = False

    def handle(self, number: int, frame: types.FrameType | None) -> None:
        """Be Python's signal handler; runs in the main thread."""
        del frame
        self.requested = number
        if self._raising:
            raise Stopped(number)

    def hear(self, number: int) -> None:
        """Take note of a signal as it comes; runs in a thread of its own."""
        self._heard += 1
        if self._leaving or self._heard > 1:
            with contextlib.suppress(OSError):  # nobody may be there to read it
                os.write(2, f"{Stopped(number)}\n".encode())
            os._exit(128 + number)


@contextlib.contextmanager
def watch() -> Iterator[Stops]:
    """Handle the signals while the block runs; elsewhere than in the main thread not.

    A signal that is ignored stays ignored, as `nohup` and `&` mean it.
    """
    stops = Stops()
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return
    own = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    listener = threading.Thread(
        target=_listen, args=(reader, own, stops), name="signals", daemon=True
    )
    listener.start()
    before = {number: signal.signal(number, stops.handle) for number in own}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield stops
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)  # which ends the listener
        listener.join()


def _listen(reader: int, own: list[int], stops: Stops) -> None:
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while heard := pipe.read(1):
            # The descriptor tells of every signal that Python handles.
            if heard[0] in own:
                stops.hear(heard[0])
