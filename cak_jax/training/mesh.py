"""Meshes of devices: the items of a batch, or the runs of a sweep, spread over them."""

import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from cak_jax.training import batch_plan

BATCH, RUN = "batch", "run"


def make_mesh(axis: str, devices: list) -> Mesh:
    """Return a mesh of one axis over devices, in their order."""
    return Mesh(np.array(devices), (axis,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def over_runs(mesh: Mesh) -> NamedSharding:
    """Return the sharding of arrays with a leading run axis."""
    return NamedSharding(mesh, PartitionSpec(RUN))


def over_items(mesh: Mesh, streamed: bool) -> batch_plan.Plan:
    """Return the sharding of every part of a plan, by the items of its batches.

    Args:
      mesh: with the axis "batch".
      streamed: whether the plan carries samples.
    """
    by_side = NamedSharding(mesh, PartitionSpec(None, None, BATCH))
    by_step = NamedSharding(mesh, PartitionSpec(None, BATCH))
    samples = by_side if streamed else None
    return batch_plan.Plan(by_side, by_side, by_step, by_step, samples)
