"""One training at a time, in a process of its own, that keeps its effect when stopped.

The process is `python -m cak_jax.main`. The page reads how far it is from the files of
its run folder, `status.json` and `metrics.jsonl`. The process's output is read only if
it failed, for its `error: ` lines.
"""

import math
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from cak_jax.apps.page.request_checks import (
    LONGEST_NAME,
    TRAINED,
    RequestError,
    choice,
    number,
    text,
    whole,
)
from cak_jax.apps.page.training_words import (
    QUALITIES,
    STAGES,
    describe_pass,
    describe_progress,
    describe_stage,
    duration,
)
from cak_jax.effect.schema import EffectError, read_document
from cak_jax.training import config as config_lib, metrics_log, run_folder
from cak_jax.training.config_checks import SMALLEST_CROP, heard_frames
from cak_jax.training.resolution import crop_frames

# Fields of a configuration, checked.
Settings = dict[str, Any]
FRAMES = (512, 1024, 2048, 4096, 8192)
MOST_EPOCHS, LARGEST_SEED = 30, 2**31 - 1
# Seconds of a clip, and the step between two settings of them.
SHORTEST, LONGEST, STEP = 0.25, 15.0, 0.25
# A clip fades in and out during 2 of 15 s, as in configs/default.py.
FADE = 2.0 / 15.0
# Seconds until a process that was asked to end is killed: it saves a checkpoint first.
PATIENCE = 60.0
PAUSE = 0.2
LOG, RUN, CLIPS, SOUNDS = "log.txt", "run", "clips", "sounds"
LONGEST_LOG = 1 << 16
# Names of the folders of trainings, whose last part is secret; see `TrainingSlot`.
TOKEN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{32}")
MOST_TRAINED = 100


def check(
    name: Any, quality: Any, epochs: Any, seed: Any, n_fft: Any, seconds: Any
) -> Settings:
    """Return the settings that a visitor sent, as `request_checks` returns values."""
    if n_fft not in FRAMES or isinstance(n_fft, bool):
        raise RequestError(f"samples a frame must be one of {FRAMES}")
    length = number("seconds of a clip", seconds, SHORTEST, LONGEST)
    hop_length = int(n_fft) // 4
    return {
        "name": text("the name", name, LONGEST_NAME),
        "seed": whole("seed", seed, 0, LARGEST_SEED),
        "corpus.seconds": length,
        "corpus.fade_seconds": length * FADE,
        "corpus.labels": choice("the quality", quality, tuple(QUALITIES)),
        "spectrogram.n_fft": int(n_fft),
        "spectrogram.hop_length": hop_length,
        "train.crop_frames": _crop_frames(length, int(n_fft), hop_length),
        "train.epochs": whole("epochs", epochs, 1, MOST_EPOCHS),
    }


def _crop_frames(seconds: float, n_fft: int, hop_length: int) -> int:
    """Return the frames of a crop that lasts as long as the default's.

    0, the whole clip, where that is shorter.

    Raises:
      RequestError: the clip is too short to measure a quality of it.
    """
    default = config_lib.load_file(config_lib.find("default"))
    rate, crop = default.spectrogram.sample_rate, crop_frames(default, hop_length)
    aside = default.game.spacing[1]
    least = max(SMALLEST_CROP, heard_frames(n_fft, hop_length, aside))
    frames = 1 + int(seconds * rate) // hop_length
    if frames < least:
        # In steps of the page's control.
        shortest = math.ceil((least - 1) * hop_length / rate / STEP) * STEP
        raise RequestError(
            f"seconds of a clip must be {shortest:g} or more with {n_fft} samples a "
            "frame"
        )
    return crop if crop < frames else 0


