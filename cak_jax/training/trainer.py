"""The training loop of one run: plan, dispatch, read metrics one dispatch late.

A resume takes the state from the newest good checkpoint, and the epoch and the place in
it from the checkpoint's number. Nothing else has to be saved for the batches and draws:
the batches of an epoch follow from (seed, epoch), and the draws of a step from the
state's key and step. A checkpoint within an epoch also holds the metrics of its steps,
because the log gets their means at the epoch's end.
"""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from cak_jax.data import pairs
from cak_jax.data.corpus import Corpus
from cak_jax.data.scan import Progress, no_progress
from cak_jax.model import compiler, spectral
from cak_jax.model.audits.table import AUDITS
from cak_jax.model.layers import PUBLISHED_GAIN
from cak_jax.model.train_state import (
    TrainState,
    create_state_quickly,
    make_hparams,
)
from cak_jax.runtime.errors import FailedError
from cak_jax.training import batch_plan, devices
from cak_jax.training.checkpoint import Checkpoints, Restored
from cak_jax.training.config import ConfigError, Settings
from cak_jax.training.even_knob import compile_knob
from cak_jax.training.hearing import request_of
from cak_jax.training.metrics_log import EpochSeries
from cak_jax.training.snapshot import Snapshot, normalization_of
from cak_jax.training.steps import Static, read_behind, train_steps


class TrainingError(FailedError):
    """Training cannot go on; the message says at which step and why."""


def share_batches(count: int, batch_size: int, microbatch: int) -> Mesh | None:
    """Return the mesh of devices that share every batch; None for one device.

    Raises:
      ConfigError: for devices that are not there, or that cannot share evenly.
    """
    present = jax.local_devices()
    used = present[: count or len(present)]
    if count > len(present):
        raise ConfigError(
            f"train.devices: {count} of {len(present)} {jax.default_backend()} "
            "devices; 0 takes all there are"
        )
    if len(used) == 1:
        return None
    if batch_size % len(used):
        raise ConfigError(
            f"train.devices: {len(used)} devices cannot share a batch of "
            f"{batch_size} evenly; set train.batch_size to a multiple"
        )
    if microbatch:
        raise ConfigError(
            f"train.microbatch: must be 0 where {len(used)} devices share a batch"
        )
    return devices.make_mesh(devices.BATCH, used)


