"""What the page asks: one file or two at a time; answers are written at once.

A rater numbers its questions from 0. Those below `open_place` were answered or skipped
and can be changed; `open_place` is the next one, None if there is none.
"""

import abc
import dataclasses
import pathlib
from collections.abc import Sequence

from cak_jax.apps.rate import order, pairs, table
from cak_jax.apps.rate.pairs import Comparison
from cak_jax.data.label_table import file_key

# What a person answers: a rating of 0 to 9, or which of two has more.
RATINGS = tuple(range(10))
MORE = (pairs.FIRST, pairs.SECOND, pairs.EQUAL)


@dataclasses.dataclass(frozen=True)
class Question:
    """A question of the page.

    Attributes:
      place: its number.
      names: of the file, or of the two files, that are played.
      answer: as it stands in the table; "" for none.
      done, total: answers so far, and those that are planned.
    """

    place: int
    names: tuple[str, ...]
    answer: str
    done: int
    total: int


class Rater(abc.ABC):
    """Asks about files, and writes the answers into a table.

    Attributes:
      order: of all files.
      playable: the files that can be played.
    """

    ANSWERS: tuple[int, ...]

    def __init__(self, path: pathlib.Path, names: Sequence[str]) -> None:
        """Rate the files of these names in a table at `path`."""
        self.path = path
        self.order = order.spread_order(names)
        self.playable = list(self.order)
        self._names = {file_key(name): name for name in names}

    def leave_out(self, name: str) -> None:
        """Ask no more about a file, because it cannot be played."""
        if name in self.playable:
            self.playable.remove(name)

    def ratings(self) -> dict[str, str]:
        """Return file -> rating as the table has them."""
        return table.read_ratings(self.path, self._names)

    @abc.abstractmethod
    def open_place(self) -> int | None:
        """Return the place of the next question; None if all are answered."""

    @abc.abstractmethod
    def question(self, place: int | None) -> Question:
        """Return the question at a place from 0 to `open_place`; None for the end."""

    @abc.abstractmethod
    def answer(self, place: int, value: int) -> None:
        """Write an answer.

        Raises:
          TableError, OSError: the table cannot be read or written; it is unchanged.
        """

    @abc.abstractmethod
    def skip(self, place: int) -> None:
        """Ask the question at a place later."""

    @abc.abstractmethod
    def last_place(self) -> int:
        """Return the last place that can be gone back to; -1 if there is none."""


class SingleRater(Rater):
    """Asks for a rating of one file at a time. A place is that in the order."""

    ANSWERS = RATINGS

    def __init__(self, path: pathlib.Path, names: Sequence[str]) -> None:
        """Go on with the table at `path`, if there is one.

        Raises:
          TableError: the file at `path` is no such table, or it holds ratings that
            were fitted to comparisons.
        """
        super().__init__(path, names)
        self._skipped: list[str] = []
        comparisons = table.pairs_path(path)
        if comparisons.exists():
            raise table.TableError(
                f"{path}: its ratings are fitted to {comparisons.name}; go on with "
                f"--pairs, or {table.ANOTHER}"
            )
        self.ratings()

    def open_place(self) -> int | None:
        """Return the place of the next file to rate."""
        skipped = [name for name in self._skipped if name in self.playable]
        name = order.next_name(self.playable, self.ratings(), skipped)
        return None if name is None else self.order.index(name)

    def question(self, place: int | None) -> Question:
        """Return the question about one file."""
        ratings = self.ratings()
        done = sum(name in ratings for name in self.playable)
        total = len(self.playable)
        if place is None:
            return Question(len(self.order), (), "", done, total)
        name = self.order[place]
        return Question(place, (name,), ratings.get(name, ""), done, total)

    def answer(self, place: int, value: int) -> None:
        """Write a rating of 0 to 9."""
        ratings = self.ratings() | {self.order[place]: str(value)}
        table.write_ratings(self.path, ratings)

    def skip(self, place: int) -> None:
        """Ask for the file after all others."""
        name = self.order[place]
        self._skipped = [other for other in self._skipped if other != name]
        self._skipped.append(name)

    def last_place(self) -> int:
        """Return the place of the last file."""
        return len(self.order) - 1


class PairRater(Rater):
    """Asks which of two files has more. A place is a row of the comparisons.

    The ratings are fitted to all comparisons after each answer.
    """

    ANSWERS = MORE

    def __init__(self, path: pathlib.Path, names: Sequence[str]) -> None:
        """Go on with the comparisons beside `path`, if there are some.

        Raises:
          TableError: one of the two files is no such table, or the ratings were not
            fitted to comparisons.
        """
        super().__init__(path, names)
        self._path = table.pairs_path(path)
        self._skipped: set[frozenset[str]] = set()
        if self.ratings() and not self._path.exists():
            raise table.TableError(
                f"{path}: its ratings are not fitted to comparisons; go on without "
                f"--pairs, or {table.ANOTHER}"
            )
        self._comparisons()

    def open_place(self) -> int | None:
        """Return the place of the next comparison."""
        comparisons = self._comparisons()
        return len(comparisons) if self._next(comparisons) else None

    def question(self, place: int | None) -> Question:
        """Return a comparison: the next one, or one that was answered."""
        comparisons = self._comparisons()
        done, total = len(comparisons), pairs.planned(len(self.playable))
        if place is None:
            return Question(done, (), "", done, total)
        if place < len(comparisons):
            first, second, more = comparisons[place]
            return Question(place, (first, second), str(more), done, total)
        names = self._next(comparisons) or ()
        return Question(place, names, "", done, total)

    def answer(self, place: int, value: int) -> None:
        """Write a comparison, and the ratings that fit all of them."""
        comparisons = self._comparisons()
        first, second = self.question(place).names
        comparisons[place : place + 1] = [Comparison(first, second, value)]
        table.write_comparisons(self._path, comparisons)
        fitted = pairs.ratings_of(comparisons)
        table.write_ratings(self.path, {n: f"{r:.2f}" for n, r in fitted.items()})

    def skip(self, place: int) -> None:
        """Ask the pair no more, unless the page is started again."""
        self._skipped.add(frozenset(self.question(place).names))

    def last_place(self) -> int:
        """Return the place of the last comparison."""
        return len(self._comparisons()) - 1

    def _comparisons(self) -> list[Comparison]:
        return table.read_comparisons(self._path, self._names)

    def _next(self, comparisons: Sequence[Comparison]) -> tuple[str, str] | None:
        return pairs.next_pair(self.playable, comparisons, self._skipped)
