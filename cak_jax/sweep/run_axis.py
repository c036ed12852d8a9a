"""Many training runs as one program over a leading run axis, spread over devices.

Each device takes its share of the runs, one after the other (`lax.map`) or several at
once (`vmap`); nothing passes between runs or devices. Letter R: runs.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from cak_jax.model import spectral
from cak_jax.model.train_state import GameSpec, HParams, TrainState
from cak_jax.training import batch_plan, mesh as mesh_lib
from cak_jax.training.steps import train_step


@dataclasses.dataclass(frozen=True)
class Static:
    """What fixes the shapes of a training program; runs that share it share one."""

    spec: GameSpec
    crop: tuple[int, int]
    settings: spectral.SpectrogramSettings


def pack(state: TrainState) -> TrainState:
    """Replace the typed key by its data: numbers that stack, travel and are kept."""
    return state.replace(key=jax.random.key_data(state.key))


def unpack(state: TrainState) -> TrainState:
    """Undo `pack`."""
    return state.replace(key=jax.random.wrap_key_data(state.key))


def stack(trees: list) -> Any:
    """Stack equal trees along a new leading run axis, on the host."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *jax.device_get(trees))


def train_one(
    state: TrainState,
    plan: batch_plan.Plan,
    wanted: jax.Array,
    audio: jax.Array | None,
    hparams: HParams,
    constants: spectral.Normalization,
    *,
    static: Static,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Make those iterations of a run's plan that are wanted; the rest do nothing.

    Args:
      state: packed.
      plan: of some steps, as in `steps.train_steps`.
      wanted: `[step]` bool.
      audio, hparams, constants: as there.
      static: what fixes shapes.

    Returns:
      The packed state and every metric `[step]`, 0 where nothing was done.
    """

    def make(state, step):
        state, metrics = train_step(
            unpack(state),
            step,
            audio,
            hparams,
            constants,
            spec=static.spec,
            crop=static.crop,
            settings=static.settings,
        )
        return pack(state), metrics

    def one(state, item):
        step, go = item
        _, shapes = jax.eval_shape(make, state, step)

        def idle(state, step):
            del step
            zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
            return state, zeros

        return jax.lax.cond(go, make, idle, state, step)

    return jax.lax.scan(one, state, (plan, wanted))


def train_runs(
    state: TrainState,
    plan: batch_plan.Plan,
    wanted: jax.Array,
    audio: jax.Array | None,
    hparams: HParams,
    constants: spectral.Normalization,
    *,
    static: Static,
    width: int,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Do `train_one` for every run of the leading axis.

    Args:
      state, plan, wanted, hparams, constants: with a leading axis `[R]`.
      audio: the corpus that all share.
      static: what fixes shapes.
      width: runs at once, a divisor of R: 1 is `lax.map`, R is `vmap`.
    """

    def one(run):
        state, plan, wanted, hparams, constants = run
        return train_one(state, plan, wanted, audio, hparams, constants, static=static)

    runs = (state, plan, wanted, hparams, constants)
    if width == 1:
        return jax.lax.map(one, runs)
    count = wanted.shape[0]
    if width == count:
        return jax.vmap(one)(runs)
    return jax.lax.map(one, runs, batch_size=width)


@dataclasses.dataclass(frozen=True)
class Runs:
    """Runs that are trained together, on the host: this process's share of them.

    Attributes:
      state: packed and stacked, `[R, ...]`.
      hparams, constants: stacked, `[R]`.
    """

    state: TrainState
    hparams: HParams
    constants: spectral.Normalization


class Program:
    """One compiled program for a number of runs on a mesh of devices.

    Args:
      mesh: with the axis "run"; the number of runs divides by its size.
      static: what fixes shapes.
      width: runs at once on each device.
      options: for the compiler.
    """

    def __init__(self, mesh: Mesh, static: Static, width: int, options: dict):
        self.mesh, self.width = mesh, width
        self._options, self._compiled = options, None
        by_run, whole = PartitionSpec(mesh_lib.RUN), PartitionSpec()
        function = jax.shard_map(
            functools.partial(train_runs, static=static, width=width),
            mesh=mesh,
            in_specs=(by_run, by_run, by_run, whole, by_run, by_run),
            out_specs=by_run,
            check_vma=False,
        )
        self._function = jax.jit(function, donate_argnums=0)

    def place(self, tree: Any) -> Any:
        """Spread this process's share of stacked runs over its devices."""
        sharding = mesh_lib.over_runs(self.mesh)
        return jax.tree.map(
            lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), tree
        )

    def compile(self, *arguments) -> None:
        """Compile for arguments of these shapes, placed."""
        lowered = self._function.lower(*arguments)
        self._compiled = lowered.compile(compiler_options=self._options)

    @property
    def temporary_bytes(self) -> int:
        """Memory that the program needs on each device beside what it is given."""
        return int(self._compiled.memory_analysis().temp_size_in_bytes)

    @property
    def argument_bytes(self) -> int:
        """Memory of what it is given, on each device, the corpus included."""
        return int(self._compiled.memory_analysis().argument_size_in_bytes)

    def __call__(self, *arguments) -> tuple[TrainState, dict[str, jax.Array]]:
        """Run it; the state is used up."""
        return self._compiled(*arguments)


def replicate(audio: jax.Array | None, mesh: Mesh) -> jax.Array | None:
    """Put the corpus on every device of a mesh; without a copy where that can be."""
    if audio is None:
        return None
    sharding = mesh_lib.replicated(mesh)
    if jax.process_count() > 1:
        return jax.make_array_from_process_local_data(sharding, np.asarray(audio))
    return jax.device_put(audio, sharding, may_alias=True)


def fetch(tree: Any) -> Any:
    """Return this process's share of an outcome with a run axis, on the host."""

    def own(leaf):
        shards = {shard.index[0].start or 0: shard for shard in leaf.addressable_shards}
        return np.concatenate([np.asarray(shards[s].data) for s in sorted(shards)])

    return jax.tree.map(own, tree)
