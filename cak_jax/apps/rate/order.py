"""In which order files are rated, and which one is next; pure."""

import random
from collections.abc import Collection, Sequence

# The first so many files are one of each part of the sorted folder, because some 25
# to 40 ratings are what most people give.
PARTS = 25
SEED = 0


def spread_order(names: Sequence[str], seed: int = SEED) -> list[str]:
    """Return names in random order, spread over the folder.

    The sorted names are divided into `PARTS` parts of equal size. Each part in turn
    gives one file, drawn at random, so that every beginning of the order has about as
    many files of each part, and so of each large subfolder.

    >>> sorted(spread_order(["a/1", "a/2", "b/1"]))
    ['a/1', 'a/2', 'b/1']
    """
    generator = random.Random(seed)
    names, parts = sorted(names), []
    count = min(PARTS, len(names))
    for part in range(count):
        files = names[part * len(names) // count : (part + 1) * len(names) // count]
        generator.shuffle(files)
        parts.append(files)
    order: list[str] = []
    while len(order) < len(names):
        drawn = [files.pop() for files in parts if files]
        generator.shuffle(drawn)
        order += drawn
    return order


def next_name(
    order: Sequence[str], rated: Collection[str], skipped: Sequence[str]
) -> str | None:
    """Return the file to rate next; None if all are rated.

    Files that were skipped come again after all others, in the order of skipping.

    >>> next_name(["a", "b", "c"], {"a"}, ["b"])
    'c'
    >>> next_name(["a", "b", "c"], {"a", "c"}, ["b"])
    'b'
    """
    for names in (order, skipped):
        for name in names:
            if name not in rated and (names is skipped or name not in skipped):
                return name
    return None
