"""What a command prints and how its process ends: streams, errors, exit."""

import contextlib
import os
import sys

LONGEST_LINE = 1000
STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def make_usable() -> None:
    """Give missing streams a place to go, and unencodable letters an escape.

    A process may be started without them (`>&-`): then Python has None, and the next
    file that is opened would get what others print. And a locale may be unable to show
    a name.
    """
    for number, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given out first, so this one.
            os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def complain(error: BaseException | str, code: int) -> int:
    """Print an error as one line per fault and return the exit code."""
    for line in str(error).splitlines():
        if len(line) > LONGEST_LINE:  # a value that somebody gave stands in it
            half = LONGEST_LINE // 2
            line = f"{line[:half]} ... {line[-half:]}"
        print(f"error: {line}", file=sys.stderr)
    return code


def leave(code: int) -> None:
    """End the process; after a signal without the interpreter's own teardown.

    XLA may still be compiling in its threads then, and tearing down under them
    crashes. After a fault JAX would wait for processes that may not come, and abort.
    """
    jax = sys.modules.get("jax")  # where nobody has imported it, nobody has joined
    several = jax is not None and jax.distributed.is_initialized()
    if code in (130, 143) or (code and several):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
