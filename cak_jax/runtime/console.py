"""Standard streams, messages and the end of a process."""

import contextlib
import os
import sys
from typing import TextIO

from cak_jax.runtime.errors import (
    EXIT_HUNG_UP,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    UserError,
)
from cak_jax.runtime.text import printable

LONGEST_LINE = 1000


def make_usable() -> None:
    """Replace missing standard streams, and escape what a stream cannot encode.

    A process that is started without a stream (`>&-`) finds None in `sys`. The next
    file that it opens would then take the stream's number, and its output.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        mode = "w" if number else "r"
        try:
            os.fstat(number)
        except OSError:
            # The system gives out the lowest free number, which is this one.
            os.open(os.devnull, os.O_WRONLY if number else os.O_RDONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line at once, above any progress bar.

    Text that the stream cannot encode is escaped. If the stream cannot be written to
    (`| head`, a full disk), the line is lost and the work goes on.

    Args:
      text: one line, or several.
      stream: where to; `sys.stdout` if None.
    """
    stream = stream or sys.stdout
    tqdm = sys.modules.get("tqdm")  # where nobody has imported it, there is no bar
    bars_hidden: contextlib.AbstractContextManager[None] = (
        tqdm.tqdm.external_write_mode(stream) if tqdm else contextlib.nullcontext()
    )
    try:
        with bars_hidden:
            try:
                print(text, file=stream, flush=True)
            except UnicodeEncodeError:
                print(ascii(text)[1:-1], file=stream, flush=True)
    except OSError:
        # The text is still in the buffer, and flushing it at exit would fail again.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(error: BaseException | str, code: int) -> int:
    """Print an error to stderr, one line per fault, and return the exit code."""
    lines = error.faults() if isinstance(error, UserError) else [str(error)]
    for line in lines:
        line = printable(line) or type(error).__name__
        if len(line) > LONGEST_LINE:  # a long value that a person gave
            half = LONGEST_LINE // 2
            line = f"{line[:half]} ... {line[-half:]}"
        say(f"error: {line}", sys.stderr)
    return code


def leave(code: int) -> None:
    """End the process with an exit code.

    After a signal the interpreter's teardown is skipped, because XLA may still be
    compiling in its threads and would crash.
    """
    if code in (EXIT_HUNG_UP, EXIT_INTERRUPTED, EXIT_TERMINATED):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
