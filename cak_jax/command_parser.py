"""What the parsers of all commands have in common."""

import argparse


def new_parser(module: str, text: str) -> argparse.ArgumentParser:
    """Return a parser without flags.

    Args:
      module: of `cak_jax`, that `python -m` runs.
      text: its docstring, printed by --help as it stands.
    """
    return argparse.ArgumentParser(
        prog=f"python -m cak_jax.{module}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # A flag of a later version would change what a shortened one means.
        allow_abbrev=False,
    )
