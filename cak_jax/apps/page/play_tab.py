"""The tab to play a sound through an effect, and to compare it with the dry sound."""

import dataclasses
import pathlib
import urllib.parse
from typing import Any, NamedTuple

import gradio as gr

from cak_jax.apps.page import rendering, request_checks
from cak_jax.apps.page.request_checks import FROM_CODE, FROM_FILE, NO_EFFECT
from cak_jax.apps.page.site import ServerLimits, show_errors
from cak_jax.effect import locate
from cak_jax.effect.schema import EffectError, read_document
from cak_jax.rendering.settings import FLIPS, MIX, SIZE, TILT, RenderSettings
from cak_jax.report import style
from cak_jax.report.html_page import fill

ASSETS = pathlib.Path(__file__).parent / "assets"
FIRST = "bright"
EMPTY = "Choose a sound and press Render; then compare here."
# One rendering at a time, because each uses all cores.
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "render"}
# For events that are no part of the page's interface for programs.
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
PICTURE: dict[str, Any] = {"show_label": False, "interactive": False, "buttons": []}


class EffectControls(NamedTuple):
    """The controls that choose an effect, as `request_checks.effect_document` takes."""

    source: gr.Dropdown
    file: gr.File
    code: gr.Textbox


def build(limits: ServerLimits, page: gr.Blocks) -> EffectControls:
    """Lay out the tab, connect its events, return the controls of its effect."""
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            sound = gr.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                label=f"Your sound, at most {limits.longest / 60:g} minutes",
                editable=False,
                buttons=[],  # the default ones send the sound to a service elsewhere
                elem_id="sound",
            )
            first = add_effect_controls("Effect", "first", FIRST)
            amount = gr.Slider(
                *(0, request_checks.LARGEST_AMOUNT, 0.5),
                step=0.01,
                label="Amount",
                info="The knob: 0 is your sound itself, 1 the effect as it was learned",
                elem_id="amount",
            )
            button = gr.Button("Render", variant="primary", elem_id="render")
            shape = add_shape()
            with gr.Accordion("Morph with a second effect", open=False):
                second = add_effect_controls("Second effect", "second", NO_EFFECT)
                share = gr.Slider(0, 1, 0.5, step=0.01, label="Share of the second")
        with gr.Column(scale=6, min_width=420):
            results = add_results()
    controls = [sound, *first, amount, *shape, *second, share]
    events = {"inputs": controls, "outputs": results, **ONE_AT_A_TIME}
    handlers = PlayHandlers(limits)
    play = show_errors(handlers.render)
    button.click(
        play, **events, api_name="render", api_description="Render a sound.",
        show_progress_on=results[1:4],
    )  # fmt: skip
    again = show_errors(handlers.render_again)
    knobs = [amount.release, share.release]
    knobs += [c.change if isinstance(c, gr.Radio) else c.release for c in shape]
    gr.on(
        knobs, again, **events, trigger_mode="always_last", api_visibility="private",
        show_progress_on=results[1:4],
    )  # fmt: skip
    gr.on(
        [page.load, first.source.change, first.file.change, first.code.change],
        show_errors(handlers.show_kernel),
        inputs=[*first],
        outputs=[results[3]],
        **PRIVATE,
    )
    return first


def show_chosen(
    selector: gr.Dropdown | gr.Radio, fields: dict[str, gr.components.Component]
) -> None:
    """Show a field only while its choice is selected; `fields` are by choice."""
    selector.change(
        lambda chosen: tuple(gr.update(visible=chosen == name) for name in fields),
        selector,
        list(fields.values()),
        **PRIVATE,
    )


def add_effect_controls(label: str, name: str, value: str) -> EffectControls:
    """Add the controls that choose an effect; file and code appear when chosen."""
    choices = []
    for shipped in locate.names():
        provenance = read_document(locate.find(shipped)).get("provenance", {})
        character = provenance.get("character", "")
        choices.append((f"{shipped} - {character}".removesuffix(" - "), shipped))
    choices += [(FROM_FILE, FROM_FILE), (FROM_CODE, FROM_CODE)]
    if value == NO_EFFECT:
        choices.insert(0, (NO_EFFECT, NO_EFFECT))
    source = gr.Dropdown(choices, value=value, label=label, elem_id=f"{name}-effect")
    file = gr.File(
        file_types=[".json"],
        type="filepath",
        label="effect.json",
        visible=value == FROM_FILE,
        elem_id=f"{name}-file",
    )
    code = gr.Textbox(
        label="Text code",
        placeholder="cak1... or cak2...",
        max_length=request_checks.LONGEST_CODE,
        visible=value == FROM_CODE,
        elem_id=f"{name}-code",
    )
    show_chosen(source, {FROM_FILE: file, FROM_CODE: code})
    return EffectControls(source, file, code)