class Training:
    """A training that was started.

    Attributes:
      folder: of this training: the run folder `run` in it, and the log.
      settings: of the training.
    """

    def __init__(
        self, folder: pathlib.Path, settings: Settings, corpus: str, limit: float
    ):
        """Start the process.

        Args:
          folder: where everything goes; `sounds` in it is deleted at the end.
          settings: of the training.
          corpus: a folder, or "" for the embedded sounds.
          limit: seconds after which it is stopped.
        """
        self.folder, self.settings = folder, settings
        self._run, self._corpus, self._stop = folder / RUN, corpus, threading.Event()
        self._began = time.monotonic()
        self._ended: float | None = None
        # Decoded clips of uploaded sounds are deleted with them; others are cached.
        cache = str(folder / CLIPS) if corpus == str(folder / SOUNDS) else ""
        fields = settings | {"corpus.path": corpus, "corpus.cache": cache}
        flags = [f"--config.{field}={value}" for field, value in fields.items()]
        command = [sys.executable, "-m", "cak_jax.main", f"--workdir={self._run}"]
        paths = [str(pathlib.Path(__file__).parents[3]), *filter(None, sys.path)]
        with (folder / LOG).open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own, because Ctrl-C in the terminal is for the server
                # alone, which then stops the training itself.
                process_group=0,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            )
        self._watcher = threading.Thread(target=self._watch, args=(limit,), daemon=True)
        self._watcher.start()

    @property
    def token(self) -> str:
        """The folder's name; a visitor who knows it may watch and stop the training."""
        return self.folder.name

    @property
    def running(self) -> bool:
        """Whether the process is at work."""
        return self._ended is None

    @property
    def seconds(self) -> float:
        """How long the training has taken so far, or took."""
        return (self._ended or time.monotonic()) - self._began

    @property
    def effect(self) -> pathlib.Path | None:
        """The effect file as it stands; None before the end of the first epoch."""
        return self._file("effect.json")

    @property
    def report(self) -> pathlib.Path | None:
        """The report's page; None before the end."""
        return None if self.running else self._file("report.html")

    def _file(self, name: str) -> pathlib.Path | None:
        path = self._run / name
        return path if path.is_file() else None

    @property
    def status(self) -> run_folder.Status:
        """How far the run is."""
        return run_folder.read_status(self._run)

    def records(self) -> list[dict[str, Any]]:
        """Return the records of `metrics.jsonl` so far."""
        return metrics_log.read_lines(self._run / "metrics.jsonl")

    def stop(self) -> None:
        """Ask the process to end and to keep its effect; return at once."""
        self._stop.set()

    def wait(self) -> None:
        """Wait until the process has ended."""
        self._watcher.join()

    @property
    def passes(self) -> int:
        """How many passes over the sounds are done."""
        return max((record["epoch"] for record in self.records()), default=0)

    def sentences(self) -> list[str]:
        """Return how the training stands: a headline and further sentences.

        They name no path of this machine. The headline of a failed training begins with
        "error: ".
        """
        status, total = self.status, self.settings["train.epochs"]
        passes, seconds = self.passes, self.seconds
        if self.running:
            if self._stop.is_set():
                # Before the training there is nothing to keep.
                kept = STAGES[status.stage].part > 2
                words = "stopping" + ": the effect is kept as it is now" * kept
                return [words, f"{duration(seconds)} so far"]
            how_far = describe_progress(status, passes, total, seconds)
            return [describe_stage(status), how_far, *describe_pass(self.records())]
        took = f"pass {passes} of {total} done, it took {duration(seconds)}"
        if self._process.returncode == 0:
            # The page's knob has no flag.
            summary = [line.replace("--amount=", "amount ") for line in status.summary]
            return ["finished", took, *map(self._without_paths, summary)]
        if self._stop.is_set():
            if self.effect:
                return ["stopped: the effect is kept as it was then", took]
            return ["stopped: it was too early for an effect", took]
        with (self.folder / LOG).open("rb") as file:
            lines = file.read(LONGEST_LOG).decode("utf-8", "replace").splitlines()
        errors = [self._without_paths(line) for line in lines if line[:7] == "error: "]
        return errors or ["error: the training ended without a message; start it again"]

    def _without_paths(self, sentence: str) -> str:
        if self._corpus:
            sentence = sentence.replace(self._corpus, "your sounds")
        return sentence.replace(str(self._run), "the run")

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


