"""Progress bars with the time left, on a terminal only."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, NoReturn, Self

import tqdm

COUNTED = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}, {remaining} left"
TICK = 0.5  # seconds between two looks at the clock of a stage that cannot be counted


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
            self._bar = None

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Show that `done` of `total` steps of a stage are done."""
        if self._bar is None or self._bar.desc != stage:
            self._open(stage, total=total, initial=done, bar_format=COUNTED)
        assert self._bar is not None
        self._bar.update(done - self._bar.n)

    @contextlib.contextmanager
    def waiting(self, stage: str) -> Iterator[None]:
        """Show a clock while the block does what cannot be counted."""
        self._open(stage, bar_format="{desc}: {elapsed}")
        bar, ended = self._bar, threading.Event()
        assert bar is not None

        def tick() -> None:
            while not ended.wait(TICK):
                bar.refresh()

        clock = threading.Thread(target=tick, name="clock", daemon=True)
        if not bar.disable:
            clock.start()
        try:
            yield
        finally:
            ended.set()
            if clock.is_alive():
                clock.join()
            self.__exit__()

    def _open(self, stage: str, **options: Any) -> None:
        """Close the bar of the stage before, and open another one."""
        self.__exit__()
        self._bar = tqdm.tqdm(desc=stage, disable=None, leave=False, **options)
        self._bar.desc = stage
