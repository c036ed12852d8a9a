"""What the tabs share: the server's limits and folders, and how errors are shown."""

import contextlib
import dataclasses
import functools
import html
import pathlib
import secrets
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from cak_jax.apps.page.request_checks import RequestError
from cak_jax.apps.page.request_filter import delete_old
from cak_jax.audio.formats import AudioError
from cak_jax.data.sound_zip import ZipError
from cak_jax.effect.schema import EffectError

NO_MEMORY = "there is not enough memory for this now: try a shorter sound"
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class ServerLimits:
    """What the server accepts, and the folders that it uses."""

    cache: pathlib.Path  # of uploads and results; files elsewhere are never served
    runs: pathlib.Path  # of trainings
    longest: float  # seconds of a sound
    largest: int  # bytes of an upload
    training: bool  # whether there is the tab to train
    training_seconds: float  # after which a training is stopped
    # Whether only this machine reaches the page; visitors may name its folders then.
    local: bool

    def new_folder(self) -> pathlib.Path:
        """Make a folder for results; delete uploads and results of an hour ago."""
        delete_old(self.cache)
        # The name is a secret, because whoever knows it may read the folder's files.
        folder = self.cache / secrets.token_hex(16)
        folder.mkdir()
        return folder


class Running:
    """Counts the handlers that run, so that the process does not end below them.

    One that renders would crash in XLA's threads, and leave files behind.
    """

    def __init__(self) -> None:
        self._count, self._changed = 0, threading.Condition()

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Count a handler while the `with` block runs."""
        with self._changed:
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until none runs, so many seconds at most; say whether none does."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._count, seconds)


# Of this process, which serves one page.
RUNNING = Running()


def show_errors(handler: Callable[..., Result]) -> Callable[..., Result]:
    """Wrap an event's handler: the page shows each error as one sentence.

    Gradio shows sentences as HTML, so they are escaped: they may contain names that
    strangers chose.
    """
    import gradio as gr
    from jax.errors import JaxRuntimeError

    @functools.wraps(handler)
    def run(*values: Any, **options: Any) -> Result:
        try:
            with RUNNING.one():
                return handler(*values, **options)
        except (RequestError, EffectError, AudioError, ZipError) as error:
            sentence = str(error)
        except (MemoryError, JaxRuntimeError):
            sentence = NO_MEMORY
        except OSError as error:
            sentence = f"the server cannot do this now: {error.strerror}"
        except Exception:
            traceback.print_exc()
            sentence = "this went wrong inside the page; its terminal says where"
        sentence = html.escape(sentence, quote=False)
        raise gr.Error(sentence, title="This cannot be done", print_exception=False)

    return run
