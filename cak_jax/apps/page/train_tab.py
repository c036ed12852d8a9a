"""The tab to train an effect from sounds, to watch and hear it, and to stop it."""

import functools
import pathlib
import shutil
from typing import Any

import gradio as gr

from cak_jax.apps.page import (
    examples,
    rendering,
    request_checks,
    training_process,
    training_words,
)
from cak_jax.apps.page.play_tab import (
    ASSETS,
    ONE_AT_A_TIME,
    PRIVATE,
    Played,
    add_download,
    add_player,
    effect_choices,
    fill_player,
    show_chosen,
)
from cak_jax.apps.page.request_checks import LONGEST_NAME, NO_EFFECT, RequestError
from cak_jax.apps.page.site import ServerLimits, show_errors
from cak_jax.apps.page.training_process import (
    MOST_TRAINED,
    Training,
    TrainingSlot,
    checked_tokens,
)
from cak_jax.data import sound_zip
from cak_jax.data.settings import corpus_name
from cak_jax.effect.effect import load_effect
from cak_jax.rendering.settings import RenderSettings
from cak_jax.report.html_page import fill

EMBEDDED, FOLDER, ZIP = "sounds that come with it", "a folder", "a zip of my sounds"
IDLE = fill(ASSETS / "empty.html", text="Nothing is being trained.")
NOTHING = "nothing"
NOTHING_YET = (
    "Here you hear the effect while it trains: first after pass 1, then after every "
    "pass."
)
SECONDS = 1.0
# `add_displays` offers two files.
FILES = 2
# On a phone the displays lie below the buttons, and the other tab above this one's end.
SHOW = "() => document.querySelector('#training').scrollIntoView({block: 'nearest'})"
SHOW_TOP = "() => window.scrollTo(0, 0)"


def add_tokens() -> gr.BrowserState:
    """Add the tokens of a visitor's trainings, oldest first.

    The browser keeps them, so that a page that is loaded again finds its training, and
    offers what was trained.
    """
    return gr.BrowserState([], storage_key="cak_jax-trainings")


def build(
    limits: ServerLimits,
    slot: TrainingSlot,
    tokens: gr.BrowserState,
    tabs: gr.Tabs,
    played: Played,
) -> None:
    """Lay out the tab and connect its events.

    Args:
      limits, slot: of the server.
      tokens: of `add_tokens`.
      tabs: where the tab is; its id is "train", that of the other one "play".
      played: the parts of that tab that offer the trained effects.
    """
    heard = gr.State("")
    timer = gr.Timer(SECONDS, active=False)
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            settings = add_settings(limits)
            add_step(3, "Train")
            with gr.Row():
                start = gr.Button("Train", variant="primary", elem_id="train-start")
                stop = gr.Button(
                    "Stop, keep the effect", interactive=False, elem_id="train-stop"
                )
        with gr.Column(scale=6, min_width=300):
            add_step(4, "Watch and listen")
            state, sound, player, play, *rest = add_displays()
    offered = [played.first.source, played.second.source]
    seen = [state, play, *rest, start, stop, timer]
    heard_now = [player, heard, *offered]
    handlers = TrainHandlers(limits, slot)
    started = start.click(
        show_errors(handlers.start),
        [tokens, *settings],
        [tokens, *seen],
        concurrency_limit=1,
        **PRIVATE,
    )
    stop.click(show_errors(handlers.stop), tokens, seen, **PRIVATE)
    looked = gr.on(
        # The tokens change when they come from the browser, which is after `page.load`.
        [timer.tick, tokens.change],
        show_errors(handlers.look),
        tokens,
        seen,
        concurrency_limit=4,
        **PRIVATE,
    )
    started.success(None, js=SHOW, **PRIVATE)
    # After `page.load`, when the tokens have come from the browser.
    tokens.change(show_errors(handlers.show_running), tokens, tabs, **PRIVATE)
    hear = (show_errors(handlers.hear), [tokens, sound, heard], heard_now)
    # After each look, so that the last look of a training is followed by its sound.
    for event in (started.success, looked.success):
        event(*hear, **ONE_AT_A_TIME, **PRIVATE)
    sound.change(None, js="() => cak.hear.changed()", **PRIVATE)
    chosen = sound.change(
        *hear, js="(...values) => cak.hear.sent(...values)", **ONE_AT_A_TIME, **PRIVATE
    )
    chosen.success(None, js="() => cak.hear.done()", **PRIVATE)
    chosen.failure(None, js="() => cak.hear.refused()", **PRIVATE)
    played_now = play.click(
        show_errors(handlers.play), tokens, [*offered, tabs], **PRIVATE
    )
    played_now.success(None, js=SHOW_TOP, **PRIVATE)


