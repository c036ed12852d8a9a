"""This side of one decoding process: its requests, answers and limits.

No answer is believed. If the process is silent, ends or answers nonsense, the error is
one line about the file that it was decoding.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import NoneType
from typing import Any

from cak_jax.audio.isolated_decoding import protocol as messages
from cak_jax.audio.isolated_decoding.protocol import DecodeError

_START_SECONDS = 60
_BYTES_A_SECOND = 50_000
_NOT_STARTED = "cannot be decoded: no process for it can be started"
_CODE = "import sys; sys.path[:] = sys.argv[3:]; "
_CODE += "from cak_jax.audio.isolated_decoding.process import main; main(sys.argv[1:])"


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of decoding one file.

    Attributes:
      memory: bytes of address space of the decoding process.
      silence: seconds without an answer.
      busy: seconds of processor time, and one more for every 50 kB of the file.
    """

    memory: int = 1 << 30
    silence: int = 60
    busy: int = 20


class Ended(DecodeError):
    """The decoder was ended from outside, so the file may be good."""


class Link:
    """One process and the file that it decodes; used like a `decoder.Decoder`.

    Attributes:
      header: of the file, as `Decoder.header` has it.
    """

    def __init__(self, limits: Limits) -> None:
        """Start the process and wait until it is ready.

        Raises:
          DecodeError: it cannot be started.
        """
        self._limits, self._busy, self._lost = limits, limits.busy, False
        self._inside = False  # whether a request or an answer is incomplete
        try:
            self._connection, theirs = socket.socketpair()
            with theirs, contextlib.ExitStack() as cleanup:
                cleanup.callback(self._connection.close)
                self._process = _start(theirs.fileno(), limits.memory)
                cleanup.pop_all()
        except OSError as error:
            raise DecodeError(f"{_NOT_STARTED} ({error.strerror})") from error
        # Short spans are counted, so the time does not run while Ctrl-Z stops both.
        self._connection.settimeout(1.0)
        self._silence = _START_SECONDS
        self._waiting = 1  # the number of answers that are still to come
        try:
            self._text()
        except BaseException as error:
            self.close()
            if not isinstance(error, DecodeError):
                raise
            ending = _ending(self._process.poll())
            raise DecodeError(f"{_NOT_STARTED} ({ending})") from None
        self._silence = limits.silence

    def is_alive(self) -> bool:
        """Say whether the process can take a request."""
        return not self._lost and self._process.poll() is None

    def kill(self) -> None:
        """End the process; a thread that waits for an answer gets an error."""
        self._process.kill()
        # A process that waits for a dead disk cannot be killed.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)

    def close(self) -> None:
        """End the process and close the socket."""
        self._lost = True
        self.kill()
        self._connection.close()

    def finish(self) -> bool:
        """Close the file; return whether the process can take another one."""
        # After an interrupt inside an answer, the start of the next one is unknown.
        if self._lost or self._inside:
            return False
        try:
            self._ask(messages.CLOSE)
            while self._waiting:
                _, length = self._answer()
                scratch = memoryview(bytearray(min(length, 1 << 16)))
                while length:
                    part = scratch[: min(length, len(scratch))]
                    self._receive(part)
                    length -= len(part)
                self._inside = False
        except DecodeError:
            return False
        return True

    def open(self, descriptor: int) -> None:
        """Send a file and wait for its header."""
        size = os.fstat(descriptor).st_size
        self._busy = self._limits.busy + size // _BYTES_A_SECOND
        self._requested = False  # whether the next frames are being decoded
        self._ask(messages.OPEN, 0, self._busy, [descriptor])
        header = self._text()
        types = [*map(type, header)] if isinstance(header, list) else []
        if types not in ([int, int, kind, str, str] for kind in (int, NoneType)):
            raise self._nonsense()
        if header[0] < 1 or not 1 <= header[1] <= 1 << 16:
            raise self._nonsense()
        self.header: messages.Header = tuple(header)

    def tags(self) -> dict[str, str]:
        """Return the tags of the file, such as title and artist."""
        self._ask(messages.TAGS)
        tags: dict[str, str] = self._text()
        return tags

    def notes(self) -> list[str]:
        """Return what is odd about the file; between two reads only at its end."""
        self._ask(messages.NOTES)
        notes = self._text()
        if not isinstance(notes, list):
            raise self._nonsense()
        return [str(note) for note in notes]

    def read_into(self, buffer: memoryview, dtype: str) -> int:
        """Fill a buffer as `Decoder.read_into` does.

        The process decodes the next frames meanwhile, so every call must have a buffer
        of the same length.
        """
        request = messages.READ, messages.DTYPES.index(dtype), len(buffer)
        if not self._requested:
            self._ask(*request)
        self._requested = False
        kind, length = self._answer()
        if kind != messages.SAMPLES:
            self._text(kind, length)
        if kind != messages.SAMPLES or length > len(buffer):
            raise self._nonsense()
        self._inside = True
        self._receive(buffer[:length])
        self._inside = False
        if length:
            self._ask(*request)
            self._requested = True
        frame = self.header[1] * messages.SAMPLE_BYTES[dtype]
        if length % frame:
            raise self._nonsense()
        return length // frame

    def _ask(
        self,
        command: bytes,
        dtype: int = 0,
        number: int = 0,
        descriptors: Sequence[int] = (),
    ) -> None:
        request = messages.REQUEST.pack(command, dtype, number)
        # After an interrupt in here it is unknown whether the request was sent.
        self._inside = True
        try:
            socket.send_fds(self._connection, [request], descriptors)
        except OSError as error:
            raise self._dead() from error
        self._waiting += 1
        self._inside = False

    def _nonsense(self) -> DecodeError:
        """Return the error for an impossible answer, and use the process no more."""
        self._lost = True
        return DecodeError("crashed its decoder (which answers nonsense)")

    def _answer(self) -> tuple[bytes, int]:
        header = bytearray(messages.ANSWER.size)
        self._inside = True
        self._receive(memoryview(header))
        self._waiting -= 1
        kind, length = messages.ANSWER.unpack(header)
        self._inside = length > 0
        return kind, length

    def _text(self, kind: bytes = b"", length: int = 0) -> Any:
        """Return the JSON of an answer, of the next one if none has begun.

        Raises:
          DecodeError: the process refuses the file, or does not answer.
        """
        if not kind:
            kind, length = self._answer()
        if kind == messages.SAMPLES or length > messages.LONGEST_TEXT:
            raise self._nonsense()
        content = bytearray(length)
        self._inside = True
        self._receive(memoryview(content))
        self._inside = False
        try:
            value = json.loads(content) if length else None
        except (ValueError, RecursionError) as error:
            raise self._nonsense() from error
        if kind == messages.REFUSED:
            raise DecodeError(str(value))
        return value

    def _receive(self, buffer: memoryview) -> None:
        patience = self._silence
        while buffer:
            try:
                count = self._connection.recv_into(buffer)
            except TimeoutError:
                patience -= 1
                if patience <= 0:
                    self._lost = True
                    reason = f"nothing came for {self._silence} s"
                    raise DecodeError(f"takes too long to decode ({reason})") from None
                continue
            except OSError as error:
                raise self._dead() from error
            if not count:
                raise self._dead()
            buffer = buffer[count:]
            patience = self._silence

    def _dead(self) -> DecodeError:
        """Return the error that says how the process ended."""
        self._lost = True
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return DecodeError("crashed its decoder (which does not answer)")
        if code == -signal.SIGXCPU:
            reason = f"over {self._busy} s of processor time"
            return DecodeError(f"takes too long to decode ({reason})")
        if code == -signal.SIGKILL:
            return Ended("was not decoded: its decoder was ended from outside")
        return DecodeError(f"crashed its decoder ({_ending(code)})")


def _start(connection: int, memory: int) -> subprocess.Popen[bytes]:
    # Isolated from Python's configuration; modules come from this process's folders.
    command = [sys.executable or "", "-I", "-S", "-B", "-c", _CODE]
    paths = [str(pathlib.Path(__file__).parents[3]), *filter(None, sys.path)]
    return subprocess.Popen(
        [*command, str(connection), str(memory), *map(os.path.abspath, paths)],
        pass_fds=[connection],
        # Ctrl-C in a terminal must reach this process only.
        process_group=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # Decoders write messages of their own there.
        stderr=subprocess.DEVNULL,
        # It needs no threads for arithmetic, and they would take memory.
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )


def _ending(code: int | None) -> str:
    if code is None:
        return "which does not end"
    try:
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        return f"signal {-code}"
