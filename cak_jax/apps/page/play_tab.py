"""The tab to play: a sound, an effect and its knob; what comes out, beside the dry."""

import pathlib
import urllib.parse
from typing import NamedTuple

import gradio as gr

from cak_jax.apps.page import pictures, rendering, request_checks
from cak_jax.apps.page.request_checks import NO_EFFECT, OWN_CODE, OWN_FILE, Picked
from cak_jax.apps.page.site import Place, told
from cak_jax.effect import locate
from cak_jax.effect.schema import EffectError, read_document
from cak_jax.rendering.settings import FLIPS, MIX, SIZE, TILT, RenderSettings
from cak_jax.report import style
from cak_jax.report.html_page import fill

ASSETS = pathlib.Path(__file__).parent / "assets"
FIRST = "glass"
EMPTY = "Choose a sound and press Render; then compare here."
# One rendering after another: each uses all cores.
ONE = {"concurrency_limit": 1, "concurrency_id": "render"}
# What is no part of the page's interface for programs.
QUIET = {"api_visibility": "private", "show_progress": "hidden"}


class Picker(NamedTuple):
    """The controls that choose an effect."""

    which: gr.Dropdown
    file: gr.File
    code: gr.Textbox


class Tab(NamedTuple):
    """What other tabs change of this one."""

    which: gr.Dropdown
    code: gr.Textbox


def build(place: Place, page: gr.Blocks) -> Tab:
    """Lay out the tab and connect its events."""
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            sound = gr.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                label=f"Your sound, at most {place.longest / 60:g} minutes",
                editable=False,
                buttons=[],  # the usual ones share it with a service elsewhere
                elem_id="sound",
            )
            first = add_picker("Effect", "first", FIRST)
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
                second = add_picker("Second effect", "second", NO_EFFECT)
                share = gr.Slider(0, 1, 0.5, step=0.01, label="Share of the second")
        with gr.Column(scale=6, min_width=420):
            shown = add_results()
    given = [sound, *first, amount, *shape, *second, share]
    events = {"inputs": given, "outputs": shown, **ONE}
    play = told(Player(place).render)
    button.click(
        play, **events, api_name="render", api_description="Render a sound.",
        show_progress_on=shown[1:4],
    )  # fmt: skip
    again = told(Player(place).render_again)
    knobs = [amount.release, share.release]
    knobs += [c.change if isinstance(c, gr.Radio) else c.release for c in shape]
    gr.on(
        knobs, again, **events, trigger_mode="always_last", api_visibility="private",
        show_progress_on=shown[1:4],
    )  # fmt: skip
    gr.on(
        [page.load, first.which.change, first.file.change, first.code.change],
        told(Player(place).show_kernel),
        inputs=[*first],
        outputs=[shown[3]],
        **QUIET,
    )
    return Tab(first.which, first.code)


def show_chosen(which: gr.components.Component, fields: dict) -> None:
    """Show that of the fields, by choice, which belongs to what is chosen."""
    which.change(
        lambda chosen: tuple(gr.update(visible=chosen == name) for name in fields),
        which,
        list(fields.values()),
        **QUIET,
    )


def add_picker(label: str, name: str, value: str) -> Picker:
    """Add the controls that choose an effect; two of them show when they are due."""
    choices = [(described(name), name) for name in locate.names()]
    choices += [(OWN_FILE, OWN_FILE), (OWN_CODE, OWN_CODE)]
    if value == NO_EFFECT:
        choices.insert(0, (NO_EFFECT, NO_EFFECT))
    which = gr.Dropdown(choices, value=value, label=label, elem_id=f"{name}-effect")
    file = gr.File(
        file_types=[".json"],
        type="filepath",
        label="effect.json",
        visible=value == OWN_FILE,
        elem_id=f"{name}-file",
    )
    code = gr.Textbox(
        label="Text code",
        placeholder="cak1...",
        max_length=request_checks.LONGEST_CODE,
        visible=value == OWN_CODE,
        elem_id=f"{name}-code",
    )
    show_chosen(which, {OWN_FILE: file, OWN_CODE: code})
    return Picker(which, file, code)


def described(name: str) -> str:
    """Return a shipped effect's name and what it does."""
    provenance = read_document(locate.find(name)).get("provenance", {})
    return f"{name} - {provenance.get('character', '')}".removesuffix(" - ")


