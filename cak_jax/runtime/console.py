"""What a command prints and how its process ends: streams, errors, exit."""

import contextlib
import os
import sys
from typing import TextIO

from cak_jax.runtime.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, UserError
from cak_jax.runtime.text import printable

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


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line now, above any progress bar.

    A stream that cannot encode the text gets it escaped. Where the stream leads nowhere
    any more (`| head`, a full disk) the line is lost and the work goes on.

    Args:
      text: the line, or several.
      stream: `sys.stdout` if None.
    """
    stream = stream or sys.stdout
    try:
        with _without_bars(stream):
            try:
                print(text, file=stream, flush=True)
            except UnicodeEncodeError:
                print(ascii(text)[1:-1], file=stream, flush=True)
    except OSError:
        # The text is still in the buffer, and flushing it at exit would fail again.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _without_bars(stream: TextIO) -> contextlib.AbstractContextManager[None]:
    tqdm = sys.modules.get("tqdm")  # not imported yet: there is no bar
    return tqdm.tqdm.external_write_mode(stream) if tqdm else contextlib.nullcontext()


def complain(error: BaseException | str, code: int) -> int:
    """Print an error to stderr and return the exit code.

    Args:
      error: a `UserError` makes one line per fault, anything else one line.
      code: the exit code.
    """
    lines = error.faults() if isinstance(error, UserError) else [str(error)]
    for line in lines:
        line = printable(line) or type(error).__name__
        if len(line) > LONGEST_LINE:  # a long value that a person gave
            half = LONGEST_LINE // 2
            line = f"{line[:half]} ... {line[-half:]}"
        say(f"error: {line}", sys.stderr)
    return code


def leave(code: int) -> None:
    """End the process; after a signal without the interpreter's own teardown.

    XLA may still be compiling in its threads then, and tearing down under them
    crashes. After a fault JAX would wait for processes that may not come, and abort.
    """
    jax = sys.modules.get("jax")  # where nobody has imported it, nobody has joined
    several = jax is not None and jax.distributed.is_initialized()
    if code in (EXIT_INTERRUPTED, EXIT_TERMINATED) or (code and several):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
