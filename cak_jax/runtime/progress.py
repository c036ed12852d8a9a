"""Progress bars with the time left, on a terminal only."""

from typing import NoReturn, Self

import tqdm


class Bars:
    """Progress bars, one for each stage of a task."""

    def __init__(self) -> None:
        self._bar: tqdm.tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        """Start without a bar."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the last bar."""
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Show that `done` of `total` steps of a stage are done."""
        if self._bar is None or self._bar.desc != stage:
            self.__exit__()
            self._bar = tqdm.tqdm(total=total, desc=stage, disable=None, leave=False)
            self._bar.desc = stage
        self._bar.update(done - self._bar.n)
