"""The host loop: plan, dispatch, read metrics one dispatch late.

Order of a resume: state from the newest good checkpoint; epoch and place in it from its
number; the batches of an epoch are a function of (seed, epoch), the draws in a step of
the state's key and step. What else is saved are the metrics of an epoch that is not
over, of which the log gets the means.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np

from cak_jax import cak, compilation, device, feed, pairs, spectral
from cak_jax.checkpoint import Checkpoints, Restored
from cak_jax.config import ConfigError, Settings
from cak_jax.corpus import Corpus
from cak_jax.effect import Effect
from cak_jax.epoch_series import EpochSeries
from cak_jax.state import GameSpec, HParams, TrainState, create_state, make_hparams
from cak_jax.step import draw_alpha, skip_if_not_finite, train_iteration


class TrainingError(RuntimeError):
    """Training cannot go on; the message says at which step and why."""


def train_steps(
    state: TrainState,
    plan: feed.Plan,
    audio: jax.Array | None,
    hparams: HParams,
    constants: spectral.Normalization,
    *,
    spec: GameSpec,
    crop: tuple[int, int],
    settings: spectral.SpectrogramSettings,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Make the iterations of a plan, one after the other, in one program.

    Returns:
      The state after them and every metric `[step]`.
    """

    def one(state, step):
        batch = feed.batch_of(step, audio, crop, settings, constants)
        alpha = draw_alpha(state, step.control.shape[0], spec)
        after, metrics = train_iteration(state, batch, alpha, hparams, spec=spec)
        return skip_if_not_finite(state, after, metrics)

    return jax.lax.scan(one, state, plan)


def dispatch_size(steps: int, limit: int) -> int:
    """Return the largest divisor of `steps` up to `limit`.

    A divisor: a shorter last dispatch would be a second program to compile.
    """
    return max(size for size in range(1, min(limit, steps) + 1) if steps % size == 0)


