"""Progress bars with time left, only on a terminal."""

import tqdm


class Bars:
    """Progress bars, one per stage."""

    def __init__(self):
        self._bar = None

    def __enter__(self):
        """Start without a bar."""
        return self

    def __exit__(self, *error):
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


def say(text: str) -> None:
    """Print a line now, also where the output is not a terminal."""
    print(text, flush=True)
