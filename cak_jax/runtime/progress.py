"""Progress bars with time left, only on a terminal."""

from typing import NoReturn, Self

import tqdm


class Bars:
    """Progress bars, one per stage."""

    def __init__(self) -> None:
        self._bar: tqdm.tqdm[NoReturn] | None = None
        self._hidden = False

    def __enter__(self) -> Self:
        """Start without a bar."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the last bar."""
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show `done` of `total` of the stage `what`."""
        if self._bar is None or self._bar.desc != what:
            self.__exit__()
            self._bar = tqdm.tqdm(total=total, desc=what, disable=None, leave=False)
            self._bar.desc = what
        self._bar.update(done - self._bar.n)
        if self._hidden:
            # An update alone is not always drawn, and the next one may take minutes.
            self._bar.refresh()
            self._hidden = False

    def clear(self) -> None:
        """Take the bar off its line, so that something can be printed there."""
        if self._bar is not None:
            self._bar.clear()
            self._hidden = True
