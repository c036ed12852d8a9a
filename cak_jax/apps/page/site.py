"""What the tabs of the page share: where files go, what is allowed, how errors read."""

import dataclasses
import functools
import html
import pathlib
import secrets
import traceback
from collections.abc import Callable

from cak_jax.apps.page.request_checks import RequestError
from cak_jax.apps.page.request_filter import forget_old
from cak_jax.audio.formats import AudioError
from cak_jax.effect.schema import EffectError

NO_MEMORY = "there is not enough memory for this now: try a shorter sound"


@dataclasses.dataclass(frozen=True)
class Place:
    """How the page is served.

    Attributes:
      cache: folder of uploads and results, all that is ever served.
      runs: folder of trainings.
      longest: seconds of a sound.
      largest: bytes of an upload.
      training: whether there is the tab to train.
      training_seconds: after which a training is stopped.
      local: only this machine reaches the page; its folders may be named.
    """

    cache: pathlib.Path
    runs: pathlib.Path
    longest: float
    largest: int
    training: bool
    training_seconds: float
    local: bool

    def new_folder(self) -> pathlib.Path:
        """Make a folder for results, and forget old ones and old uploads."""
        forget_old(self.cache)
        # Whoever knows its name may read what is in it.
        folder = self.cache / secrets.token_hex(16)
        folder.mkdir()
        return folder


def told(function: Callable) -> Callable:
    """Turn what goes wrong in an event's handler into one sentence for the page.

    Gradio shows it as HTML, and names that strangers chose may stand in it.
    """
    import gradio as gr
    from jax.errors import JaxRuntimeError

    def fail(sentence: str):
        return gr.Error(
            html.escape(sentence, quote=False),
            title="This cannot be done",
            print_exception=False,
        )

    @functools.wraps(function)
    def run(*values):
        try:
            return function(*values)
        except (RequestError, EffectError, AudioError) as error:
            raise fail(str(error)) from None
        except (MemoryError, JaxRuntimeError):
            raise fail(NO_MEMORY) from None
        except OSError as error:
            raise fail(f"the server cannot do this now: {error.strerror}") from None
        except Exception:
            traceback.print_exc()
            raise fail(
                "this went wrong inside the page; its terminal says where"
            ) from None

    return run