def add_step(number: int, title: str) -> None:
    """Add the heading of a step."""
    gr.HTML(f"<h3>{number} {title}</h3>", elem_classes="step")


def sources(limits: ServerLimits) -> tuple[str, ...]:
    """Return where the sounds of a training may come from."""
    return (EMBEDDED, FOLDER, ZIP) if limits.local else (EMBEDDED, ZIP)


def add_settings(limits: ServerLimits) -> list[Any]:
    """Add the controls of a training, in the order of `TrainHandlers.start`."""
    add_step(1, "Sounds to learn from")
    source = gr.Radio(
        list(sources(limits)), value=EMBEDDED, show_label=False, container=False,
        elem_id="train-source",
    )  # fmt: skip
    folder = gr.Textbox(
        label="Folder on this computer, its whole path",
        placeholder="/home/me/sounds",
        visible=False,
        elem_id="train-folder",
    )
    archive = gr.File(
        file_types=[".zip"],
        type="filepath",
        label=f"Zip, at most {limits.largest >> 20} MB",
        height=140,
        visible=False,
        elem_id="train-zip",
    )
    show_chosen(source, {ZIP: archive, FOLDER: folder})
    add_step(2, "What the knob shall do")
    quality = gr.Dropdown(
        [(words, name) for name, words in training_words.QUALITIES.items()],
        value="spectral_flatness",
        label="It makes a sound",
        info="At full turn by as much as the sounds differ in this",
        elem_id="quality",
    )
    name = gr.Textbox(
        label="Name of the effect",
        placeholder="left empty: named after the sounds",
        max_length=LONGEST_NAME,
        elem_id="train-name",
    )
    with gr.Accordion("More", open=False):
        epochs = gr.Slider(
            *(1, training_process.MOST_EPOCHS, 2),
            step=1,
            label="Passes over the sounds",
            info="More take longer and learn more exactly (train.epochs)",
            elem_id="epochs",
        )
        frame = gr.Dropdown(
            list(training_process.FRAMES),
            value=2048,
            label="Samples a frame",
            info="8192 smears time, 512 smears frequency (spectrogram.n_fft)",
        )
        seconds = gr.Slider(
            training_process.SHORTEST,
            training_process.LONGEST,
            training_process.LONGEST,
            step=training_process.STEP,
            label="Seconds of a clip",
            info="Sounds are cut into clips. For single strokes and notes take about "
            "their length (corpus.seconds)",
        )
        seed = gr.Number(
            0,
            label="Random start",
            info="Another whole number gives another effect of this kind (seed)",
            precision=0,
        )
    return [source, archive, folder, name, quality, epochs, seed, frame, seconds]


def add_displays() -> list[Any]:
    """Add the displays of a training, in the order that `build` takes them apart."""
    state = gr.HTML(IDLE, elem_id="training")
    sound = gr.Radio(
        list(examples.EXAMPLES),
        value=next(iter(examples.EXAMPLES)),
        label="Hear it on",
        elem_id="hear-on",
    )
    player = add_player("hear", NOTHING_YET)
    play = gr.Button("Play this effect", interactive=False, elem_id="play-trained")
    with gr.Row():
        effect = add_download("effect.json", "trained")
        report = add_download("report", "report")
    return [state, sound, player, play, effect, report]


