"""The host loop: gather, dispatch, read metrics one step late, evaluate, checkpoint.

Order of a resume: state from the newest good checkpoint; epoch from its number; the
batches of an epoch are a function of (seed, epoch), the draws in a step of the state's
key and step. Nothing else is needed, so nothing else is saved.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import jax
import numpy as np

from cak_jax import batch as batch_lib, cak, pairs, spectral
from cak_jax.checkpoint import Checkpoints
from cak_jax.config import ConfigError, Settings
from cak_jax.corpus import Corpus
from cak_jax.effect import Effect
from cak_jax.state import GameSpec, HParams, TrainState, create_state, make_hparams
from cak_jax.step import draw_alpha, train_iteration


class TrainingError(RuntimeError):
    """Training cannot go on; the message says at which step and why."""


@functools.partial(
    jax.jit, static_argnames=("spec", "settings"), donate_argnames="state"
)
def train_step(
    state: TrainState,
    samples_in: jax.Array,
    samples_target: jax.Array,
    control: jax.Array,
    hparams: HParams,
    constants: spectral.Normalization,
    *,
    spec: GameSpec,
    settings: spectral.SpectrogramSettings,
):
    """Make one iteration from gathered samples `[batch, crop_samples]`."""
    batch = batch_lib.make_batch(
        samples_in, samples_target, control, settings, constants
    )
    alpha = draw_alpha(state, control.shape[0], spec)
    return train_iteration(state, batch, alpha, hparams, spec=spec)


@dataclasses.dataclass
class Trainer:
    """One training run: its data, its settings, its state.

    Attributes:
      settings: of the run.
      corpus: training clips are used, held-out ones are not touched here.
      state: current state.
      epoch: epochs done.
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
        self.frames = train.crop_frames or clip
        if self.state is None:
            key = jax.random.key(train.seed)
            self.state = create_state(key, self.settings.game)

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

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield `(samples_in, samples_target, control)` for every step of an epoch."""
        train, clips = self.settings.train, self.corpus.training
        items = pairs.epoch_items(self.labels, train.pairing, train.seed, epoch)
        settings = self.settings.spectrogram
        for step in range(self.steps_per_epoch):
            size = train.batch_size
            part = items.take(np.arange(step * size, (step + 1) * size))
            low, high = np.zeros((2, size), np.int64)
            if train.crop_frames:
                low, high = pairs.crop_starts(
                    part,
                    self.corpus.content[clips],
                    self.frames,
                    settings.hop_length,
                    (train.seed, epoch, step),
                )
            read = functools.partial(
                batch_lib.gather,
                self.corpus.audio,
                frames=self.frames,
                settings=settings,
            )
            yield (
                read(clips[part.low], low),
                read(clips[part.high], high),
                part.control,
            )

    def run_epoch(self, on_step: Callable[[dict], None]) -> dict[str, float]:
        """Train one epoch.

        Args:
          on_step: called with each step's metrics as floats.

        Returns:
          The means over the epoch; learned numbers as they are after it.

        Raises:
          TrainingError: on a value that is not finite; the state is not to be kept.
        """
        series, pending = [], None
        for samples_in, samples_target, control in self.batches(self.epoch):
            self.state, metrics = train_step(
                self.state,
                samples_in,
                samples_target,
                control,
                self.hparams,
                self.constants,
                spec=self.settings.game,
                settings=self.settings.spectrogram,
            )
            # Reading the step before this one leaves the device busy meanwhile.
            if pending is not None:
                series.append(self._read(pending, len(series), on_step))
            pending = metrics
        series.append(self._read(pending, len(series), on_step))
        self.epoch += 1
        means = {name: np.mean([s[name] for s in series]) for name in series[0]}
        last = {name: series[-1][name] for name in ("scale", "bias", "kernel_sum")}
        return {name: float(value) for name, value in (means | last).items()}

    def _read(self, metrics, step, on_step):
        values = {name: float(value) for name, value in metrics.items()}
        wrong = [name for name, value in values.items() if not np.isfinite(value)]
        if wrong:
            number = self.epoch * self.steps_per_epoch + step
            raise TrainingError(
                f"step {number}: {wrong[0]} is {values[wrong[0]]}; training stopped, "
                "the last checkpoint is good. Try a lower train.learning_rate_critic "
                "or train.learning_rate_generator"
            )
        on_step(values)
        return values

    def effect(self, provenance: dict | None = None) -> Effect:
        """Return what has been learned so far, with the gate of the last epoch."""
        learned = jax.device_get(self.state.params)
        gate = self.settings.hparams
        temperature = cak.gate_temperature(
            max(0, self.epoch - 1),
            gate["temperature_initial"],
            gate["temperature_final"],
            gate["anneal_epochs"],
        )
        return Effect(
            name=self.settings.name,
            kernel=tuple(
                tuple(float(v) for v in row) for row in learned["detector"]["kernel"]
            ),
            bias=float(learned["detector"]["bias"]),
            scale=float(learned["scale"]),
            threshold=gate["threshold"],
            temperature=float(temperature),
            spectrogram=self.settings.spectrogram,
            normalization=self.normalization,
            provenance=provenance or {},
        )

    def resume(self, checkpoints: Checkpoints) -> bool:
        """Take state and epoch from the newest good checkpoint, if there is one."""
        found = checkpoints.restore(self.state)
        if found is not None:
            self.epoch, self.state = found
        return found is not None
