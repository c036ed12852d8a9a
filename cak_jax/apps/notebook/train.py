"""Training in a notebook: pictures and sound while it runs, and a mirror elsewhere."""

import contextlib
import dataclasses
import pathlib
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np

from cak_jax.apps.notebook import mirror
from cak_jax.apps.notebook.errors import NotebookError, told
from cak_jax.apps.notebook.show import Place, picture, players
from cak_jax.evaluation import knob_response
from cak_jax.rendering.in_memory import render
from cak_jax.runtime import signals
from cak_jax.runtime.console import say
from cak_jax.training import config as config_lib, run
from cak_jax.training.config import ConfigError
from cak_jax.training.epochs import is_film

SIZES = {
    "default": {"train.evaluate_every": 2},
    "minutes": {
        "train.evaluate_every": 2,
        "corpus.max_clips": 60,
        "corpus.max_held_out": 8,
        "corpus.synthetic_clips": 60,
        "train.epochs": 12,
        "output.previews": 1,
    },
    # The least that shows every part; nothing is learned.
    "test": {
        "corpus.seconds": 1.0,
        "corpus.fade_seconds": 0.1,
        "corpus.max_clips": 16,
        "corpus.max_held_out": 3,
        "corpus.synthetic_clips": 12,
        "spectrogram.sample_rate": 16000,
        "spectrogram.n_fft": 512,
        "spectrogram.hop_length": 128,
        "game.critic_widths": (2, 2, 2),
        "game.critic_steps": 1,
        "train.epochs": 2,
        "train.crop_frames": 16,
        "train.crop_bins": 64,
        "train.evaluate_every": 1,
        "output.previews": 0,
        "output.figures": False,
    },
}
# Pictures no oftener: drawing must not hold the training up.
SECONDS_BETWEEN = 3.0
PREVIEW_SECONDS, PREVIEW_AMOUNT = 5.0, 0.7


@told()
def configure(size: str, sounds: str = "", **fields):
    """Return the default configuration at a size, on some sounds.

    Args:
      size: "default", "minutes" (fewer clips) or "test".
      sounds: a folder, "" for the embedded sounds.
      **fields: name, seed; and any field of a configuration with two underscores for
        the dot, such as `game__kernel_gain=4.0`.
    """
    return of_size("default", SIZES, size, sounds, **fields)


def of_size(base: str, sizes: dict[str, dict], size: str, sounds: str, **fields):
    """Return a shipped configuration with what a size changes, and with fields.

    Raises:
      ConfigError: there is no such size or field, or a value does not fit.
    """
    if size not in sizes:
        raise ConfigError(f"SIZE: must be one of {', '.join(sizes)}, got {size!r}")
    config = config_lib.load_file(config_lib.find(base))
    named = {name.replace("__", "."): value for name, value in fields.items()}
    changed = {**sizes[size], "corpus.path": sounds} | named
    unknown = changed.keys() - config_lib.flatten(config).keys()
    if unknown:
        raise ConfigError(
            f"{min(unknown)}: there is no such field in configs/{base}.py"
        )
    try:
        config.update_from_flattened_dict(changed)
    except (TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ConfigError(f"a field does not fit: {text[:200]}") from None
    return config


@told()
def train(config, folder: str, mirrored: pathlib.Path | None = None) -> pathlib.Path:
    """Train, or go on training, and show how it goes.

    After each checkpoint the run folder is archived in the second folder. Where the run
    folder is missing or behind, the newest good archive is restored first.
    Interrupting the cell keeps state and effect as they are at that step; running it
    again goes on.

    Args:
      config: as `configure` gives it.
      folder: the run folder.
      mirrored: the second folder, None for none.

    Returns:
      The run folder.

    Raises:
      NotebookError: one line with the remedy.
    """
    place = pathlib.Path(folder).expanduser()
    for sentence in mirror.restore(place, mirrored) if mirrored else ():
        say(sentence)
    board = Board(place, mirrored)
    try:
        with interruptible() as stops:
            run.run(config, str(place), stops=stops, on_epoch=board.show_epoch)
    except signals.Stopped as stopped:
        board.keep()
        where = str(stopped).partition(";")[0]
        raise NotebookError(f"{where}; run this cell again to go on") from None
    board.keep()
    return place


@contextlib.contextmanager
def interruptible() -> Iterator[signals.Stops]:
    """Let the notebook's stop button only be noted, for the training to stop by itself.

    Unlike `interruption.watch` a second one does not end the process: it is the
    notebook's own.
    """
    stops = signals.Stops()
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return
    before = signal.signal(signal.SIGINT, stops.handle)
    try:
        yield stops
    finally:
        signal.signal(signal.SIGINT, before)


@dataclasses.dataclass
class Board:
    """What is shown and mirrored while a run trains.

    Attributes:
      folder: of the run.
      mirrored: the second folder, None for none.
    """

    folder: pathlib.Path
    mirrored: pathlib.Path | None

    def __post_init__(self):
        self._figure, self._sound = Place(), Place()
        self._drawn, self._heard = -np.inf, 0

    def show_epoch(self, trainer, log) -> None:
        """Be a run's `on_epoch`."""
        settings = trainer.settings.train
        last = trainer.epoch == settings.epochs
        if not last and trainer.epoch % settings.checkpoint_every == 0:
            self.keep()
        held_out = log.of_kind("held_out")
        if time.monotonic() - self._drawn > SECONDS_BETWEEN or last:
            self._draw(trainer, log.of_kind("train"), held_out)
            self._drawn = time.monotonic()
        if len(held_out) > self._heard and not is_film(trainer):
            self._heard = len(held_out)
            self._sound.show(preview(trainer))

    def keep(self) -> None:
        """Mirror the run folder; what fails there costs nothing here."""
        if self.mirrored is None or not (self.folder / "config.json").is_file():
            return
        try:
            mirror.keep(self.folder, self.mirrored)
        except OSError as error:
            say(
                f"not mirrored: {error.filename}: {error.strerror}; the archive before "
                "this one and the run folder are as they were"
            )

    def _draw(self, trainer, records, held_out) -> None:
        from cak_jax.report import style

        if not style.available():
            return
        from cak_jax.report import run_figures

        effect = None if is_film(trainer) else trainer.effect()
        epochs = trainer.settings.train.epochs
        self._figure.show(
            picture(run_figures.progress(records, held_out, epochs, effect))
        )


def preview(trainer):
    """Return players of a held-out clip, dry and through the effect as it stands."""
    effect, clip = trainer.effect(), trainer.corpus.evaluation[0]
    rate = effect.spectrogram.sample_rate
    sound = knob_response.loudest(
        np.asarray(trainer.corpus.audio[clip]), round(PREVIEW_SECONDS * rate)
    )
    wet = render(effect, sound[None], rate, amount=PREVIEW_AMOUNT)
    name = trainer.corpus.names[clip]
    label = f"after epoch {trainer.epoch}, amount {PREVIEW_AMOUNT:g}"
    return players({"dry": sound[None], label: wet}, rate, f"held out: {name}")
