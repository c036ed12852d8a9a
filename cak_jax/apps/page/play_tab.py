"""The tab to play a sound through an effect, and to compare it with the dry sound.

Every change of a control renders. From the change until the result is there, the player
says that it still plays what it played before: `assets/play.js`.
"""

import dataclasses
import functools
import pathlib
import urllib.parse
from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr

from cak_jax.apps.page import examples, rendering, request_checks
from cak_jax.apps.page.request_checks import FROM_CODE, FROM_FILE, NO_EFFECT
from cak_jax.apps.page.site import ServerLimits, show_errors
from cak_jax.apps.page.training_process import TrainingSlot
from cak_jax.effect import locate
from cak_jax.effect.schema import read_document
from cak_jax.rendering.settings import FLIPS, MIX, SIZE, TILT
from cak_jax.report.html_page import fill

ASSETS = pathlib.Path(__file__).parent / "assets"
FIRST = "bright"
EMPTY = "One moment: the first sound is being rendered."
NO_SOUND = "Choose a sound file, record one, or take one of the examples."
# What the player says while a choice has nothing yet.
NOTHING_YET = {
    FROM_FILE: "Choose an effect.json below the effect.",
    FROM_CODE: "Paste a text code below the effect.",
}
# One rendering at a time, because each uses all cores.
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "render"}
# For events that are no part of the page's interface for programs.
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
PICTURE: dict[str, Any] = {"show_label": False, "interactive": False, "buttons": []}
PICTURES = ("What changes", "Before and after", "Waveform", "Kernel")
# Calls of `play.js` when a control changes, when the values of all controls are sent,
# and when the answer is there or refused.
CHANGED = "() => cak.play.changed()"
SENT = "(...values) => cak.play.sent(...values)"
DONE, REFUSED = "() => cak.play.done()", "() => cak.play.refused()"


class EffectControls(NamedTuple):
    """The controls that choose an effect, as `request_checks.effect_document` takes."""

    source: gr.Dropdown
    file: gr.File
    code: gr.Textbox


class Played(NamedTuple):
    """Parts of the tab that the other tab uses."""

    first: EffectControls
    second: EffectControls


def build(limits: ServerLimits, slot: TrainingSlot, page: gr.Blocks) -> Played:
    """Lay out the tab, connect its events, return what the other tab uses of it."""
    with gr.Row(elem_classes="sides"):
        with gr.Column(scale=4, min_width=300, elem_classes="controls"):
            with gr.Column(elem_classes="first"):
                choice, own = add_sound(limits)
                first = add_effect_controls("Effect", "first", FIRST)
                amount = gr.Slider(
                    *(0, request_checks.LARGEST_AMOUNT, 0.5),
                    step=0.01,
                    label="Amount",
                    info="0 is your sound itself, 1 the whole effect",
                    elem_id="amount",
                )
            with gr.Column(elem_classes="more"):
                shape = add_shape()
                with gr.Accordion("Morph with a second effect", open=False):
                    second = add_effect_controls("Second effect", "second", NO_EFFECT)
                    share = gr.Slider(0, 1, 0.5, step=0.01, label="Share of the second")
                button = gr.Button("Render again", elem_id="render")
        with gr.Column(scale=6, min_width=300, elem_classes="results"):
            results = add_results()
    controls = [choice, own, *first, amount, *shape, *second, share]
    typed = [first.code, second.code]
    # Before the rendering is connected, because events come in this order.
    gr.on([c.change for c in controls], None, js=CHANGED, **PRIVATE)
    rendering_event = gr.on(
        [
            page.load,
            button.click,
            # A code that is still being typed would be refused.
            *(c.submit for c in typed),
            *(c.blur for c in typed),
            *(c.change for c in controls if c not in typed),
        ],
        show_errors(PlayHandlers(limits, slot).render),
        inputs=controls,
        outputs=results,
        js=SENT,
        trigger_mode="always_last",
        api_name="render",
        api_description="Render a sound.",
        show_progress="hidden",
        **ONE_AT_A_TIME,
    )
    rendering_event.success(None, js=DONE, **PRIVATE)
    rendering_event.failure(None, js=REFUSED, **PRIVATE)
    return Played(first, second)


def show_chosen(
    selector: gr.Dropdown | gr.Radio, fields: dict[str, gr.components.Component]
) -> None:
    """Show a field only while its choice is selected; `fields` are by choice."""
    selector.change(
        # A tuple would be the value of a single field.
        lambda chosen: {
            field: gr.update(visible=chosen == name) for name, field in fields.items()
        },
        selector,
        list(fields.values()),
        **PRIVATE,
    )


def add_sound(limits: ServerLimits) -> tuple[gr.Radio, gr.Audio]:
    """Add the choice of a sound; the upload appears when it is chosen."""
    choice = gr.Radio(
        list(examples.CHOICES),
        value=examples.CHOICES[0],
        label="Sound",
        elem_id="sound-choice",
    )
    own = gr.Audio(
        sources=["upload", "microphone"],
        type="filepath",
        label=f"My sound, at most {limits.longest / 60:g} minutes",
        editable=False,
        buttons=[],  # the default ones send the sound to a service elsewhere
        visible=False,
        elem_id="sound",
    )
    show_chosen(choice, {examples.OWN: own})
    return choice, own


