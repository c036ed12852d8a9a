"""Many training runs as one program over a leading run axis, spread over devices.

Each device takes its share of the runs, one after the other (`lax.map`) or several at
once (`vmap`), whichever fits its memory and measures faster. Runs exchange nothing.
Letter R: runs.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from cak_jax.model import compiler
from cak_jax.model.spectrogram_settings import Normalization
from cak_jax.model.train_state import HParams, TrainState
from cak_jax.training import batch_plan, devices
from cak_jax.training.steps import Static, Stepped, train_step

# Share of the free memory that a program may need beside its arguments, because the
# compiler's estimate is no upper bound.
SHARE = 0.5
REPEATS = 2

# State, plan, which of its steps are active, and the numbers that a run may set.
OneRun = tuple[TrainState, batch_plan.Plan, jax.Array, HParams, Normalization]


def pack(state: TrainState) -> TrainState:
    """Replace the typed key by its data, which can be stacked, sent and saved."""
    return dataclasses.replace(state, key=jax.random.key_data(state.key))


def unpack(state: TrainState) -> TrainState:
    """Undo `pack`."""
    return dataclasses.replace(state, key=jax.random.wrap_key_data(state.key))


def stack(trees: list[Any]) -> Any:
    """Stack equal trees along a new leading run axis, on the host."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *jax.device_get(trees))


def train_one(run: OneRun, audio: jax.Array | None, static: Static) -> Stepped:
    """Make the active iterations of a run's plan, which come first in it.

    The loop ends with the active steps. A condition within each step would make them a
    third slower on CPU.

    Args:
      run: packed state; plan of some steps; `[step]` bool, which of them are active;
        numbers of the losses and of the normalisation.
      audio, static: as in `steps.train_step`.

    Returns:
      The packed state and every metric `[step]`, 0 where the step was not active.
    """
    state, plan, active, hparams, constants = run

    def make(state: TrainState, step: batch_plan.Plan) -> Stepped:
        state, metrics = train_step(
            unpack(state), step, audio, hparams, constants, static
        )
        return pack(state), metrics

    def step_at(index: jax.Array | int) -> batch_plan.Plan:
        return jax.tree.map(
            lambda leaf: jax.lax.dynamic_index_in_dim(leaf, index, keepdims=False), plan
        )

    _, shapes = jax.eval_shape(make, state, step_at(0))
    steps, count = len(active), jnp.sum(active, dtype=jnp.int32)
    nothing = jax.tree.map(lambda s: jnp.zeros((steps, *s.shape), s.dtype), shapes)

    def one(carry: tuple[jax.Array, TrainState, Any]) -> Any:
        index, state, series = carry
        state, metrics = make(state, step_at(index))
        put = functools.partial(jax.lax.dynamic_update_index_in_dim, axis=0)
        series = jax.tree.map(lambda s, v: put(s, v, index), series, metrics)
        return index + 1, state, series

    start = jnp.zeros((), jnp.int32), state, nothing
    _, state, series = jax.lax.while_loop(lambda carry: carry[0] < count, one, start)
    return state, series


def train_runs(
    state: TrainState,
    plan: batch_plan.Plan,
    active: jax.Array,
    audio: jax.Array | None,
    hparams: HParams,
    constants: Normalization,
    *,
    static: Static,
    width: int,
) -> Stepped:
    """Do `train_one` for every run of the leading axis `[R]`; all share the audio.

    `width` runs are made at once, a divisor of R: 1 is `lax.map`, R is `vmap`.
    """
    one = functools.partial(train_one, audio=audio, static=static)
    runs = (state, plan, active, hparams, constants)
    if width == 1:
        return jax.lax.map(one, runs)
    if width == active.shape[0]:
        return jax.vmap(one)(runs)
    return jax.lax.map(one, runs, batch_size=width)


class Runs(NamedTuple):
    """A wave on the host: packed states and numbers `[R]`."""

    state: TrainState
    hparams: HParams
    constants: Normalization


def place(tree: Any, mesh: Mesh) -> Any:
    """Spread stacked runs over the devices of a mesh."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec(devices.RUN)))


def compile_runs(mesh: Mesh, static: Static, width: int, arguments: Any) -> Any:
    """Compile `train_runs` for placed arguments; it reuses the buffers of the state.

    The number of runs divides by the size of the mesh; `width` counts on each device.
    """
    by_run, whole = PartitionSpec(devices.RUN), PartitionSpec()
    function = jax.shard_map(
        functools.partial(train_runs, static=static, width=width),
        mesh=mesh,
        in_specs=(by_run, by_run, by_run, whole, by_run, by_run),
        out_specs=by_run,
        check_vma=False,
    )
    lowered = jax.jit(function, donate_argnums=0).lower(*arguments)
    options = compiler.compiler_options(jax.default_backend())
    return lowered.compile(compiler_options=options)


def replicate(audio: jax.Array | None, mesh: Mesh) -> jax.Array | None:
    """Put the corpus on every device of a mesh, without a copy where possible."""
    if audio is None:
        return None
    return jax.device_put(audio, devices.replicated(mesh), may_alias=True)


class Width(NamedTuple):
    """How many runs a device takes at once, and the reason in one phrase.

    Where it was measured, also the milliseconds per run and iteration by runs at once.
    """

    runs: int
    said: str
    milliseconds: dict[str, float]


def choose_width(
    vectorise: str, count: int, each: int, free: int, measure: Callable[[int], float]
) -> Width:
    """Decide how many of the `count` runs of a device it takes at once.

    Args:
      vectorise: "map", "vmap" or "auto", which measures both forms.
      count: runs of a device.
      each, free: temporary bytes of one run by the compiler's estimate, free bytes.
      measure: seconds per run and iteration with so many runs at once.
    """
    most = devices.largest_divisor(count, SHARE * free / max(1, each))
    serial = "one run after the other (lax.map)"
    room = (
        f"a run needs {each / 1e6:.0f} MB beside its arguments, "
        f"{free / 1e9:.1f} GB are free"
    )
    if vectorise == "map" or count == 1:
        return Width(1, f"{serial}; {room}", {})
    if most == 1:
        return Width(1, f"{serial}, no two fit; {room}", {})
    if vectorise == "vmap":
        return Width(most, f"{most} runs at once (vmap); {room}", {})
    seconds = {width: measure(width) for width in (1, most)}
    best = min(seconds, key=lambda width: seconds[width])
    form = serial if best == 1 else f"{best} at once (vmap)"
    return Width(
        best,
        f"{form}: {1e3 * seconds[1]:.0f} ms per run and iteration by lax.map, "
        f"{1e3 * seconds[most]:.0f} ms by vmap of {most}; {room}",
        {str(width): 1e3 * value for width, value in seconds.items()},
    )