@dataclasses.dataclass
class Trainer:
    """One training run: its data, its settings, its state.

    Attributes:
      settings: of the run.
      corpus: training clips are used, held-out ones are not touched here.
      state: current state.
      epoch: epochs done.
      series: the steps done in the epoch that is not over.
    """

    settings: Settings
    corpus: Corpus
    state: TrainState = None
    epoch: int = 0

    def __post_init__(self):
        """Draw a fresh state and refuse what cannot be trained on."""
        self.labels = self.corpus.labels[self.corpus.training]
        train = self.settings.train
        if len(self.labels) < 2:
            raise ConfigError(
                f"corpus: {len(self.labels)} training clip; at least 2 are needed, add "
                "sounds or make corpus.seconds shorter"
            )
        try:
            self.steps_per_epoch = pairs.steps_per_epoch(
                len(self.labels), train.batch_size
            )
        except ValueError as error:
            raise ConfigError(f"train.batch_size: {error}") from None
        self.hparams = make_hparams(
            **self.settings.hparams,
            steps_per_epoch=self.steps_per_epoch,
            decay_steps=self._decay_steps(),
        )
        self.constants = self.normalization.arrays()
        clip = self.settings.spectrogram.frames(self.corpus.audio.shape[1])
        bins = self.settings.spectrogram.bins
        self.crop = train.crop_bins or bins, train.crop_frames or clip
        self.spec = self._spec()
        self.steps_per_dispatch = dispatch_size(
            self.steps_per_epoch, train.steps_per_dispatch
        )
        self.placement = feed.place(self.corpus.audio, train.storage)
        self._program = None
        self.series = EpochSeries(train.skip_limit)
        if self.state is None:
            key = jax.random.key(train.seed)
            self.state = create_state(key, self.spec)

    def _spec(self) -> GameSpec:
        train, game = self.settings.train, self.settings.game
        if train.microbatch:
            return dataclasses.replace(game, microbatch=train.microbatch)
        values = self.crop[0] * self.crop[1]
        size = device.examples_per_pass(train.batch_size, values, game.critic_widths[0])
        return dataclasses.replace(game, microbatch=size)

    def _decay_steps(self) -> int:
        train = self.settings.train
        decays = train.learning_rate_decay == "cosine"
        return train.epochs * self.steps_per_epoch if decays else 0

    @property
    def normalization(self) -> spectral.Normalization:
        """The corpus's constants."""
        settings, corpus = self.settings, self.corpus
        return spectral.Normalization(
            settings.alpha, settings.gamma, corpus.low, corpus.high
        )

    @property
    def step(self) -> int:
        """Iterations done, those that were taken back too."""
        return self.epoch * self.steps_per_epoch + len(self.series)

    def dispatches(self, epoch: int, first: int = 0) -> Iterator[feed.Plan]:
        """Yield an epoch's plans from a step on, one per dispatch."""
        clips, settings = self.corpus.training, self.settings
        spectrogram = settings.spectrogram
        content = self.corpus.content[clips]
        plan = feed.make_plan(
            self.labels, content, settings.train, self.crop, spectrogram, epoch
        )
        plan = plan.replace(clip=clips[plan.clip].astype(np.int32))
        for step in range(first, len(plan), self.steps_per_dispatch):
            part = plan.take(slice(step, step + self.steps_per_dispatch))
            if self.placement.audio is None:
                part = feed.fill(part, self.corpus.audio, self.crop[1], spectrogram)
            yield part

    def compile(self) -> float:
        """Compile the run's one program and return the seconds it took."""
        began = time.perf_counter()
        static = ("spec", "crop", "settings")
        program = jax.jit(train_steps, static_argnames=static, donate_argnames="state")
        lowered = program.lower(
            self.state,
            next(self.dispatches(self.epoch)),
            self.placement.audio,
            self.hparams,
            self.constants,
            spec=self.spec,
            crop=self.crop,
            settings=self.settings.spectrogram,
        )
        self.compiler_options = compilation.options(jax.default_backend())
        self._program = lowered.compile(compiler_options=self.compiler_options)
        return time.perf_counter() - began

    def run_epoch(
        self,
        on_step: Callable[[dict], None],
        stopping: Callable[[], bool] = lambda: False,
    ) -> dict[str, float] | None:
        """Train one epoch, or the rest of it, compiling first if that was not done.

        Args:
          on_step: called with each step's metrics as floats.
          stopping: asked before each dispatch whether to leave the epoch there.

        Returns:
          The means over the epoch's good steps and "skipped", how many were not;
          learned numbers as they are after it. None if it was left.

        Raises:
          TrainingError: on too many steps that are not finite. The state is the one
            after the last good step, and may be kept.
        """
        if self._program is None:
            self.compile()
        pending = None
        for plan in self.dispatches(self.epoch, len(self.series)):
            if stopping() or self.series.too_many:
                break
            self.state, metrics = self._program(
                self.state, plan, self.placement.audio, self.hparams, self.constants
            )
            # Reading the dispatch before this one, and gathering the next, leave the
            # device busy meanwhile.
            self._read(pending, on_step)
            pending = metrics
        self._read(pending, on_step)
        fault = self.series.fault(self.epoch, self.steps_per_epoch)
        if fault:
            raise TrainingError(fault)
        if len(self.series) < self.steps_per_epoch:
            return None
        self.epoch += 1
        return self.series.finish()

    def _read(self, metrics, on_step):
        if metrics is not None:
            for values in self.series.add(jax.device_get(metrics)):
                on_step(values)

    @property
    def temperature(self) -> float:
        """The gate's temperature in the epoch of the last step done."""
        gate = self.settings.hparams
        return float(
            cak.gate_temperature(
                max(0, self.step - 1) // self.steps_per_epoch,
                gate["temperature_initial"],
                gate["temperature_final"],
                gate["anneal_epochs"],
            )
        )

    def effect(self, provenance: dict | None = None) -> Effect:
        """Return what CAK has learned so far, with the gate of the last epoch."""
        learned = jax.device_get(self.state.params)
        return Effect(
            name=self.settings.name,
            kernel=tuple(
                tuple(float(v) for v in row) for row in learned["detector"]["kernel"]
            ),
            bias=float(learned["detector"]["bias"]),
            scale=float(learned["scale"]),
            threshold=self.settings.hparams["threshold"],
            temperature=self.temperature,
            spectrogram=self.settings.spectrogram,
            normalization=self.normalization,
            provenance=provenance or {},
        )

    def resume(self, checkpoints: Checkpoints) -> Restored | None:
        """Take up the newest good checkpoint, if there is one."""
        found = checkpoints.restore(self.state)
        if found is None:
            return None
        self.state = found.state
        self.series.load(found.progress)
        self.epoch = (found.step - len(self.series)) // self.steps_per_epoch
        # The place in the epoch must be one where a dispatch begins.
        self.steps_per_dispatch = dispatch_size(
            math.gcd(self.steps_per_epoch, len(self.series)),
            self.settings.train.steps_per_dispatch,
        )
        return found