def add_shape() -> list[Any]:
    """Add the controls of mix and shape, in the order of `render_settings`."""
    with gr.Accordion("Mix and shape", open=False):
        mix = gr.Slider(*MIX, 1, step=0.01, label="Mix", elem_id="mix")
        with gr.Row():
            sizes = [
                gr.Slider(*SIZE, 1, step=1, label=f"Size in {axis}")
                for axis in ("time", "frequency")
            ]
        flip = gr.Radio(list(FLIPS), value="none", label="Flip")
        tilt = gr.Slider(
            *(*TILT, 0),
            step=0.01,
            label="Tilt",
            info="Above 0 less of the effect in the bass, below 0 less in the treble",
        )
    return [mix, *sizes, flip, tilt]


def add_results() -> list[Any]:
    """Add the displays of a rendering, in the order of `PlayHandlers.render`."""
    player = gr.HTML(
        fill(ASSETS / "empty.html", text=EMPTY),
        js_on_load=(ASSETS / "player.js").read_text("utf-8"),
        elem_id="player",
    )
    pictures = []
    with gr.Tabs():
        for title in ("Spectrograms", "Waveform", "Kernel"):
            with gr.Tab(title):
                pictures.append(gr.Image(**PICTURE, elem_id=title.lower()))
    with gr.Row():
        download = add_download("24-bit WAV", "download")
        effect = add_download("effect.json", "download-effect")
    code = gr.Textbox(
        label="This effect as a text code",
        interactive=False,
        buttons=["copy"],
        elem_id="code",
    )
    return [player, *pictures, download, effect, code]


def add_download(content: str, name: str) -> gr.DownloadButton:
    """Add a button that downloads a result; it waits for one."""
    return gr.DownloadButton(f"Download {content}", interactive=False, elem_id=name)


@dataclasses.dataclass(frozen=True)
class PlayHandlers:
    """The tab's handlers."""

    limits: ServerLimits

    def render(
        self,
        sound: Any,
        which: Any,
        file: Any,
        code: Any,
        amount: Any,
        mix: Any,
        size_time: Any,
        size_frequency: Any,
        flip: Any,
        tilt: Any,
        second_which: Any,
        second_file: Any,
        second_code: Any,
        share: Any,
    ) -> list[Any]:
        """Render; return the values of `add_results`."""
        cache = self.limits.cache
        amount = request_checks.number(
            "amount", amount, 0.0, request_checks.LARGEST_AMOUNT
        )
        share = request_checks.number("share of the second", share, 0.0, 1.0)
        settings = request_checks.render_settings(
            mix, size_time, size_frequency, flip, tilt
        )
        first = request_checks.effect_document(which, file, code, cache)
        second = None
        if second_which != NO_EFFECT:
            second = request_checks.effect_document(
                second_which, second_file, second_code, cache
            )
        path = request_checks.uploaded("the sound", sound, cache)
        dry = rendering.read_sound(path, self.limits.longest)
        effect = rendering.make_effect(first, second, share)
        folder = self.limits.new_folder()
        rendered = rendering.write(effect, dry, amount, settings, folder)
        player = fill(
            ASSETS / "player.html",
            dry=address(rendered.dry),
            wet=address(rendered.wet),
            facts=rendered.facts,
        )
        return [
            player,
            *map(str, (rendered.spectrograms, rendered.waveform, rendered.kernel)),
            gr.update(value=str(rendered.wet), interactive=True),
            gr.update(value=str(rendered.effect_file), interactive=True),
            rendering.code_of(effect),
        ]

    def render_again(self, sound: Any, *values: Any) -> Any:
        """Render after a knob was turned; do nothing while there is no sound."""
        return gr.skip() if sound is None else self.render(sound, *values)

    def show_kernel(self, which: Any, file: Any, code: Any) -> str | None:
        """Return a picture of an effect's kernel; None while there is no effect."""
        try:
            document = request_checks.effect_document(
                which, file, code, self.limits.cache
            )
        except (request_checks.RequestError, EffectError):
            return None
        effect = rendering.make_effect(document)
        figure = rendering.draw_kernel(effect, RenderSettings())
        path = self.limits.new_folder() / "kernel.png"
        return str(style.save(figure, path, dpi=rendering.DPI))


def address(path: pathlib.Path) -> str:
    """Return the address of a file of the cache on the page."""
    return "gradio_api/file=" + urllib.parse.quote(str(path))