@functools.cache
def shipped_choices() -> tuple[tuple[str, str], ...]:
    """Return the effects that come with the package, as a dropdown's choices."""
    choices = []
    for shipped in locate.names():
        provenance = read_document(locate.find(shipped)).get("provenance", {})
        character = provenance.get("character", "")
        choices.append((f"{shipped} - {character}".removesuffix(" - "), shipped))
    return tuple(choices)


def effect_choices(
    value: str, trained: Sequence[tuple[str, str]] = ()
) -> list[tuple[str, str]]:
    """Return the choices of a dropdown of effects.

    Args:
      value: with which the dropdown began.
      trained: choices of effects that were trained here; they come first.
    """
    none = [(NO_EFFECT, NO_EFFECT)] if value == NO_EFFECT else []
    own = [(FROM_FILE, FROM_FILE), (FROM_CODE, FROM_CODE)]
    return [*none, *trained, *shipped_choices(), *own]


def add_effect_controls(label: str, name: str, value: str) -> EffectControls:
    """Add the controls that choose an effect; file and code appear when chosen."""
    source = gr.Dropdown(
        effect_choices(value), value=value, label=label, elem_id=f"{name}-effect"
    )
    file = gr.File(
        file_types=[".json"],
        type="filepath",
        label="effect.json",
        height=140,
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
    player = add_player("player", EMPTY)
    pictures = []
    with gr.Tabs():
        for title in PICTURES:
            with gr.Tab(title):
                name = title.lower().replace(" ", "-")
                pictures.append(gr.Image(**PICTURE, elem_id=name))
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


def add_player(name: str, text: str) -> gr.HTML:
    """Add a player of two sounds; it shows a text until there are sounds."""
    return gr.HTML(
        fill(ASSETS / "empty.html", text=text),
        js_on_load=(ASSETS / "player.js").read_text("utf-8"),
        elem_id=name,
        elem_classes="sounds",
    )


def fill_player(sounds: rendering.Pair, title: str, facts: tuple[str, ...]) -> str:
    """Return the player of a sound and what an effect makes of it, as HTML.

    `title` says what is heard of the effect: its name and the amount.
    """
    return fill(
        ASSETS / "player.html",
        dry=address(sounds.dry),
        wet=address(sounds.wet),
        title=title,
        facts=facts,
    )


def add_download(content: str, name: str) -> gr.DownloadButton:
    """Add a button that downloads a result; it waits for one."""
    return gr.DownloadButton(f"Download {content}", interactive=False, elem_id=name)


@dataclasses.dataclass(frozen=True)
class PlayHandlers:
    """The tab's handlers."""

    limits: ServerLimits
    slot: TrainingSlot

    def render(
        self,
        choice: Any,
        own: Any,
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
        """Render; return the values of `add_results`.

        A sound or an effect of one's own that is not there yet is no error.
        """
        for chosen, given in (
            (which, {FROM_FILE: file, FROM_CODE: code}),
            (second_which, {FROM_FILE: second_file, FROM_CODE: second_code}),
        ):
            if isinstance(chosen, str) and given.get(chosen, True) in (None, ""):
                return nothing(NOTHING_YET[chosen])
        cache, trained = self.limits.cache, self.slot.trained_effect
        amount = request_checks.number(
            "amount", amount, 0.0, request_checks.LARGEST_AMOUNT
        )
        share = request_checks.number("share of the second", share, 0.0, 1.0)
        settings = request_checks.render_settings(
            mix, size_time, size_frequency, flip, tilt
        )
        document = request_checks.effect_document
        first, second = document(which, file, code, cache, trained), None
        if second_which != NO_EFFECT:
            second = document(second_which, second_file, second_code, cache, trained)
        choice = request_checks.choice("the sound", choice, examples.CHOICES)
        if choice != examples.OWN:
            sound = examples.example(choice)
        elif own is None:
            return nothing(NO_SOUND)
        else:
            path = request_checks.uploaded("the sound", own, cache)
            sound = rendering.read_sound(path, self.limits.longest)
        effect = rendering.make_effect(first, second, share)
        folder = self.limits.new_folder()
        rendered = rendering.write(effect, sound, amount, settings, folder)
        title = f"{effect.name} at {amount:.2f}"
        return [
            fill_player(rendered.sounds, title, rendered.facts),
            *map(str, rendered.pictures),
            gr.update(value=str(rendered.sounds.wet), interactive=True),
            gr.update(value=str(rendered.effect_file), interactive=True),
            rendering.code_of(effect),
        ]


def nothing(text: str) -> list[Any]:
    """Return the values of `add_results` while there is nothing; a text says why."""
    gone = gr.update(value=None, interactive=False)
    player = fill(ASSETS / "empty.html", text=text)
    return [player, *[None] * len(PICTURES), gone, gone, ""]


def address(path: pathlib.Path) -> str:
    """Return the address of a file of the cache on the page."""
    return "gradio_api/file=" + urllib.parse.quote(str(path))
