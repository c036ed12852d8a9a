"""Plans of batches, and the way from the corpus to the device.

A plan holds, for some steps, which clips form a pair and where they are cropped; it has
a few kilobytes. If the corpus is resident on the device, the samples are gathered
there. If it does not fit, they are gathered on the host and travel with the plan.
"""

import dataclasses
from typing import Any

import flax.struct
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from cak_jax.data import batch as batch_lib, pairs
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.model.train_step import Batch
from cak_jax.training import devices

# Seed part of the draws of bands. Crops in time use the step's number in its place, so
# the two never share a generator.
BAND_STREAM = 2**31
STORAGES = ("auto", "float32", "float16", "stream")


@flax.struct.dataclass
class Plan:
    """The items of some steps; side 0 is the input, side 1 the target.

    Attributes:
      clip: `[step, side, batch]` int32, row of the corpus.
      first_frame: `[step, side, batch]` int32.
      first_bin: `[step, batch]` int32, the same for input and target.
      control: `[step, batch]` float32, the requested control.
      samples: `[step, side, batch, sample]` float32 where the corpus is streamed;
        None where it is resident.
    """

    # Arrays of NumPy on the host, of JAX in a program; shardings in `over_items`.
    clip: Any
    first_frame: Any
    first_bin: Any
    control: Any
    samples: Any = None

    def __len__(self) -> int:
        return len(self.control)

    def take(self, steps: slice | np.ndarray) -> "Plan":
        """Return the plan of the steps that a slice or an index array selects."""
        return jax.tree.map(lambda values: values[steps], self)


def make_plan(
    labels: np.ndarray,
    content: np.ndarray,
    train: Any,
    crop: tuple[int, int],
    settings: SpectrogramSettings,
    epoch: int,
) -> Plan:
    """Plan an epoch, without samples: a function of the seed and the epoch alone.

    Args:
      labels: of the training clips `[clip]`; rows of the plan are counted among them.
      content: their first and last + 1 sample that is not padding, `[clip, 2]`.
      train: has seed, pairing, batch_size, least_steps and crop_frames, as
        `TrainSettings` has.
      crop: bins and frames of an item.
      settings: of the spectrograms.
      epoch: from 0.
    """
    sizes = len(labels), train.batch_size, train.least_steps
    steps, times = pairs.steps_per_epoch(*sizes), pairs.times_of(*sizes)
    items = pairs.epoch_items(labels, train.pairing, train.seed, epoch, times)
    places = np.arange(steps * train.batch_size).reshape(steps, train.batch_size)
    parts = [items.take(step) for step in places]
    clip = np.array([(part.low, part.high) for part in parts], np.int32)
    control = np.array([part.control for part in parts], np.float32)
    bins, frames = crop
    band = np.random.default_rng((train.seed, epoch, BAND_STREAM)).integers(
        settings.bins - bins + 1, size=control.shape, dtype=np.int32
    )
    first = np.zeros_like(clip)
    for step, part in enumerate(parts if train.crop_frames else ()):
        seed = (train.seed, epoch, step)
        first[step] = pairs.crop_starts(
            part, content, frames, settings.hop_length, seed
        )
    return Plan(clip, first, band, control)


def fill(
    plan: Plan, audio: np.ndarray, frames: int, settings: SpectrogramSettings
) -> Plan:
    """Gather a plan's samples on the host, for a corpus that is streamed."""
    samples = batch_lib.gather(
        audio, plan.clip.ravel(), plan.first_frame.ravel(), frames, settings
    )
    return dataclasses.replace(plan, samples=samples.reshape(*plan.clip.shape, -1))


def over_items(mesh: Mesh, streamed: bool) -> Plan:
    """Return the sharding of every part of a plan, by the items of its batches.

    The mesh has the axis "batch"; a plan of a streamed corpus carries samples.
    """
    by_side = NamedSharding(mesh, PartitionSpec(None, None, devices.BATCH))
    by_step = NamedSharding(mesh, PartitionSpec(None, devices.BATCH))
    samples = by_side if streamed else None
    return Plan(by_side, by_side, by_step, by_step, samples)


def batch_of(
    step: Plan,
    audio: jax.Array | None,
    crop: tuple[int, int],
    settings: SpectrogramSettings,
    constants: Normalization,
    hears: bool = False,
    targets: bool = True,
) -> Batch:
    """Build one step's batch on the device; the arguments are `steps.train_step`'s.

    With `hears` it carries the inputs' samples, which the game hears. Without `targets`
    it has none.
    """
    bins, frames = crop
    samples = step.samples
    if audio is not None:
        samples = batch_lib.gather_resident(
            audio, step.clip, step.first_frame, frames, settings
        )
    whole = batch_lib.make_batch(
        samples[0], samples[1], step.control, settings, constants, hears, targets
    )
    if bins == settings.bins:
        return whole
    cut = jax.vmap(lambda x, first: jax.lax.dynamic_slice_in_dim(x, first, bins))
    return Batch(
        cut(whole.x_in, step.first_bin),
        None if whole.x_target is None else cut(whole.x_target, step.first_bin),
        step.control,
    )


@dataclasses.dataclass(frozen=True)
class Placement:
    """The corpus on the device, None where it is streamed, and a phrase for people."""

    audio: jax.Array | None
    description: str


def place(audio: np.ndarray, storage: str) -> Placement:
    """Put a corpus where its batches are gathered.

    On CPU an aligned or memory-mapped float32 array is used without a copy, because the
    device's memory is the host's. "float16" needs half the memory and rounds samples to
    11 bits, so "auto" never chooses it.

    Args:
      audio: `[clip, sample]` float32.
      storage: one of `STORAGES`; "auto" is float32 where it fits, else streamed.
    """
    megabytes = f"{audio.nbytes / 1e6:.0f} MB"
    if storage == "auto":
        limit = devices.memory()
        fits = limit is None or audio.nbytes <= devices.RESIDENT_SHARE * limit
        storage = "float32" if fits else "stream"
    if storage == "stream":
        return Placement(None, f"streamed from the host, {megabytes}")
    if storage == "float16":
        half = jax.device_put(audio.astype(np.float16))
        return Placement(half, f"resident as float16, half of {megabytes}")
    return Placement(jax.device_put(audio, may_alias=True), f"resident, {megabytes}")
