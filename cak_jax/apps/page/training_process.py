"""One training at a time, in a process of its own, that keeps its effect when stopped.

The process is `python -m cak_jax.main`; its run folder and what it prints tell how far
it is.
"""

import dataclasses
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import threading
import time

from cak_jax.apps.page.request_checks import (
    LONGEST_NAME,
    RequestError,
    number,
    text,
    whole,
)
from cak_jax.training import metrics_log

FRAMES = (512, 1024, 2048, 4096, 8192)
MOST_EPOCHS, LARGEST_SEED, LARGEST_GAIN = 30, 2**31 - 1, 10.0
SHORTEST, LONGEST = 0.25, 15.0
# A clip fades in and out: 2 s of 15, as in configs/default.py.
FADE = 2.0 / 15.0
# A process that is asked to end writes its checkpoint first.
PATIENCE = 60.0
PAUSE = 0.2
LOG, RUN, CLIPS, SOUNDS = "log.txt", "run", "clips", "sounds"
LONGEST_LOG = 1 << 16
# What a run does after it has printed a line with this word.
STAGES = (
    ("cak_jax", "reading the sounds"),
    ("corpus:", "compiling, up to a minute"),
    ("compiled", "training, first epoch"),
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a training that the page offers, checked.

    Attributes:
      name: of the effect.
      epochs, seed, kernel_gain, n_fft, seconds: fields of `configs/default.py`.
    """

    name: str
    epochs: int
    seed: int
    kernel_gain: float
    n_fft: int
    seconds: float

    def flags(self, corpus: str, cache: str) -> list[str]:
        """Return the flags of `cak train`.

        Args:
          corpus: a folder, or "" for the embedded sounds.
          cache: a folder for decoded clips, or "" for the user's own.
        """
        values = {
            "name": self.name,
            "seed": self.seed,
            "corpus.path": corpus,
            "corpus.cache": cache,
            "corpus.seconds": self.seconds,
            "corpus.fade_seconds": self.seconds * FADE,
            "spectrogram.n_fft": self.n_fft,
            "spectrogram.hop_length": self.n_fft // 4,
            "game.kernel_gain": self.kernel_gain,
            "train.epochs": self.epochs,
        }
        return [f"--config.{field}={value}" for field, value in values.items()]


def check(name, epochs, seed, kernel_gain, n_fft, seconds) -> Settings:
    """Return the settings that a visitor sent.

    Raises:
      EffectError, RequestError: naming the one that is out of range.
    """
    if n_fft not in FRAMES or isinstance(n_fft, bool):
        raise RequestError(f"samples a frame must be one of {FRAMES}")
    return Settings(
        name=text("the name", name, LONGEST_NAME) or "my effect",
        epochs=whole("epochs", epochs, 1, MOST_EPOCHS),
        seed=whole("seed", seed, 0, LARGEST_SEED),
        kernel_gain=number("character", kernel_gain, 0.1, LARGEST_GAIN),
        n_fft=int(n_fft),
        seconds=number("seconds of a clip", seconds, SHORTEST, LONGEST),
    )


class Training:
    """A training that was started.

    Attributes:
      token: whoever knows it may watch and stop it.
      folder: of this training: the run folder `run` in it, and the log.
      settings: of it.
    """

    def __init__(self, folder: pathlib.Path, settings: Settings, corpus: str, limit):
        """Start the process.

        Args:
          folder: where everything goes; `sounds` in it goes when the process ends.
          settings: of the training.
          corpus: a folder, or "" for the embedded sounds.
          limit: seconds after which it is stopped.
        """
        self.token, self.folder, self.settings = secrets.token_hex(16), folder, settings
        self._corpus, self._stop = corpus, threading.Event()
        self._began, self._ended = time.monotonic(), None
        own = corpus == str(folder / SOUNDS)
        flags = settings.flags(corpus, str(folder / CLIPS) if own else "")
        command = [sys.executable, "-m", "cak_jax.main", f"--workdir={folder / RUN}"]
        paths = [str(pathlib.Path(__file__).parents[3]), *filter(None, sys.path)]
        with (folder / LOG).open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal is for the server: it stops this one itself.
                process_group=0,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            )
        self._watcher = threading.Thread(target=self._watch, args=(limit,), daemon=True)
        self._watcher.start()

    @property
    def running(self) -> bool:
        """Whether the process is at work."""
        return self._ended is None

    @property
    def seconds(self) -> float:
        """How long it has taken, or took."""
        return (self._ended or time.monotonic()) - self._began

    @property
    def effect(self) -> pathlib.Path | None:
        """The effect file as it stands; None before the first epoch's end."""
        path = self.folder / RUN / "effect.json"
        return path if path.is_file() else None

    @property
    def report(self) -> pathlib.Path | None:
        """The report's page; None before the end."""
        path = self.folder / RUN / "report.html"
        return path if path.is_file() and not self.running else None

    def records(self) -> list[dict]:
        """Return what the run has logged so far."""
        return metrics_log.read_lines(self.folder / RUN / "metrics.jsonl")

    def stop(self) -> None:
        """Ask the process to end, keeping its effect; return at once."""
        self._stop.set()

    def wait(self) -> None:
        """Wait until the process has ended."""
        self._watcher.join()

    def lines(self) -> list[str]:
        """Return what the process has printed, without paths of this machine."""
        with (self.folder / LOG).open("rb") as file:
            found = file.read(LONGEST_LOG).decode("utf-8", "replace")
        if self._corpus:
            found = found.replace(self._corpus, "your sounds")
        found = found.replace(str(self.folder / RUN), "the run")
        return [line for line in found.splitlines() if line.strip()]

    def words(self) -> list[str]:
        """Return how it stands, in sentences."""
        lines = self.lines()
        if self.running:
            stage = next(
                (s for word, s in STAGES if lines[-1:] and word in lines[-1]), ""
            )
            if self._stop.is_set():
                stage = "stopping: what there is of an effect is being kept"
            return [stage or ("training" if lines else "starting"), *lines[-1:]]
        if self._process.returncode == 0:
            epochs = [n for n, line in enumerate(lines) if line.startswith("epoch")]
            return ["done", *lines[epochs[-1] + 1 if epochs else -1 :]]
        if self._stop.is_set():
            kept = "the effect is kept as it was then"
            none = "it was too early for an effect"
            return [f"stopped: {kept if self.effect else none}"]
        errors = [line for line in lines if line.startswith("error: ")]
        return errors or ["error: the training ended without a word; start it again"]

    def _watch(self, limit: float) -> None:
        try:
            while self._process.poll() is None:
                if self._stop.wait(PAUSE) or self.seconds > limit:
                    self._stop.set()
                    self._process.terminate()
                    self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            for name in (SOUNDS, CLIPS):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            self._ended = time.monotonic()


class Desk:
    """Where one training at a time is started, watched and stopped."""

    def __init__(self, folder: pathlib.Path, limit: float):
        """Start nothing yet.

        Args:
          folder: where trainings have their folders.
          limit: seconds that one may take.
        """
        self._folder, self._limit = folder, limit
        self._lock, self._current = threading.Lock(), None

    def start(self, settings: Settings, corpus: str, fill=None) -> Training:
        """Start a training.

        Args:
          settings: of it.
          corpus: a folder, or "" for the embedded sounds.
          fill: instead of `corpus`: is given a new folder and puts the sounds there.

        Raises:
          RequestError: another one is running, or what `fill` raises.
        """
        with self._lock:
            if self._current is not None and self._current.running:
                raise RequestError(
                    "another training is running: one at a time; wait for its end"
                )
            stamp = time.strftime("%Y%m%d-%H%M%S")
            folder = self._folder / f"{stamp}-{secrets.token_hex(4)}"
            folder.mkdir(parents=True)
            try:
                if fill is not None:
                    (folder / SOUNDS).mkdir()
                    fill(folder / SOUNDS)
                    corpus = str(folder / SOUNDS)
                self._current = Training(folder, settings, corpus, self._limit)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return self._current

    def of(self, token) -> Training | None:
        """Return the training of a token, running or the last one; None if gone."""
        current = self._current
        known = isinstance(token, str) and token.isascii() and current is not None
        if known and secrets.compare_digest(current.token, token):
            return current
        return None

    def close(self) -> None:
        """Stop what is running and wait for its end."""
        current = self._current
        if current is not None:
            current.stop()
            current.wait()