class TrainingSlot:
    """The one place for a training: it is started, watched and stopped here.

    Trainings that ended stay in its folder. The name of a training's folder is its
    token. If only this machine reaches the page, every effect in that folder is
    offered, also of runs that `cak train` put there. Else a visitor is offered those
    whose tokens the visitor's browser keeps.
    """

    def __init__(self, folder: pathlib.Path, limit: float, local: bool):
        """Make the slot; nothing is running in it.

        Args:
          folder: of the trainings.
          limit: seconds that one may take.
          local: whether only this machine reaches the page.
        """
        self._folder, self._limit, self._local = folder, limit, local
        self._lock = threading.Lock()
        self._current: Training | None = None

    def start(
        self,
        settings: Settings,
        corpus: str,
        extract: Callable[[pathlib.Path], object] | None = None,
    ) -> Training:
        """Start a training on a folder, or "" for the embedded sounds.

        `extract` instead writes the sounds into a new folder, which is then the corpus.

        Raises:
          RequestError: another training is running, or what `extract` raises.
        """
        with self._lock:
            if self._current is not None and self._current.running:
                raise RequestError(
                    "another training is running: one at a time; wait for its end"
                )
            stamp = time.strftime("%Y%m%d-%H%M%S")
            folder = self._folder / f"{stamp}-{secrets.token_hex(16)}"
            folder.mkdir(parents=True)
            try:
                if extract is not None:
                    (folder / SOUNDS).mkdir()
                    extract(folder / SOUNDS)
                    corpus = str(folder / SOUNDS)
                self._current = Training(folder, settings, corpus, self._limit)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return self._current

    def find(self, tokens: Any) -> Training | None:
        """Return the running or last training if its token is the last one."""
        current, token = self._current, checked_tokens(tokens)[-1:]
        if current is None or not token:
            return None
        return current if secrets.compare_digest(current.token, token[0]) else None

    def trained_effect(self, token: str) -> pathlib.Path | None:
        """Return the effect file of a training that has ended; None without one."""
        current = self._current
        if current is not None and current.running and current.token == token:
            return None
        plain = pathlib.PurePath(token).name == token and "\0" not in token
        if not (plain if self._local else TOKEN.fullmatch(token)):
            return None
        for path in (self._folder / token / RUN, self._folder / token):
            if (path / "effect.json").is_file():
                return path / "effect.json"
        return None

    def trained(self, tokens: Any) -> list[tuple[str, str]]:
        """Return the effects to offer, newest first, as name and choice.

        Args:
          tokens: of a visitor's trainings.
        """
        known = set(checked_tokens(tokens))
        if self._local and self._folder.is_dir():
            known |= {path.name for path in self._folder.iterdir()}
        files = {token: self.trained_effect(token) for token in known}
        dated = [(f.stat().st_mtime, t, f) for t, f in files.items() if f is not None]
        choices = []
        for seconds, token, file in sorted(dated, reverse=True)[:MOST_TRAINED]:
            try:
                name = read_document(file)["name"]
            except EffectError:
                continue  # another program's file
            when = time.strftime("%d %b %H:%M", time.localtime(seconds))
            choices.append((f"{name} - trained {when}", TRAINED + token))
        return choices

    def close(self) -> None:
        """Stop the running training and wait for its end."""
        if self._current is not None:
            self._current.stop()
            self._current.wait()


def checked_tokens(value: Any) -> list[str]:
    """Return the tokens that a visitor's browser sent; none for anything else."""
    if not isinstance(value, list) or len(value) > MOST_TRAINED:
        return []
    return [t for t in value if isinstance(t, str) and TOKEN.fullmatch(t)]
