"""Errors that a person can mend, and the exit codes of every command.

A command catches `UserError`, prints its message as `error: ...` and ends with its
`exit_code`. Any other ValueError or RuntimeError is a fault of the program and keeps
its traceback.
"""

EXIT_DONE = 0
EXIT_FAILED = 1  # the work could not go on, or some inputs failed
EXIT_UNUSABLE = 2  # unusable arguments or files; also what argparse uses
EXIT_HUNG_UP = 129  # 128 and the number of SIGHUP, as after a closed terminal
EXIT_INTERRUPTED = 130  # Ctrl-C: 128 and the number of SIGINT
EXIT_TERMINATED = 143  # 128 and the number of SIGTERM


class UserError(Exception):
    """Something that a person can mend.

    The message names the thing, the fault and the remedy.

    Attributes:
      exit_code: the code with which a command ends.
    """

    exit_code = EXIT_FAILED

    def faults(self) -> list[str]:
        """Return the message as one text per fault; most errors have one fault."""
        return [str(self)]


class InputError(UserError, ValueError):
    """Arguments, settings or files that cannot be used."""

    exit_code = EXIT_UNUSABLE


class FailedError(UserError, RuntimeError):
    """The work cannot go on, although its arguments could be used."""
