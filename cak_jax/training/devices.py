"""The devices that train: their memory, and meshes of them."""

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

# Axes of meshes: the items of a batch, or the runs of a sweep, spread over devices.
BATCH, RUN = "batch", "run"
# Shares of an accelerator's memory: for the corpus, and for one pass of the critic.
# A fifth remains for the state and for everything else.
RESIDENT_SHARE = 0.4
PASS_SHARE = 0.4
# On CPU larger passes save no time, so 256 MB are enough.
CPU_PASS_BYTES = 256e6


def memory() -> int | None:
    """Return an accelerator's memory in bytes; None on CPU, which uses the host's."""
    statistics = jax.local_devices()[0].memory_stats()
    return statistics["bytes_limit"] if statistics else None


def examples_per_pass(count: int, values: int, width: int) -> int:
    """Return how many examples of a batch the critic takes at once: a divisor.

    Args:
      count: examples in a batch.
      values: of one spectrogram, bins times frames.
      width: channels of the critic's first convolution, which needs the most memory.
    """
    limit = memory()
    budget = PASS_SHARE * limit if limit else CPU_PASS_BYTES
    # Temporaries of a critic step as XLA reports them: 850 bytes a value at 32
    # channels, 260 at 8.
    each = values * (26 * width + 50)
    return largest_divisor(count, budget / each)


def largest_divisor(count: int, limit: float) -> int:
    """Return the largest divisor of `count` up to `limit`, and at least 1.

    A part of work divides the whole, because a shorter last part would need a second
    program.
    """
    divisors = (size for size in range(1, count + 1) if count % size == 0)
    return max((size for size in divisors if size <= limit), default=1)


def make_mesh(axis: str, devices: list[jax.Device]) -> Mesh:
    """Return a mesh of one axis over devices, in their order."""
    return Mesh(np.array(devices), (axis,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of an array that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())
