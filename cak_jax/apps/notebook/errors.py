"""Errors in a notebook: a line for what a user can mend, not a traceback."""

import contextlib
from collections.abc import Iterator

from cak_jax.runtime.errors import UserError


class NotebookError(UserError):
    """What a user can mend; notebooks show its message alone."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks for this where it would print a traceback.
        return [f"error: {line}" for line in str(self).splitlines()]


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn the package's own errors, and the system's, into `NotebookError`.

    Also a decorator, `@told()`. Faults of the program keep their traceback.
    """
    try:
        yield
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        raise NotebookError(f"{named}{error.strerror or error}") from None
    except UserError as error:
        raise NotebookError(str(error)) from None
