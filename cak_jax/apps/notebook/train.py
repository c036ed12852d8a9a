"""Training in a notebook: live pictures and sound, and a mirror of the run folder."""

import contextlib
import pathlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from cak_jax.apps.notebook import mirror
from cak_jax.apps.notebook.show import (
    NotebookError,
    picture,
    players,
    short_errors,
    updatable_output,
)
from cak_jax.evaluation import knob_response
from cak_jax.rendering.in_memory import render
from cak_jax.report import run_figures, style
from cak_jax.runtime import signals
from cak_jax.runtime.console import say
from cak_jax.training import run
from cak_jax.training.config import ConfigError, find, load_file
from cak_jax.training.config_checks import flatten
from cak_jax.training.metrics_log import MetricsWriter
from cak_jax.training.snapshot import Snapshot

Sizes = dict[str, dict[str, Any]]
SIZES: Sizes = {
    "default": {"train.evaluate_every": 1},
    "minutes": {
        "train.evaluate_every": 1,
        "corpus.max_clips": 60,
        "corpus.max_held_out": 8,
        "corpus.synthetic_clips": 60,
        "output.previews": 1,
    },
    # The smallest run that shows every part; it learns nothing.
    "test": {
        "corpus.seconds": 1.0,
        "corpus.fade_seconds": 0.1,
        "corpus.max_clips": 16,
        "corpus.max_held_out": 3,
        "corpus.synthetic_clips": 12,
        "spectrogram.sample_rate": 16000,
        "spectrogram.n_fft": 512,
        "spectrogram.hop_length": 128,
        "train.epochs": 2,
        "train.least_steps": 0,
        "train.crop_frames": 48,
        "train.evaluate_every": 1,
        "output.previews": 0,
        "output.figures": False,
    },
}
# Pictures are at least 3 s apart, because the training waits while they are drawn.
SECONDS_BETWEEN = 3.0
PREVIEW_SECONDS, PREVIEW_AMOUNT = 5.0, 0.7


@short_errors()
def configure(size: str, sounds: str = "", **fields: Any) -> Any:
    """Return the default configuration, at a size and for a folder of sounds.

    Args:
      size: "default", "minutes" (fewer clips) or "test".
      sounds: a folder, "" for the embedded sounds.
      **fields: name, seed, and any other field of a configuration, with two underscores
        for the dot: `corpus__labels="-attack"`.
    """
    return configure_size("default", SIZES, size, sounds, **fields)


def configure_size(
    base: str, sizes: Sizes, size: str, sounds: str, **fields: Any
) -> Any:
    """Return a shipped configuration with the fields of a size, and further fields.

    Args:
      base: name of the configuration.
      sizes: size -> fields that it changes.
      size, sounds, **fields: as in `configure`.

    Raises:
      ConfigError: there is no such size or field, or a value does not fit.
    """
    if size not in sizes:
        raise ConfigError(f"SIZE: must be one of {', '.join(sizes)}, got {size!r}")
    config = load_file(find(base))
    named = {name.replace("__", "."): value for name, value in fields.items()}
    changed = {**sizes[size], "corpus.path": sounds} | named
    unknown = changed.keys() - flatten(config).keys()
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


@short_errors()
def train(
    config: Any, folder: str, mirrored: pathlib.Path | None = None
) -> pathlib.Path:
    """Start or resume a training and show its progress.

    After each checkpoint the run folder is archived in the second folder. If the run
    folder is missing or behind, the newest good archive is restored first.
    Interrupting the cell keeps state and effect of that step; running the cell again
    resumes the training.

    Args:
      config: of `configure`.
      folder: the run folder, which is returned as a path.
      mirrored: the second folder, None for none.
    """
    path = pathlib.Path(folder).expanduser()
    for sentence in mirror.restore(path, mirrored) if mirrored else ():
        say(sentence)
    display = ProgressDisplay(path, mirrored)
    try:
        with interruptible() as stops:
            run.run(config, str(path), stops=stops, on_epoch=display.show_epoch)
    except signals.Stopped as stopped:
        display.keep()
        where = str(stopped).partition(";")[0]
        raise NotebookError(f"{where}; run this cell again to go on") from None
    display.keep()
    return path


@contextlib.contextmanager
def interruptible() -> Iterator[signals.Stops]:
    """Note the notebook's stop button, so that the training stops at a good moment.

    Unlike with `signals.watch`, pressing it twice does not end the process, because the
    process is the notebook's kernel.
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


class ProgressDisplay:
    """Show a run while it trains, and mirror it in a second folder if there is one."""

    def __init__(self, folder: pathlib.Path, mirrored: pathlib.Path | None):
        self.folder, self.mirrored = folder, mirrored
        self._show_figure, self._show_sound = updatable_output(), updatable_output()
        # Time of the last picture; number of held-out records at the last preview.
        self._drawn, self._heard = -np.inf, 0

    def show_epoch(self, snapshot: Snapshot, log: MetricsWriter) -> None:
        """Show an epoch; the `on_epoch` of `run.run`."""
        settings = snapshot.settings.train
        last = snapshot.epoch == settings.epochs
        if not last and snapshot.epoch % settings.checkpoint_every == 0:
            self.keep()
        held_out = log.of_kind("held_out")
        due = time.monotonic() - self._drawn > SECONDS_BETWEEN or last
        if due and style.available():
            records, effect = log.of_kind("train"), snapshot.effect()
            figure = run_figures.progress(records, held_out, settings.epochs, effect)
            self._show_figure(picture(figure))
            self._drawn = time.monotonic()
        heard = last or len(held_out) > self._heard
        if heard and snapshot.effect() is not None:
            self._heard = len(held_out)
            self._show_sound(preview(snapshot))

    def keep(self) -> None:
        """Mirror the run folder; a failure is printed and the training goes on."""
        if self.mirrored is None or not (self.folder / "config.json").is_file():
            return
        try:
            mirror.keep(self.folder, self.mirrored)
        except OSError as error:
            say(
                f"not mirrored: {error.filename}: {error.strerror}; the older archives "
                "and the run folder are unchanged"
            )


def preview(snapshot: Snapshot) -> Any:
    """Return players of a held-out clip, dry and through the effect of this epoch."""
    effect, clip = snapshot.effect(), snapshot.corpus.evaluation[0]
    assert effect is not None, "only a run with an effect has previews"
    rate = effect.spectrogram.sample_rate
    sound = knob_response.loudest(
        np.asarray(snapshot.corpus.audio[clip]), round(PREVIEW_SECONDS * rate)
    )
    wet = render(effect, sound[None], rate, amount=PREVIEW_AMOUNT)
    name = snapshot.corpus.names[clip]
    label = f"after epoch {snapshot.epoch}, amount {PREVIEW_AMOUNT:g}"
    return players({"dry": sound[None], label: wet}, rate, f"held out: {name}")