class Trainer:
    """The loop of one training run, with a fresh state.

    Held-out clips are not read here. The attribute `epoch` counts the epochs done, and
    `series` holds the steps of the current one. `quality` is what a heard game asks
    for, None in other games.

    Args:
      settings, corpus: of the run.
      placement: of the corpus; by default it is placed here.
      progress: of the stage "hearing", which a game that hears has.
      beside: whether programs are compiled beside that stage. Else they are compiled
        when they are needed.

    Raises:
      ConfigError: too few clips for a batch, or devices that cannot share one.
    """

    def __init__(
        self,
        settings: Settings,
        corpus: Corpus,
        placement: batch_plan.Placement | None = None,
        progress: Progress = no_progress,
        beside: bool = False,
    ):
        self.settings, self.corpus, self.epoch = settings, corpus, 0
        self.labels = corpus.labels[corpus.training]
        train = settings.train
        if len(self.labels) < 2:
            raise ConfigError(
                f"corpus: {len(self.labels)} training clip; at least 2 are needed, add "
                "sounds or make corpus.seconds shorter"
            )
        try:
            self.steps_per_epoch = pairs.steps_per_epoch(
                len(self.labels), train.batch_size, train.least_steps
            )
        except ValueError as error:
            raise ConfigError(f"train.batch_size: {error}") from None
        decays = train.learning_rate_decay == "cosine"
        total = train.epochs * self.steps_per_epoch
        known = settings.hparams | {
            "steps_per_epoch": self.steps_per_epoch,
            "decay_steps": total if decays else 0,
            "warmup_steps": round(train.learning_rate_warmup * total),
        }
        self.hparams = make_hparams(**known)
        self.constants = spectral.constant_arrays(normalization_of(settings, corpus))
        clip = settings.spectrogram.frames(corpus.audio.shape[1])
        bins = settings.spectrogram.bins
        self.crop = train.crop_bins or bins, train.crop_frames or clip
        self.mesh = share_batches(train.devices, train.batch_size, train.microbatch)
        size = train.microbatch
        if not size and self.mesh is None and settings.game.critic_steps:
            values, width = math.prod(self.crop), settings.game.critic_widths[0]
            size = devices.examples_per_pass(train.batch_size, values, width)
        self.spec = dataclasses.replace(settings.game, microbatch=size)
        self.steps_per_dispatch = devices.largest_divisor(
            self.steps_per_epoch, train.steps_per_dispatch
        )
        self.placement = placement or batch_plan.place(corpus.audio, train.storage)
        self.series = EpochSeries(train.skip_limit)
        self.saved = -1  # step of the newest checkpoint
        self._program: Any = None
        self._compiling: Future[tuple[Any, float]] | None = None
        key = jax.random.key(train.seed)
        draw: Callable[[], TrainState] = functools.partial(
            create_state_quickly, key, spec=self.spec
        )
        with contextlib.ExitStack() as if_refused:
            if beside and self.mesh is None:
                thread = ThreadPoolExecutor(1, "compiling")
                stop = functools.partial(thread.shutdown, wait=False)
                if_refused.callback(stop, cancel_futures=True)
                # A program needs the shapes alone.
                shapes = jax.eval_shape(create_state_quickly, key, spec=self.spec)
                self._compiling = thread.submit(self._compile, shapes)
                draw = thread.submit(draw).result
                if AUDITS[self.spec.audit].HEARS:
                    kind = settings.spectrogram, self.spec.spacing
                    thread.submit(compile_knob, *kind, corpus.audio.shape[1])
            request = request_of(settings, corpus, progress)
            self.state = draw()
            if_refused.pop_all()
        self.quality = None if request is None else request.quality
        if request is not None:
            self.hparams = make_hparams(**known, **request.hparams())

    @property
    def static(self) -> Static:
        """The static part of the run's program."""
        # The kernel gain shapes the first draw only, so runs that differ in it share
        # a program.
        spec = dataclasses.replace(self.spec, kernel_gain=PUBLISHED_GAIN)
        return Static(spec, self.crop, self.settings.spectrogram)

    @property
    def done(self) -> bool:
        """Whether the run has all of its epochs."""
        return self.epoch >= self.settings.train.epochs

    @property
    def step(self) -> int:
        """Iterations done, including those that were taken back."""
        return self.epoch * self.steps_per_epoch + len(self.series)

    def dispatches(self, epoch: int, first: int = 0) -> Iterator[batch_plan.Plan]:
        """Yield an epoch's plans from a step on, one per dispatch."""
        plan = self.plan(epoch)
        for step in range(first, len(plan), self.steps_per_dispatch):
            yield self.fill(plan.take(slice(step, step + self.steps_per_dispatch)))

    def plan(self, epoch: int) -> batch_plan.Plan:
        """Plan an epoch without samples; its clips are rows of the corpus."""
        clips, settings = self.corpus.training, self.settings
        content = self.corpus.content[clips]
        plan = batch_plan.make_plan(
            self.labels, content, settings.train, self.crop, settings.spectrogram, epoch
        )
        return dataclasses.replace(plan, clip=clips[plan.clip].astype(np.int32))

    def fill(self, plan: batch_plan.Plan) -> batch_plan.Plan:
        """Return a plan with its samples if the corpus is streamed."""
        if self.placement.audio is not None:
            return plan
        spectrogram = self.settings.spectrogram
        return batch_plan.fill(plan, self.corpus.audio, self.crop[1], spectrogram)

    def compile(self) -> float:
        """Compile the run's one program and return the seconds it took."""
        compiling, self._compiling = self._compiling, None
        if compiling is None:
            options = {} if self.mesh is None else self._share(self.mesh)
            self._program, seconds = self._compile(self.state, **options)
        else:
            self._program, seconds = compiling.result()
        return seconds

    def _compile(self, state: TrainState, **options: Any) -> tuple[Any, float]:
        began = time.perf_counter()
        program = jax.jit(
            functools.partial(train_steps, static=self.static),
            donate_argnums=0,
            **options,
        )
        plan = next(self.dispatches(self.epoch))
        lowered = program.lower(state, *self._arguments(plan))
        self.compiler_options = compiler.compiler_options(jax.default_backend())
        compiled = lowered.compile(compiler_options=self.compiler_options)
        return compiled, time.perf_counter() - began

    def _share(self, mesh: Mesh) -> dict[str, Any]:
        """Put state and corpus on all devices; return the shardings for `jax.jit`."""
        whole, audio = devices.replicated(mesh), self.placement.audio
        self.state = jax.device_put(self.state, whole)
        if audio is not None:
            audio = jax.device_put(audio, whole, may_alias=True)
            self.placement = dataclasses.replace(self.placement, audio=audio)
        items = batch_plan.over_items(mesh, audio is None)
        return {
            "in_shardings": (whole, items, whole, whole, whole),
            "out_shardings": whole,
        }

    def run_epoch(
        self,
        on_step: Callable[[dict[str, float]], None],
        stopping: Callable[[], bool] = lambda: False,
    ) -> dict[str, float] | None:
        """Train one epoch, or the rest of it, compiling first if that was not done.

        Args:
          on_step: called with each step's metrics as floats.
          stopping: called before each dispatch; True leaves the epoch there.

        Returns:
          `metrics_log.epoch_means` of the epoch's good steps, and "skipped", the
          number of steps that were taken back. None if the epoch was left.

        Raises:
          TrainingError: too many steps are not finite. The state is the one after the
            last good step, and may be saved.
        """
        if self._program is None:
            self.compile()
        for metrics in read_behind(self._dispatch(stopping)):
            for values in self.series.add(jax.device_get(metrics)):
                on_step(values)
        self.check()
        if len(self.series) < self.steps_per_epoch:
            return None
        self.epoch += 1
        return self.series.finish()

    def _dispatch(self, stopping: Callable[[], bool]) -> Iterator[dict[str, jax.Array]]:
        """Make the rest of the epoch's dispatches and yield the metrics of each."""
        for plan in self.dispatches(self.epoch, len(self.series)):
            if stopping() or self.series.too_many:
                return
            self.state, metrics = self._program(self.state, *self._arguments(plan))
            yield metrics

    def _arguments(self, plan: batch_plan.Plan) -> tuple[Any, ...]:
        audio = self.placement.audio
        return plan, audio, self.hparams, self.constants

    def check(self) -> None:
        """Raise `TrainingError` after too many steps that are not finite."""
        fault = self.series.fault(self.epoch, self.steps_per_epoch)
        if fault:
            raise TrainingError(fault)

    def snapshot(self) -> Snapshot:
        """Return the run as it stands, as plain data on the host."""
        params, place = jax.device_get(self.state.params), (self.step, self.epoch)
        return Snapshot(
            self.settings,
            self.corpus,
            params,
            *place,
            self.steps_per_epoch,
            self.quality,
        )

    def resume(self, checkpoints: Checkpoints) -> Restored | None:
        """Continue from the newest good checkpoint; return it, or None without one."""
        restored = checkpoints.restore(self.state)
        if restored is None:
            return None
        self.state, self.saved = restored.state, restored.step
        self.series.load(restored.progress)
        self.epoch = (restored.step - len(self.series)) // self.steps_per_epoch
        # A dispatch has to begin at the checkpoint's place in the epoch.
        self.steps_per_dispatch = devices.largest_divisor(
            math.gcd(self.steps_per_epoch, len(self.series)),
            self.settings.train.steps_per_dispatch,
        )
        return restored

    def save(self, checkpoints: Checkpoints) -> None:
        """Write a checkpoint, unless this step has one."""
        if self.step > self.saved:
            self.saved = self.step
            checkpoints.save(self.saved, self.state, self.series.to_json())
