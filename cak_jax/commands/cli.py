"""The console script `cak`: `cak COMMAND ...` runs the module of this name."""

import argparse
import importlib
import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from cak_jax import __version__
from cak_jax.audio.formats import SUFFIXES
from cak_jax.runtime import console, signals
from cak_jax.runtime.errors import (
    EXIT_INTERRUPTED,
    EXIT_UNUSABLE,
    InputError,
    UserError,
)
from cak_jax.runtime.text import parse_number, printable, suggestion

COMMANDS = {
    "train": "train an effect on a folder of sounds",
    "rate": "rate the sounds of a folder, to teach an effect by the ratings",
    "apply": "render sound files through an effect",
    "live": "hear an effect while it plays, with the knob on keys",
    "app": "play and train on a page in the browser",
    "evaluate": "measure whether an effect's knob can be trusted",
    "effects": "list the effects that come with it, or show one",
    "effect": "show, check, mix or convert an effect",
    "export-web": "write a page that runs effects in a browser",
}


class Parser(argparse.ArgumentParser):
    """A parser that names a fault in one line, and suggests the nearest name.

    Flags of type float also take `0,5` and `50%`.
    """

    def __init__(self, *arguments: Any, **options: Any):
        """Make a parser as argparse does."""
        super().__init__(*arguments, **options)
        self.register("type", float, _number)
        self.register("type", int, _whole_number)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse misspelt flags before argparse finds that the right one is missing."""
        self._refuse_unknown(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def _refuse_unknown(self, arguments: Sequence[str]) -> None:
        known = self._option_string_actions
        for argument in arguments:
            # After `--` there are no flags; a sub-command checks its own.
            if argument == "--" or (self._subparsers and argument[:1] != "-"):
                return
            flag = argument.partition("=")[0]
            if is_flag(argument) and flag not in known:
                near = suggestion(f"--{flag.lstrip('-')}", known)
                self.error(f"{flag}: there is no such flag{near}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = list(action.choices)
            raise argparse.ArgumentError(
                action,
                f"must be one of {', '.join(names)}; got {printable(value)}"
                f"{suggestion(value, names)}",
            )

    def error(self, message: str) -> NoReturn:
        """Print a fault and where to look, two lines, and leave with 2."""
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            message = f"{missing}: missing"
        code = console.complain(message.removeprefix("argument "), EXIT_UNUSABLE)
        console.say(f"{self.prog} --help lists what can be given", sys.stderr)
        self.exit(code)


def is_flag(argument: str) -> bool:
    """Say whether an argument is a flag; `-` is standard input, `-0.5` a number."""
    return re.match(r"--|-[^\W\d]", argument) is not None


def _number(text: str) -> float:
    try:
        return parse_number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a whole number; got {printable(text)}"
        ) from None


def new_parser(command: str, text: str) -> argparse.ArgumentParser:
    """Return a parser without flags for a sub-command; --help prints the text as is."""
    return Parser(
        prog=f"cak {command}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # No abbreviations, because a later flag could change what one of them means.
        allow_abbrev=False,
    )


def run_command(
    parser: argparse.ArgumentParser,
    arguments: list[str] | None,
    run: Callable[[argparse.Namespace], int],
) -> int:
    """Parse a command line and run the command; print an error as one line.

    Returns:
      What `run` returns; 2 for an error that a person can mend, 130 for Ctrl-C, 128
      and its number for another signal.
    """
    options = parser.parse_args(arguments)
    try:
        with signals.raised():
            return run(options)
    except (UserError, OSError) as error:
        return console.complain(error, EXIT_UNUSABLE)
    except KeyboardInterrupt as stop:
        return console.complain("stopped", code_of(stop))


def code_of(stop: KeyboardInterrupt) -> int:
    """Return the exit code after Ctrl-C or another signal."""
    return stop.code if isinstance(stop, signals.Stopped) else EXIT_INTERRUPTED


def check_output(
    flag: str, name: str, inputs: Iterable[pathlib.Path], overwrite: bool
) -> pathlib.Path:
    """Return the path of an output.

    Args:
      flag, name: the flag that names the file, such as "--json", and its value.
      inputs: files that are read.
      overwrite: whether a file that exists may be replaced.
    """
    if not name:
        raise InputError(f"{flag}: is empty; name a file")
    # The target of a link, so that the link itself stays.
    target = _real(pathlib.Path(name).expanduser())
    shown = f"{flag}={printable(name)}"
    if target.is_dir():
        raise InputError(f"{shown}: is a folder; name a file in it")
    if target.exists() and not target.is_file():
        raise InputError(f"{shown}: is no ordinary file; name another")
    if target in map(_real, inputs) or target.suffix.lower() in SUFFIXES:
        raise InputError(f"{shown}: would take the place of an input; name another")
    if target.exists() and not overwrite:
        raise InputError(f"{shown}: exists; add --overwrite to replace it")
    if not target.parent.is_dir():
        raise InputError(f"{shown}: the folder does not exist; make it first")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{shown}: the folder cannot be written to; name another")
    return target


def _real(path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(os.path.realpath(path))


def make_folder(flag: str, name: str) -> pathlib.Path:
    """Return the folder that a flag names; make it if it is missing."""
    folder = pathlib.Path(name).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{flag}={printable(name)}: {error.strerror}; name a folder that can be "
            "written to"
        ) from None
    return folder


def remark(text: str) -> None:
    """Print a note, one line, to stderr."""
    console.say(f"note: {printable(text)}", sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run a sub-command; return its exit code (2 for one that does not exist)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = arguments[0] if arguments else ""
    if name in COMMANDS:
        module = importlib.import_module(f"cak_jax.commands.{name.replace('-', '_')}")
        code: int = module.main(arguments[1:])
        return code
    if name == "--version":
        print(f"cak_jax {__version__}")
        return 0
    if arguments and name not in ("-h", "--help"):
        near, known = suggestion(name, COMMANDS), ", ".join(COMMANDS)
        return console.complain(
            f"{name}: there is no such command{near or f'; one of {known}'}",
            EXIT_UNUSABLE,
        )
    lines = [f"  cak {name:11s} {text}" for name, text in COMMANDS.items()]
    lines.append("cak COMMAND --help says more; cak --version says which one this is")
    help_text = "\n".join(["usage: cak COMMAND ...", *lines])
    print(help_text, file=sys.stdout if arguments else sys.stderr)
    return 0 if arguments else 2


def script() -> None:
    """Run as the console script `cak`."""
    console.make_usable()
    console.leave(main())
