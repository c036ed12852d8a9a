"""The console script `cak`: `cak COMMAND ...` runs the module of this name."""

import argparse
import importlib
import sys
from collections.abc import Callable

from cak_jax.runtime import console
from cak_jax.runtime.errors import EXIT_INTERRUPTED, EXIT_UNUSABLE, UserError

COMMANDS = {
    "train": "train an effect on a folder of sounds",
    "apply": "render sound files through an effect",
    "live": "hear an effect while it plays, with the knob on keys",
    "app": "play and train on a page in the browser",
    "evaluate": "measure whether an effect's knob can be trusted",
    "effects": "list the effects that come with it, or show one",
    "effect": "show, check, mix or convert an effect",
    "export-web": "write a page that runs effects in a browser",
}


def new_parser(command: str, text: str) -> argparse.ArgumentParser:
    """Return a parser without flags for a sub-command; --help prints the text as is."""
    return argparse.ArgumentParser(
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
      What `run` returns; 2 for an error that a person can mend, 130 for Ctrl-C.
    """
    options = parser.parse_args(arguments)
    try:
        return run(options)
    except (UserError, OSError) as error:
        return console.complain(error, EXIT_UNUSABLE)
    except KeyboardInterrupt:
        return console.complain("stopped", EXIT_INTERRUPTED)


def main(arguments: list[str] | None = None) -> int:
    """Run a sub-command; return its exit code (2 for one that does not exist)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        name = arguments[0].replace("-", "_")
        module = importlib.import_module(f"cak_jax.commands.{name}")
        code: int = module.main(arguments[1:])
        return code
    lines = [f"  cak {name:10s} {text}" for name, text in COMMANDS.items()]
    help_text = "\n".join(["usage: cak COMMAND ...", *lines])
    if arguments and arguments[0] in ("-h", "--help"):
        print(help_text)
        return 0
    said = f"error: {arguments[0]}: no such command\n" if arguments else ""
    print(said + help_text, file=sys.stderr)
    return 2


def script() -> None:
    """Run as the console script `cak`."""
    console.make_usable()
    console.leave(main())
