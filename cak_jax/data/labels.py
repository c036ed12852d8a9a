"""Texture labels of clips: drawn, measured, or read from a table.

A label is the amount of texture that a clip has, in [0.1, 1].
"""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cak_jax.data.label_table import LabelError, is_table, read_table, values_of
from cak_jax.model import quality_names
from cak_jax.runtime.text import printable

LOWEST, HIGHEST = 0.1, 1.0


class Ratings(NamedTuple):
    """The labels of a table as they stand there.

    Attributes:
      name: of the column or key.
      values: of each clip `[clip]` float64, in the table's own units; NaN where the
        table lacks the file.
    """

    name: str
    values: np.ndarray


class Labels(NamedTuple):
    """Labels of clips.

    Attributes:
      values: `[clip]` float32 in [0, 1].
      origin: one line on where they come from.
      ratings: the same as the table has them; None without a table.
    """

    values: np.ndarray
    origin: str
    ratings: Ratings | None = None


def make_labels(
    source: str,
    column: str,
    files: Sequence[str],
    descriptors: Mapping[str, Sequence[float]],
    seed: int,
    partial: bool = False,
) -> Labels:
    """Give each clip a label.

    Args:
      source: "random", the name of a descriptor, with a minus in front for less of it,
        or the path of a CSV, TSV or JSON file.
      column: the column or key of that file; may be empty if there is only one.
      files: of each clip, relative to the corpus.
      descriptors: name -> one value per clip.
      seed: of the random labels.
      partial: whether a table may lack some of the files.

    Raises:
      LabelError: the name is unknown, the table unusable, or a file has no label.
    """
    if source == "random":
        return Labels(random_labels(len(files), seed), f"random, seed {seed}")
    name, sign = quality_names.split(source)
    if name in descriptors:
        signed = [sign * value for value in descriptors[name]]
        return Labels(rank_scaled(signed), f"descriptor {source}, by rank")
    if not is_table(source):
        names = ", ".join(descriptors)
        raise LabelError(
            f"corpus.labels: {source!r} is neither random, nor a descriptor ({names}), "
            "nor the path of a .csv, .tsv or .json file"
        )
    table, column = read_table(source, column)
    values = np.array(values_of(files, table, source, partial), np.float64)
    known = np.isfinite(values)
    labels = np.full(len(values), (LOWEST + HIGHEST) / 2, np.float32)
    labels[known], change = scale_values(values[known])
    origin = f"{printable(os.path.basename(source))}, {column}{change}"
    if not known.all():
        missing = len({file for file, k in zip(files, known, strict=True) if not k})
        origin += f", {missing} of {len(set(files))} files without a label"
    return Labels(labels, origin, Ratings(column, values))


def random_labels(count: int, seed: int) -> np.ndarray:
    """Draw `[count]` labels uniformly from [0.1, 1].

    A longer draw of the same seed begins with the shorter one.
    """
    generator = np.random.default_rng(seed)
    return generator.uniform(LOWEST, HIGHEST, count).astype(np.float32)


def rank_scaled(values: Sequence[float]) -> np.ndarray:
    """Spread values evenly over [0.1, 1] by rank; ties keep their order.

    >>> rank_scaled([5.0, -1.0, 7.0]).tolist()
    [0.550000011920929, 0.10000000149011612, 1.0]
    """
    ranks = np.argsort(np.argsort(np.asarray(values, np.float64), kind="stable"))
    return _spread(ranks)


def scale_values(values: Sequence[float] | np.ndarray) -> tuple[np.ndarray, str]:
    """Use values in [0, 1] as they are, and scale others by min-max to [0.1, 1].

    Returns:
      `[n]` float32, and a note on what was done; empty if nothing was.
    """
    array = np.asarray(values, np.float64)
    low, high = array.min(), array.max()
    if low >= 0 and high <= 1:
        return array.astype(np.float32), ""
    note = f", scaled from [{low:g}, {high:g}] to [{LOWEST:g}, {HIGHEST:g}]"
    return _spread(array), note


def _spread(values: np.ndarray) -> np.ndarray:
    """Scale `[n]` by min-max to [0.1, 1] float32; equal values become the middle."""
    low, high = values.min(), values.max()
    unit = (values - low) / (high - low) if low < high else np.full(len(values), 0.5)
    return (LOWEST + (HIGHEST - LOWEST) * unit).astype(np.float32)
