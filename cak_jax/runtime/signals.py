"""Ctrl-C, SIGTERM and SIGHUP: the first stops at a good moment, the second at once.

Python runs its signal handlers between two instructions of the main thread. While XLA
compiles there, that can take minutes. So a second thread reads every signal through
`signal.set_wakeup_fd`, and can end the process itself.
"""

import contextlib
import os
import signal
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
if hasattr(signal, "SIGHUP"):  # not on Windows
    SIGNALS += (signal.SIGHUP,)
HINT = "run the same command again to resume"


class Stopped(KeyboardInterrupt):
    """A signal asked the process to stop.

    Attributes:
      code: the exit code, 128 and the signal's number.
    """

    def __init__(self, number: int, where: str = ""):
        self.code = 128 + number
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name}{where and ' ' + where}; {HINT}")


class Stops:
    """The signals that came so far, and what the first one does.

    By default the first signal raises `Stopped` in the main thread.

    Attributes:
      requested: the number of the last signal; 0 if none came.
    """

    def __init__(self) -> None:
        self.requested = 0
        self._raising, self._leaving, self._received = True, False, 0

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Only note the first signal in `requested`; the block looks there."""
        self._raising = False
        try:
            yield
        finally:
            self._raising = True

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """End the process at the first signal: the block has nothing to save."""
        self._leaving = True
        try:
            yield
        finally:
            self._leaving = False

    def handle(self, number: int, frame: types.FrameType | None) -> None:
        """Handle a signal in the main thread, as Python's signal handler."""
        del frame
        self.requested = number
        if self._raising:
            raise Stopped(number)

    def receive(self, number: int) -> None:
        """Count a signal in the listening thread, and leave if it must be at once."""
        self._received += 1
        if self._leaving or self._received > 1:
            with contextlib.suppress(OSError):  # stderr may be closed
                os.write(2, f"{Stopped(number)}\n".encode())
            os._exit(128 + number)


@contextlib.contextmanager
def watch() -> Iterator[Stops]:
    """Handle the signals while the block runs, if it runs in the main thread.

    A signal that the process ignores, as after `nohup` or `&`, stays ignored.
    """
    stops = Stops()
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return
    watched = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    listener = threading.Thread(
        target=_listen, args=(reader, watched, stops), name="signals", daemon=True
    )
    listener.start()
    before = {number: signal.signal(number, stops.handle) for number in watched}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield stops
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)  # ends the listener
        listener.join()


@contextlib.contextmanager
def noted() -> Iterator[Callable[[], None]]:
    """Yield a check that raises `Stopped` if a signal asked to stop before.

    The first signal only sets a flag, so that it cannot get lost in a destructor,
    where Python drops exceptions. Whoever works must check often. The second signal
    raises `Stopped` at once.
    """
    stops = Stops()

    def handle(number: int, frame: types.FrameType | None) -> None:
        again = bool(stops.requested)
        stops.requested = number
        if again:
            raise Stopped(number)

    def check() -> None:
        if stops.requested:
            raise Stopped(stops.requested)

    with _handled(handle):
        yield check


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Raise `Stopped` for SIGTERM and SIGHUP, as Ctrl-C raises KeyboardInterrupt.

    So what is half done is removed by the same clean-up.
    """

    def handle(number: int, frame: types.FrameType | None) -> None:
        raise Stopped(number)

    with _handled(handle, SIGNALS[1:]):
        yield


@contextlib.contextmanager
def _handled(
    handle: Callable[[int, types.FrameType | None], None],
    numbers: tuple[signal.Signals, ...] = SIGNALS,
) -> Iterator[None]:
    """Handle signals in a block, where nobody else handles or ignores them."""
    usual = (signal.SIG_DFL, signal.default_int_handler)
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {n: signal.getsignal(n) for n in numbers}
        # A block in a block of `raised` takes its place.
        before = {
            n: handler
            for n, handler in before.items()
            if handler in usual or getattr(handler, "__module__", "") == __name__
        }
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(reader: int, watched: list[int], stops: Stops) -> None:
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while received := pipe.read(1):
            # The descriptor reports every signal that Python handles.
            if received[0] in watched:
                stops.receive(received[0])
