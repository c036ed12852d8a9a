"""The tab to train: sounds in, an effect out; watched, and stopped at any time."""

import functools
import pathlib
import shutil

import gradio as gr

from cak_jax.apps.page import (
    pictures,
    rendering,
    request_checks,
    training_process,
    zip_upload,
)
from cak_jax.apps.page.play_tab import ASSETS, QUIET, Tab, show_chosen
from cak_jax.apps.page.request_checks import OWN_CODE, RequestError
from cak_jax.apps.page.site import Place, told
from cak_jax.apps.page.training_process import Desk, Training
from cak_jax.effect.effect import load_effect
from cak_jax.rendering.settings import RenderSettings
from cak_jax.report import run_figures, style
from cak_jax.report.html_page import fill

ZIP, FOLDER, EMBEDDED = "a zip of my sounds", "a folder here", "the embedded sounds"
PANELS = ("Losses", "Violation", "Audit, held-out")
IDLE = fill(ASSETS / "empty.html", text="Nothing is being trained.")
SECONDS = 1.0
# Of what `add_watch` shows: pictures and files.
FILES = 4


def build(place: Place, desk: Desk, page: gr.Blocks, tabs: gr.Tabs, played: Tab):
    """Lay out the tab and connect its events.

    Args:
      place, desk: that it serves.
      page: that it is on.
      tabs: of the page, one of which has the id "play".
      played: what the other tab is given to play.
    """
    # Kept by the browser, so that a page that is loaded anew finds its training.
    token = gr.BrowserState("", storage_key="cak_jax-training")
    timer = gr.Timer(SECONDS, active=False)
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            given = add_settings(place)
            with gr.Row():
                start = gr.Button("Train", variant="primary", elem_id="train-start")
                stop = gr.Button(
                    "Stop, keep the effect", interactive=False, elem_id="train-stop"
                )
        with gr.Column(scale=6, min_width=420):
            shown = add_watch()
    keys = [start, stop, timer]
    watch = Watch(place, desk)
    start.click(
        told(watch.start), given, [token, *shown, *keys], concurrency_limit=1, **QUIET
    )
    stop.click(told(watch.stop), token, [*shown, *keys], **QUIET)
    gr.on(
        [timer.tick, page.load],
        told(watch.look),
        token,
        [*shown, *keys],
        concurrency_limit=4,
        **QUIET,
    )
    shown[-1].click(told(watch.play), token, [played.which, played.code, tabs], **QUIET)


def add_settings(place: Place) -> list:
    """Add the controls of a training, in the order that `Watch.start` takes them."""
    sources = [ZIP, FOLDER, EMBEDDED] if place.local else [ZIP, EMBEDDED]
    source = gr.Radio(sources, value=ZIP, label="Train on", elem_id="train-source")
    archive = gr.File(
        file_types=[".zip"],
        type="filepath",
        label=f"Zip of sound files, at most {place.largest >> 20} MB",
        height=140,
        elem_id="train-zip",
    )
    folder = gr.Textbox(
        label="Folder on this machine", visible=False, elem_id="train-folder"
    )
    show_chosen(source, {ZIP: archive, FOLDER: folder})
    name = gr.Textbox("my effect", label="Name", max_length=request_checks.LONGEST_NAME)
    with gr.Row():
        epochs = gr.Slider(
            1, training_process.MOST_EPOCHS, 8, step=1, label="Epochs", elem_id="epochs"
        )
        seed = gr.Number(
            0, label="Seed", info="another one, another character", precision=0
        )
    with gr.Accordion("More", open=False):
        gain = gr.Slider(
            *(0.1, training_process.LARGEST_GAIN, 1.0),
            step=0.1,
            label="Character",
            info="0.1 plain, 1 usual, 4 extreme (game.kernel_gain)",
        )
        frame = gr.Dropdown(
            list(training_process.FRAMES),
            value=2048,
            label="Samples a frame",
            info="8192 smears time, 512 smears frequency (spectrogram.n_fft)",
        )
        seconds = gr.Slider(
            *(
                training_process.SHORTEST,
                training_process.LONGEST,
                training_process.LONGEST,
            ),
            step=0.25,
            label="Seconds of a clip",
            info="for one-shots about their length (corpus.seconds)",
        )
    return [source, archive, folder, name, epochs, seed, gain, frame, seconds]


def add_watch() -> list:
    """Add what shows a training, in the order that `Watch.look` returns it."""
    words = gr.HTML(IDLE, elem_id="training")
    picture = {"show_label": False, "interactive": False, "buttons": []}
    history = gr.Image(**picture, visible=False, elem_id="history")
    kernel = gr.Image(**picture, visible=False, elem_id="trained-kernel")
    with gr.Row():
        effect = gr.DownloadButton(
            "Download effect.json", interactive=False, elem_id="trained"
        )
        report = gr.DownloadButton(
            "Download report", interactive=False, elem_id="report"
        )
        play = gr.Button("Play this effect", interactive=False, elem_id="play-trained")
    return [words, history, kernel, effect, report, play]


