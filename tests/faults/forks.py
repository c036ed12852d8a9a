"""A process that has everything imported, and forks real processes off itself.

Each of them starts in no time, with streams, a pid and a fate of its own.
"""

import io
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from typing import IO

PATIENCE = 300  # seconds until a process counts as hanging


class Fork:
    """A process that was forked off; the part of `Popen` that the tests need."""

    def __init__(self, link: socket.socket, request: dict, merged: bool):
        pipes = [os.pipe() for _ in range(1 if merged else 2)]
        theirs = [writer for _, writer in pipes]
        socket.send_fds(link, [json.dumps(request).encode()], theirs)
        self._link, self.pid, self.returncode = link, int(link.recv(64)), None
        for writer in theirs:
            os.close(writer)
        streams = [os.fdopen(reader, encoding="utf-8") for reader, _ in pipes]
        self.stdout: IO[str] = streams[0]
        self.stderr: IO[str] | None = None if merged else streams[1]

    def send_signal(self, number: int) -> None:
        """Send a signal; the process is nobody else's before `communicate`."""
        os.kill(self.pid, number)

    def wait_until_halted(self) -> None:
        """Wait until it has stopped by itself; SIGCONT lets it go on."""
        end = time.monotonic() + PATIENCE
        stat = pathlib.Path("/proc", str(self.pid), "stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < end, "it did not halt"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it without a word."""
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> tuple[str, str]:
        """Wait for its end; return what is left of stdout and stderr."""
        # Errors are short: their pipe does not fill up meanwhile.
        streams = [s for s in (self.stdout, self.stderr) if s is not None]
        texts = ["" if stream.closed else stream.read() for stream in streams]
        self._link.send(json.dumps({"wait": self.pid}).encode())
        self.returncode = int(self._link.recv(64))
        for stream in streams:
            stream.close()
        return texts[0], "".join(texts[1:])


class Forks:
    """Starts processes in one environment.

    Args:
      environment: of all of them.
      folder: they work in.

    Attributes:
      environment: the same.
    """

    def __init__(self, environment: dict[str, str], folder):
        self.environment = environment
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.settimeout(PATIENCE)
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env=environment,
            cwd=folder,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    def start(
        self, what: str, *arguments, merged: bool = True, halt: str = "", **changes
    ) -> Fork:
        """Start a process.

        Args:
          what: "main" for the training command, "driver" for `driver.py`.
          arguments: its command line.
          merged: errors come through `stdout` too.
          halt: it stops, as by Ctrl-Z, after the first line that begins so.
          changes: of its environment.
        """
        texts = list(map(str, arguments))
        request = {"what": what, "arguments": texts, "environment": changes}
        request["halt"] = halt
        return Fork(self._link, request, merged)

    def run(self, what: str, *arguments, **changes) -> subprocess.CompletedProcess:
        """Start a process and wait for its end."""
        fork = self.start(what, *arguments, merged=False, **changes)
        output, errors = fork.communicate()
        return subprocess.CompletedProcess(arguments, fork.returncode, output, errors)

    def close(self) -> None:
        """End the process that forks."""
        self._link.close()
        self._process.wait(PATIENCE)


class Halting(io.TextIOWrapper):
    """A stream whose process stops after the first line that begins so.

    So that what is done to the process next finds it there, however slow its tester is.
    """

    def __init__(self, buffer, beginning: str):
        super().__init__(buffer, "utf-8")
        self._beginning, self._line = beginning, ""

    def write(self, text: str) -> int:
        count = super().write(text)
        self._line += text
        if self._beginning and self._line.endswith("\n"):
            found, self._line = self._line.startswith(self._beginning), ""
            if found:
                self._beginning = ""
                self.flush()
                os.kill(os.getpid(), signal.SIGSTOP)
        return count


def serve(link: socket.socket) -> None:
    """Fork on request; returns in each of the forks, with its work done."""
    import driver

    # Whoever started this may ignore Ctrl-C, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from cak_jax.commands import train
    from cak_jax.runtime import console
    from cak_jax.sweep import run_sweep  # noqa: F401 what the forks begin with

    works = {"main": lambda a: console.leave(train.main(a)), "driver": driver.main}
    while True:
        data, descriptors, *_ = socket.recv_fds(link, 2**16, 2)
        if not data:
            return
        request = json.loads(data)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            link.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if not pid:
            link.close()
            for number, source in zip((1, 2), descriptors * 2, strict=False):
                os.dup2(source, number)
            # What these were when the process started was another kind of file.
            sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
            if request["halt"]:
                sys.stdout = Halting(sys.stdout.detach(), request["halt"])
            sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", closefd=False)
            for descriptor in descriptors:
                os.close(descriptor)
            os.environ.update(request["environment"])
            works[request["what"]](request["arguments"])
            return
        for descriptor in descriptors:
            os.close(descriptor)
        link.send(str(pid).encode())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
