"""The page: both tabs, how they look, and the server that gives them out."""

import contextlib
from collections.abc import Iterator

import gradio as gr
from starlette.middleware import Middleware

from cak_jax.apps.page import play_tab, train_tab
from cak_jax.apps.page.request_filter import Door
from cak_jax.apps.page.site import Place
from cak_jax.apps.page.training_process import Desk

__all__ = ["Place", "build", "opened"]
# Waiting events, all visitors together.
LONGEST_QUEUE = 32
THREADS = 8
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def build(place: Place, desk: Desk) -> gr.Blocks:
    """Return the page, not served yet."""
    with gr.Blocks(title="cak_jax", analytics_enabled=False) as page:
        gr.HTML((play_tab.ASSETS / "top.html").read_text("utf-8"), elem_id="top")
        with gr.Tabs() as tabs:
            with gr.Tab("Play", id="play"):
                played = play_tab.build(place, page)
            if place.training:
                with gr.Tab("Train", id="train"):
                    train_tab.build(place, desk, page, tabs, played)
    page.queue(max_size=LONGEST_QUEUE, api_open=False)
    return page


@contextlib.contextmanager
def opened(place: Place, host: str, port: int) -> Iterator[gr.Blocks]:
    """Serve the page while the block runs; a training is stopped after it.

    Args:
      place: what is served.
      host, port: where.

    Raises:
      OSError: the address cannot be had.
    """
    # No fonts from elsewhere.
    theme = gr.themes.Soft(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    door = Middleware(
        Door,
        cache=place.cache,
        largest=place.largest,
        hosts=(*LOOPBACK, host) if place.local else (),
    )
    desk = Desk(place.runs, place.training_seconds)
    page = build(place, desk)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=False,
            show_error=False,
            max_file_size=place.largest,
            max_threads=THREADS,
            state_session_capacity=200,
            prevent_thread_lock=True,
            quiet=True,
            ssr_mode=False,
            mcp_server=False,
            run_history=False,
            num_workers=0,
            enable_monitoring=False,
            footer_links=[],
            pwa=False,
            app_kwargs={"middleware": [door], "docs_url": None, "redoc_url": None},
            theme=theme,
            css=(play_tab.ASSETS / "page.css").read_text("utf-8"),
        )
        yield page
    finally:
        desk.close()
        page.close(verbose=False)
