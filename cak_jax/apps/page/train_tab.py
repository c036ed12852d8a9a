"""The tab to train an effect from sounds, to watch it, and to stop it."""

import functools
import pathlib
import shutil
from typing import Any

import gradio as gr

from cak_jax.apps.page import rendering, request_checks, training_process
from cak_jax.apps.page.play_tab import (
    ASSETS,
    PICTURE,
    PRIVATE,
    EffectControls,
    add_download,
    show_chosen,
)
from cak_jax.apps.page.request_checks import FROM_CODE, RequestError
from cak_jax.apps.page.site import ServerLimits, show_errors
from cak_jax.apps.page.training_process import Training, TrainingSlot
from cak_jax.data import sound_zip
from cak_jax.effect.effect import load_effect
from cak_jax.rendering.settings import RenderSettings
from cak_jax.report import run_figures, style
from cak_jax.report.html_page import fill

ZIP, FOLDER, EMBEDDED = "a zip of my sounds", "a folder here", "the embedded sounds"
PANELS = ("Losses", "Violation", "Audit, held-out")
IDLE = fill(ASSETS / "empty.html", text="Nothing is being trained.")
SECONDS = 1.0
# `add_displays` shows two pictures and two files.
FILES = 4


def build(
    limits: ServerLimits,
    slot: TrainingSlot,
    page: gr.Blocks,
    tabs: gr.Tabs,
    played: EffectControls,
) -> None:
    """Lay out the tab and connect its events.

    Args:
      limits, slot: of the server.
      page, tabs: where the tab is; one of the tabs has the id "play".
      played: the controls of that tab that choose its effect.
    """
    # The browser keeps the token, so that a page that is loaded again finds its
    # training.
    token = gr.BrowserState("", storage_key="cak_jax-training")
    timer = gr.Timer(SECONDS, active=False)
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            settings = add_settings(limits)
            with gr.Row():
                start = gr.Button("Train", variant="primary", elem_id="train-start")
                stop = gr.Button(
                    "Stop, keep the effect", interactive=False, elem_id="train-stop"
                )
        with gr.Column(scale=6, min_width=420):
            displays = add_displays()
    outputs = [*displays, start, stop, timer]
    handlers = TrainHandlers(limits, slot)
    start.click(
        show_errors(handlers.start),
        settings,
        [token, *outputs],
        concurrency_limit=1,
        **PRIVATE,
    )
    stop.click(show_errors(handlers.stop), token, outputs, **PRIVATE)
    gr.on(
        [timer.tick, page.load],
        show_errors(handlers.look),
        token,
        outputs,
        concurrency_limit=4,
        **PRIVATE,
    )
    displays[-1].click(
        show_errors(handlers.play), token, [played.source, played.code, tabs], **PRIVATE
    )


def add_settings(limits: ServerLimits) -> list[Any]:
    """Add the controls of a training, in the order of `TrainHandlers.start`."""
    sources = [ZIP, FOLDER, EMBEDDED] if limits.local else [ZIP, EMBEDDED]
    source = gr.Radio(sources, value=ZIP, label="Train on", elem_id="train-source")
    archive = gr.File(
        file_types=[".zip"],
        type="filepath",
        label=f"Zip of sound files, at most {limits.largest >> 20} MB",
        height=140,
        elem_id="train-zip",
    )
    folder = gr.Textbox(
        label="Folder on this machine", visible=False, elem_id="train-folder"
    )
    show_chosen(source, {ZIP: archive, FOLDER: folder})
    name = gr.Textbox("my effect", label="Name", max_length=request_checks.LONGEST_NAME)
    quality = gr.Dropdown(
        [(words, name) for name, words in training_process.QUALITIES.items()],
        value="spectral_flatness",
        label="The knob makes a sound",
        info="by as much as your sounds differ in it (corpus.labels)",
        elem_id="quality",
    )
    with gr.Row():
        epochs = gr.Slider(
            1, training_process.MOST_EPOCHS, 6, step=1, label="Epochs", elem_id="epochs"
        )
        seed = gr.Number(0, label="Seed", info="of all random draws", precision=0)
    with gr.Accordion("More", open=False):
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
            info="for one-shots about their length (corpus.seconds)",
        )
    return [source, archive, folder, name, quality, epochs, seed, frame, seconds]


