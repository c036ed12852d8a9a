"""The page of both tabs, and the server that serves it."""

import contextlib
from collections.abc import Iterator

import gradio as gr
from starlette.middleware import Middleware

from cak_jax.apps.page import play_tab, train_tab
from cak_jax.apps.page.request_filter import RequestFilter
from cak_jax.apps.page.site import RUNNING, ServerLimits
from cak_jax.apps.page.training_process import TrainingSlot
from cak_jax.runtime.local_http import LOOPBACK

# Waiting events of all visitors together.
LONGEST_QUEUE = 32
THREADS = 8
# Seconds that the end waits for what is being rendered.
LONGEST_END = 30.0


def build(limits: ServerLimits, slot: TrainingSlot) -> gr.Blocks:
    """Return the page, not served yet."""
    with gr.Blocks(title="cak_jax", analytics_enabled=False) as page:
        gr.HTML((play_tab.ASSETS / "top.html").read_text("utf-8"), elem_id="top")
        # Outside of the tabs, because what lies in a tab is loaded when it is opened.
        tokens = train_tab.add_tokens()
        with gr.Tabs() as tabs:
            with gr.Tab("Play", id="play"):
                played = play_tab.build(limits, slot, page)
            if limits.training:
                with gr.Tab("Train", id="train"):
                    train_tab.build(limits, slot, tokens, tabs, played)
    page.queue(max_size=LONGEST_QUEUE, api_open=False)
    return page


@contextlib.contextmanager
def opened(limits: ServerLimits, host: str, port: int) -> Iterator[gr.Blocks]:
    """Serve the page while the `with` block runs; stop a training at its end.

    Raises:
      OSError: the address cannot be used.
    """
    # Fonts of the system, because others would be fetched from the network.
    theme = gr.themes.Soft(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    request_filter = Middleware(
        RequestFilter,
        cache=limits.cache,
        largest=limits.largest,
        hosts=(*LOOPBACK, host) if limits.local else (),
    )
    slot = TrainingSlot(limits.runs, limits.training_seconds, limits.local)
    page = build(limits, slot)
    app_options = {"middleware": [request_filter], "docs_url": None, "redoc_url": None}
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=False,
            show_error=False,
            max_file_size=limits.largest,
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
            app_kwargs=app_options,
            theme=theme,
            css=(play_tab.ASSETS / "page.css").read_text("utf-8"),
            head=f"<script>{(play_tab.ASSETS / 'play.js').read_text('utf-8')}</script>",
        )
        yield page
    finally:
        slot.close()
        page.close(verbose=False)
        RUNNING.wait(LONGEST_END)