class Watch:
    """The tab's handlers."""

    def __init__(self, place: Place, desk: Desk):
        """Serve a place."""
        self._place, self._desk = place, desk
        # The last state that was drawn, and what is shown of it.
        self._key, self._files = None, [None] * FILES

    def start(self, source, archive, folder, name, epochs, seed, gain, frame, seconds):
        """Start a training; return its token and what `look` returns."""
        settings = training_process.check(name, epochs, seed, gain, frame, seconds)
        choices = (ZIP, FOLDER, EMBEDDED) if self._place.local else (ZIP, EMBEDDED)
        source = request_checks.choice("the source", source, choices)
        fill, corpus = None, ""
        if source == ZIP:
            path = request_checks.uploaded("the zip", archive, self._place.cache)
            fill = functools.partial(zip_upload.extract, path)
        elif source == FOLDER:
            corpus = find_folder(folder)
        training = self._desk.start(settings, corpus, fill)
        return [training.token, *self.look(training.token)]

    def stop(self, token) -> list:
        """Ask a training to stop; return what `look` returns."""
        training = self._desk.of(token)
        if training is None:
            raise RequestError("there is no training of yours to stop")
        training.stop()
        return self.look(token)

    def look(self, token) -> list:
        """Return what there is to see of a training, and the state of the buttons."""
        training = self._desk.of(token)
        if training is None:
            shown = [IDLE, *[gr.update(value=None, visible=False)] * 2]
            shown += [gr.update(value=None, interactive=False)] * 2
            keys = [gr.update(interactive=False), gr.update(interactive=True)]
            return [*shown, *keys, gr.update(interactive=False), gr.Timer(active=False)]
        running = training.running  # before the rest: its last state is then seen
        history, kernel, effect, report = self._draw(training)
        return [
            words_of(training),
            *(gr.update(value=p, visible=p is not None) for p in (history, kernel)),
            *(gr.update(value=p, interactive=p is not None) for p in (effect, report)),
            gr.update(interactive=effect is not None),
            gr.update(interactive=not running),
            gr.update(interactive=running),
            gr.Timer(active=running),
        ]

    def play(self, token) -> list:
        """Hand the effect of a training over to the other tab."""
        training = self._desk.of(token)
        if training is None or training.effect is None:
            raise RequestError("there is no effect yet: wait for the first epoch's end")
        code = rendering.code_of(load_effect(training.effect))
        return [OWN_CODE, code, gr.Tabs(selected="play")]

    def _draw(self, training: Training) -> list[str | None]:
        """Return history, kernel, effect and report as files of the cache."""
        records, effect, report = training.records(), training.effect, training.report
        stamp = effect and effect.stat().st_mtime_ns
        key = training.token, len(records), stamp, report
        if key == self._key:
            return self._files
        folder = self._place.new_folder()
        found: list[pathlib.Path | None] = [None] * FILES
        if records:
            kinds = (
                [r for r in records if r["kind"] == kind]
                for kind in ("train", "held_out")
            )
            found[0] = style.save(
                run_figures.history(*kinds, titles=PANELS),
                folder / "history.png",
                dpi=110,
            )
        if effect is not None:
            loaded = load_effect(effect)
            figure = pictures.draw_kernel(loaded, RenderSettings())
            found[1] = style.save(figure, folder / "kernel.png", dpi=90)
            name = rendering.file_stem(loaded.name) or "effect"
            found[2] = pathlib.Path(shutil.copy(effect, folder / f"{name}.json"))
        if report is not None:
            found[3] = pathlib.Path(shutil.copy(report, folder / "report.html"))
        self._key = key
        self._files = [None if path is None else str(path) for path in found]
        return self._files


def find_folder(given) -> str:
    """Return a folder of this machine that was named.

    Raises:
      RequestError: there is none of that name.
    """
    name = request_checks.text("the folder", given, request_checks.LONGEST_PATH)
    if not name:
        raise RequestError("the folder is missing: name one of this machine")
    path = pathlib.Path(name).expanduser()
    if not path.is_absolute() or not path.is_dir():
        raise RequestError(f"{name}: is no folder; give its whole path, from the root")
    return str(path)


def words_of(training: Training) -> str:
    """Return how a training stands, as HTML."""
    headline, *lines = training.words()
    epoch = max((record["epoch"] for record in training.records()), default=0)
    epochs = training.settings.epochs
    minutes, seconds = divmod(int(training.seconds), 60)
    return fill(
        ASSETS / "training.html",
        failed=headline.startswith("error: "),
        headline=headline,
        percent=f"{100 * epoch / epochs:.0f}",
        name=training.settings.name,
        epoch=epoch,
        epochs=epochs,
        time=f"{minutes}:{seconds:02d}",
        lines=lines,
    )