def add_displays() -> list[Any]:
    """Add the displays of a training, in the order of `TrainHandlers.look`."""
    state = gr.HTML(IDLE, elem_id="training")
    history = gr.Image(**PICTURE, visible=False, elem_id="history")
    kernel = gr.Image(**PICTURE, visible=False, elem_id="trained-kernel")
    with gr.Row():
        effect = add_download("effect.json", "trained")
        report = add_download("report", "report")
        play = gr.Button("Play this effect", interactive=False, elem_id="play-trained")
    return [state, history, kernel, effect, report, play]


class TrainHandlers:
    """The tab's handlers."""

    def __init__(self, limits: ServerLimits, slot: TrainingSlot):
        self._limits, self._slot = limits, slot
        # The state that was drawn last, and the files that show it.
        self._drawn: tuple[Any, ...] = ()
        self._files: list[str | None] = [None] * FILES

    def start(self, source: Any, archive: Any, folder: Any, *fields: Any) -> list[Any]:
        """Start a training; return its token and the values of `look`.

        The source is `ZIP` (the uploaded archive), `FOLDER` or `EMBEDDED`; the fields
        are as `training_process.check` takes them.
        """
        settings = training_process.check(*fields)
        choices = (ZIP, FOLDER, EMBEDDED) if self._limits.local else (ZIP, EMBEDDED)
        source = request_checks.choice("the source", source, choices)
        extract, corpus = None, ""
        if source == ZIP:
            path = request_checks.uploaded("the zip", archive, self._limits.cache)
            extract = functools.partial(sound_zip.extract, path)
        elif source == FOLDER:
            corpus = find_folder(folder)
        training = self._slot.start(settings, corpus, extract)
        return [training.token, *self.look(training.token)]

    def stop(self, token: Any) -> list[Any]:
        """Ask a training to stop; return the values of `look`."""
        training = self._slot.find(token)
        if training is None:
            raise RequestError("there is no training of yours to stop")
        training.stop()
        return self.look(token)

    def look(self, token: Any) -> list[Any]:
        """Return the values of displays, buttons and timer for a training."""
        training = self._slot.find(token)
        # Read first: if it ends while the rest is read, the timer looks once more.
        running = training is not None and training.running
        files: list[str | None] = [None] * FILES
        state = IDLE
        if training is not None:
            files, state = self._draw(training), describe(training)
        history, kernel, effect, report = files
        return [
            state,
            *(gr.update(value=p, visible=p is not None) for p in (history, kernel)),
            *(gr.update(value=p, interactive=p is not None) for p in (effect, report)),
            gr.update(interactive=effect is not None),
            gr.update(interactive=not running),
            gr.update(interactive=running),
            gr.Timer(active=running),
        ]

    def play(self, token: Any) -> list[Any]:
        """Choose the effect of a training in the other tab and show that tab."""
        training = self._slot.find(token)
        if training is None or training.effect is None:
            raise RequestError("there is no effect yet: wait for the first epoch's end")
        code = rendering.code_of(load_effect(training.effect))
        return [FROM_CODE, code, gr.Tabs(selected="play")]

    def _draw(self, training: Training) -> list[str | None]:
        """Return history, kernel, effect and report as files of the cache."""
        records, effect, report = training.records(), training.effect, training.report
        stamp = effect and effect.stat().st_mtime_ns
        state = training.token, len(records), stamp, report
        if state == self._drawn:
            return self._files
        folder = self._limits.new_folder()
        files: list[str | None] = [None] * FILES
        if records:
            trained = [r for r in records if r["kind"] == "train"]
            held_out = [r for r in records if r["kind"] == "held_out"]
            figure = run_figures.history(trained, held_out, titles=PANELS)
            files[0] = str(style.save(figure, folder / "history.png", dpi=110))
        if effect is not None:
            loaded = load_effect(effect)
            figure = rendering.draw_kernel(loaded, RenderSettings())
            files[1] = str(style.save(figure, folder / "kernel.png", dpi=90))
            name = rendering.file_stem(loaded.name) or "effect"
            files[2] = str(shutil.copy(effect, folder / f"{name}.json"))
        if report is not None:
            files[3] = str(shutil.copy(report, folder / "report.html"))
        self._drawn, self._files = state, files
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
    epoch = max((record["epoch"] for record in training.records()), default=0)
    epochs = training.settings["train.epochs"]
    minutes, seconds = divmod(int(training.seconds), 60)
    return fill(
        ASSETS / "training.html",
        failed=headline.startswith("error: "),
        headline=headline,
        percent=f"{100 * epoch / epochs:.0f}",
        name=training.settings["name"],
        epoch=epoch,
        epochs=epochs,
        time=f"{minutes}:{seconds:02d}",
        lines=lines,
    )