def add_shape() -> list:
    """Add the controls of mix and shape, in the order of `app_checks`."""
    with gr.Accordion("Mix and shape", open=False):
        mix = gr.Slider(*MIX, 1, step=0.01, label="Mix", elem_id="mix")
        with gr.Row():
            sizes = [
                gr.Slider(*SIZE, 1, step=1, label=f"Size in {what}")
                for what in ("time", "frequency")
            ]
        flip = gr.Radio(list(FLIPS), value="none", label="Flip")
        tilt = gr.Slider(
            *(*TILT, 0),
            step=0.01,
            label="Tilt",
            info="Above 0 less of the effect in the bass, below 0 less in the treble",
        )
    return [mix, *sizes, flip, tilt]


def add_results() -> list:
    """Add what shows a rendering, in the order that `Player` returns it."""
    player = gr.HTML(
        fill(ASSETS / "empty.html", text=EMPTY),
        js_on_load=(ASSETS / "player.js").read_text("utf-8"),
        elem_id="player",
    )
    picture = {"show_label": False, "interactive": False, "buttons": []}
    with gr.Tabs():
        with gr.Tab("Spectrograms"):
            spectrograms = gr.Image(**picture, elem_id="spectrograms")
        with gr.Tab("Waveform"):
            waveform = gr.Image(**picture, elem_id="waveform")
        with gr.Tab("Kernel"):
            kernel = gr.Image(**picture, elem_id="kernel")
    with gr.Row():
        download = gr.DownloadButton(
            "Download 24-bit WAV", interactive=False, elem_id="download"
        )
        effect = gr.DownloadButton(
            "Download effect.json", interactive=False, elem_id="download-effect"
        )
    code = gr.Textbox(
        label="This effect as a text code",
        interactive=False,
        buttons=["copy"],
        elem_id="code",
    )
    return [player, spectrograms, waveform, kernel, download, effect, code]


class Player:
    """The tab's handlers."""

    def __init__(self, place: Place):
        """Serve a place."""
        self._place = place

    def render(
        self,
        sound,
        which,
        file,
        code,
        amount,
        mix,
        size_time,
        size_frequency,
        flip,
        tilt,
        second_which,
        second_file,
        second_code,
        share,
    ) -> list:
        """Render; return what `add_results` shows."""
        cache = self._place.cache
        amount = request_checks.number(
            "amount", amount, 0.0, request_checks.LARGEST_AMOUNT
        )
        share = request_checks.number("share of the second", share, 0.0, 1.0)
        settings = request_checks.render_settings(
            mix, size_time, size_frequency, flip, tilt
        )
        document = request_checks.effect_document(Picked(which, file, code), cache)
        second = None
        if second_which != NO_EFFECT:
            picked = Picked(second_which, second_file, second_code)
            second = request_checks.effect_document(picked, cache)
        path = request_checks.uploaded("the sound", sound, cache)
        heard = rendering.read_sound(path, self._place.longest)
        effect = rendering.make_effect(document, second, share)
        folder = self._place.new_folder()
        done = rendering.write(effect, heard, amount, settings, folder)
        return [
            player_of(done),
            *map(str, (done.spectrograms, done.waveform, done.kernel)),
            gr.update(value=str(done.wet), interactive=True),
            gr.update(value=str(done.effect_file), interactive=True),
            rendering.code_of(effect),
        ]

    def render_again(self, sound, *values):
        """Render, where there is a sound, when a knob was turned."""
        return gr.skip() if sound is None else self.render(sound, *values)

    def show_kernel(self, which, file, code):
        """Return a picture of an effect's kernel; None while there is no effect."""
        try:
            picked = Picked(which, file, code)
            document = request_checks.effect_document(picked, self._place.cache)
        except (request_checks.RequestError, EffectError):
            return None
        effect = rendering.make_effect(document)
        figure = pictures.draw_kernel(effect, RenderSettings())
        path = self._place.new_folder() / "kernel.png"
        return str(style.save(figure, path, dpi=pictures.DPI))


def player_of(done: rendering.Rendered) -> str:
    """Return the player's HTML."""
    return fill(
        ASSETS / "player.html",
        dry=address(done.dry),
        wet=address(done.wet),
        facts=done.facts,
    )


def address(path: pathlib.Path) -> str:
    """Return where the page finds a file of the cache."""
    return "gradio_api/file=" + urllib.parse.quote(str(path))