class TrainHandlers:
    """The tab's handlers; `tokens` are of a visitor's trainings, oldest first."""

    def __init__(self, limits: ServerLimits, slot: TrainingSlot):
        self._limits, self._slot = limits, slot
        # The state that was copied last, and the files of it.
        self._copied: tuple[Any, ...] = ()
        self._files: list[str | None] = [None] * FILES

    def start(
        self, tokens: Any, source: Any, archive: Any, folder: Any, *fields: Any
    ) -> list[Any]:
        """Start a training; return the tokens with its own, and the values of `look`.

        The source is `ZIP` (the uploaded archive), `FOLDER` or `EMBEDDED`; the fields
        are as `training_process.check` takes them. Without a name the effect is called
        after the sounds.
        """
        settings = training_process.check(*fields)
        source = request_checks.choice("the source", source, sources(self._limits))
        extract, corpus, named = None, "", ""
        if source == ZIP:
            path = request_checks.uploaded("the zip", archive, self._limits.cache)
            extract, named = functools.partial(sound_zip.extract, path), str(path)
        elif source == FOLDER:
            corpus = named = find_folder(folder)
        settings["name"] = settings["name"] or corpus_name(named)[:LONGEST_NAME]
        training = self._slot.start(settings, corpus, extract)
        kept = [*checked_tokens(tokens), training.token][-MOST_TRAINED:]
        return [kept, *self.look(kept)]

    def stop(self, tokens: Any) -> list[Any]:
        """Ask a training to stop; return the values of `look`."""
        training = self._slot.find(tokens)
        if training is None:
            raise RequestError("there is no training of yours to stop")
        training.stop()
        return self.look(tokens)

    def look(self, tokens: Any) -> list[Any]:
        """Return the values of displays, buttons and timer for a training."""
        training = self._slot.find(tokens)
        # Read first: if it ends while the rest is read, the timer looks once more.
        running = training is not None and training.running
        files: list[str | None] = [None] * FILES
        state = IDLE
        if training is not None:
            files, state = self._copy(training), describe(training)
        effect, report = files
        return [
            state,
            gr.update(interactive=effect is not None and not running),
            *(gr.update(value=p, interactive=p is not None) for p in (effect, report)),
            gr.update(interactive=not running),
            gr.update(interactive=running),
            gr.Timer(active=running),
        ]

    def hear(self, tokens: Any, sound: Any, heard: Any) -> list[Any]:
        """Return a player of the effect as it is now, and the effects to offer.

        Args:
          heard: what the visitor's page played last. If it is that effect already,
            nothing changes.
        """
        unchanged = [gr.skip()] * 4
        training = self._slot.find(tokens)
        if training is None or (effect := training.effect) is None:
            if heard == NOTHING:
                return unchanged
            player = fill(ASSETS / "empty.html", text=NOTHING_YET)
            return [player, NOTHING, *self._offered(tokens)]
        now = f"{training.token} {effect.stat().st_mtime_ns} {training.running} "
        now += request_checks.choice("the sound", sound, tuple(examples.EXAMPLES))
        if now == heard:
            return unchanged
        loaded, dry = load_effect(effect), examples.example(sound)
        wet = rendering.apply(loaded, dry, 1.0, RenderSettings())
        folder = self._limits.new_folder()
        pair, _ = rendering.write_pair(dry, wet, folder, "wet")
        name = loaded.name
        if training.running:
            total = training.settings["train.epochs"]
            name += f" after pass {training.passes} of {total}"
        facts = f"{sound} through {name}, at full turn", "both equally loud"
        return [fill_player(pair, name, facts), now, *self._offered(tokens)]

    def show_running(self, tokens: Any) -> Any:
        """Show this tab if a training runs, because its page was loaded again."""
        training = self._slot.find(tokens)
        running = training is not None and training.running
        return gr.Tabs(selected="train") if running else gr.skip()

    def play(self, tokens: Any) -> list[Any]:
        """Choose the effect of a training in the other tab and show that tab."""
        training = self._slot.find(tokens)
        if training is None or self._slot.trained_effect(training.token) is None:
            raise RequestError("there is no effect yet: wait for the training's end")
        first, second = self._offered(tokens)
        first["value"] = request_checks.TRAINED + training.token
        return [first, second, gr.Tabs(selected="play")]

    def _offered(self, tokens: Any) -> list[dict[str, Any]]:
        """Return updates of the two dropdowns of effects."""
        trained = self._slot.trained(tokens)
        return [
            gr.update(choices=effect_choices(value, trained))
            for value in ("", NO_EFFECT)
        ]

    def _copy(self, training: Training) -> list[str | None]:
        """Return effect and report as files of the cache."""
        effect, report = training.effect, training.report
        state = training.token, effect and effect.stat().st_mtime_ns, report
        if state == self._copied:
            return self._files
        folder = self._limits.new_folder()
        files: list[str | None] = [None] * FILES
        if effect is not None:
            name = rendering.file_stem(load_effect(effect).name) or "effect"
            files[0] = str(shutil.copy(effect, folder / f"{name}.json"))
        if report is not None:
            files[1] = str(shutil.copy(report, folder / "report.html"))
        self._copied, self._files = state, files
        return files


def find_folder(value: Any) -> str:
    """Return the path of a folder of this machine that a visitor named."""
    name = request_checks.text("the folder", value, request_checks.LONGEST_PATH)
    if not name:
        raise RequestError("the folder is missing: name one of this machine")
    path = pathlib.Path(name).expanduser()
    if not path.is_absolute() or not path.is_dir():
        raise RequestError(f"{name}: is no folder; give its whole path, from the root")
    return str(path)


def describe(training: Training) -> str:
    """Return how a training stands, as HTML."""
    headline, *lines = training.sentences()
    status = training.status
    done = status.done / status.total if status.total else status.stage == "finished"
    return fill(
        ASSETS / "training.html",
        failed=headline.startswith("error: "),
        headline=headline,
        percent=f"{100 * done:.0f}",
        name=training.settings["name"],
        quality=training_words.describe_quality(training.settings["corpus.labels"]),
        lines=lines,
    )
