"""What the parsers of all commands have in common."""

import argparse


def new_parser(command: str, text: str) -> argparse.ArgumentParser:
    """Return a parser without flags.

    Args:
      command: the word after `cak`.
      text: its docstring, printed by --help as it stands.
    """
    return argparse.ArgumentParser(
        prog=f"cak {command}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # A flag of a later version would change what a shortened one means.
        allow_abbrev=False,
    )
