"""The command line of an experiment: `--help` prints the docstring of its script."""

import sys


def arguments(document: str, fewest: int = 0, most: int | None = None) -> list[str]:
    """Return the words after the script's name.

    Args:
      document: the script's docstring, which says what the words are.
      fewest: the smallest number of words that the script takes.
      most: the largest number; None for any.

    Raises:
      SystemExit: with the docstring, for `--help` or another number of words.
    """
    words = sys.argv[1:]
    if "--help" in words or "-h" in words:
        print(document)
        sys.exit(0)
    if len(words) < fewest or (most is not None and len(words) > most):
        sys.exit(document)
    return words
