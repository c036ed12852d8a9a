"""The K-weighting of ITU-R BS.1770 as matrix products, in NumPy or JAX.

The weighting is a cascade of two recursive filters of second order. A program would go
through them sample by sample. Here a chunk of 32 samples is multiplied by its response
from rest, and the four numbers that the filters remember are carried from chunk to
chunk by powers of their transition matrix, also as matrix products. Nothing here loads
JAX.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cak_jax.model.arrays import Array, array_module
from cak_jax.rendering.k_weighting import LOUDEST_SAMPLE, channel_weights, sections

# Samples of a chunk, chunks of a group, groups of a span.
CHUNK, GROUP, GROUPS = 32, 16, 64
SPAN = CHUNK * GROUP * GROUPS
STATE = 4
# Chunks and groups in one product, which for OpenBLAS is small enough not to wake its
# threads: those and XLA's slow each other down tenfold.
CHUNKS_AT_ONCE, GROUPS_AT_ONCE = 128, 16
# 2 ** 40 chunks: the memory of every filter has died away long before.
ENERGY_DOUBLINGS = 40


class Tables(NamedTuple):
    """What the samples and the filters' memory are multiplied by, float32.

    Attributes:
      response: from rest, `[CHUNK, CHUNK]`.
      stored: what a chunk leaves in the memory, `[CHUNK, STATE]`.
      ring: what the memory sounds like, `[STATE, CHUNK]`.
      within, across: from what the chunks of a group, the groups of a span leave to the
        memory before each and after all, `[GROUP * STATE, (GROUP + 1) * STATE]`.
      decay, group_decay: the memory before each chunk or group, from that before the
        first, `[STATE, (GROUP + 1) * STATE]`.
    """

    response: np.ndarray
    stored: np.ndarray
    ring: np.ndarray
    within: np.ndarray
    decay: np.ndarray
    across: np.ndarray
    group_decay: np.ndarray


@functools.lru_cache(maxsize=16)
def tables(sample_rate: int) -> Tables:
    """Return the tables for a sample rate in Hz."""
    sos = sections(sample_rate)
    response, stored = _filtered(sos, np.eye(CHUNK), np.zeros((CHUNK, 2 * len(sos))))
    memories = np.eye(2 * len(sos))
    ring, after = _filtered(sos, np.zeros((2 * len(sos), CHUNK)), memories)
    # In coordinates in which the memory's later sound is as large as its numbers. In
    # those of the filters large numbers cancel, which costs float32 three digits.
    energy = _energy(after, ring @ ring.T)
    change = np.linalg.cholesky(energy)
    ring = np.linalg.solve(change, ring)
    stored, after = stored @ change, np.linalg.solve(change, after @ change)
    missing = 0, STATE - len(ring)
    stored, after = (np.pad(m, ((0, 0), missing)) for m in (stored, after))
    ring, after = (np.pad(m, (missing, (0, 0))) for m in (ring, after))
    within, decay = _carried(after, GROUP)
    across, group_decay = _carried(np.linalg.matrix_power(after, GROUP), GROUPS)
    found = response, stored, ring, within, decay, across, group_decay
    return Tables(*(np.asarray(table, np.float32) for table in found))


def _filtered(
    sos: np.ndarray, sounds: np.ndarray, memories: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return sounds `[sound, samples]` filtered, and the memories after them.

    As SciPy's `sosfilt`, whose module takes 0.8 s to load, with the memories of all
    sections side by side, `[sound, 2 * section]`.
    """
    output, memories = sounds.copy(), memories.copy()
    for number, (b0, b1, b2, _, a1, a2) in enumerate(sos):
        first, second = memories[:, 2 * number : 2 * number + 2].T
        for time in range(sounds.shape[1]):
            x = output[:, time]
            y = b0 * x + first
            first, second = b1 * x - a1 * y + second, b2 * x - a2 * y
            output[:, time] = y
        memories[:, 2 * number : 2 * number + 2] = np.stack([first, second], axis=1)
    return output, memories


def _energy(step: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the sum over n of `step^n first step^n'`, by doubling."""
    total = first
    for _ in range(ENERGY_DOUBLINGS):
        total = total + step @ total @ step.T
        step = step @ step
    return total


def _carried(step: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how memories `[count]` and the first one are carried along by `step`."""
    powers = [np.linalg.matrix_power(step, n) for n in range(count + 1)]
    left = np.zeros((count, STATE, count + 1, STATE))
    for before in range(count):
        for after in range(before + 1, count + 1):
            left[before, :, after] = powers[after - 1 - before]
    return left.reshape(count * STATE, -1), np.concatenate(powers, axis=1)


def span_power(samples: Array, memory: Array, tables: Tables) -> tuple[Array, Array]:
    """Weigh one span of all channels, in NumPy or JAX.

    Args:
      samples: `[channels, SPAN]` float32.
      memory: of the filters before it, `[channels, STATE]`; zeros at the beginning.
      tables: from `tables`.

    Returns:
      The squares of the weighted samples, `[channels, SPAN]`, and the memory after it.
    """
    product = array_module(samples).matmul
    if product is not np.matmul:
        # In full precision, which is not the default on accelerators.
        product = functools.partial(product, precision="highest")
    channels = len(samples)
    chunks = samples.reshape(-1, CHUNKS_AT_ONCE, CHUNK)
    left = product(chunks, tables.stored)
    left = left.reshape(-1, GROUPS_AT_ONCE, GROUP * STATE)
    memories = product(left, tables.within).reshape(channels, GROUPS, -1)
    before, whole = memories[..., :-STATE], memories[..., -STATE:]
    groups = product(whole.reshape(channels, 1, GROUPS * STATE), tables.across)
    groups = groups + product(memory[:, None], tables.group_decay)
    groups = groups.reshape(channels, GROUPS + 1, STATE)
    before = before + product(groups[:, :-1], tables.decay[:, :-STATE])
    ringing = product(before.reshape(-1, CHUNKS_AT_ONCE, STATE), tables.ring)
    weighted = product(chunks, tables.response) + ringing
    return (weighted * weighted).reshape(channels, SPAN), groups[:, -1]


class Spans:
    """The weighted power of a sound that comes block by block."""

    def __init__(self, sample_rate: int, channels: int):
        """Begin with silence."""
        self._tables, self._count = tables(sample_rate), 0
        self._samples = np.zeros((channels, SPAN), np.float32)
        self._memory = np.zeros((channels, STATE), np.float32)

    def push(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Take `[channels, n]`; yield the power of each span that is full.

        Yields:
          `[SPAN]` float32, summed over the channels.
        """
        while samples.shape[-1]:
            part = samples[:, : SPAN - self._count]
            place = self._samples[:, self._count : self._count + part.shape[-1]]
            # Clipped before a double becomes a float, where it might be infinite.
            np.clip(part, -LOUDEST_SAMPLE, LOUDEST_SAMPLE, out=place, casting="unsafe")
            samples = samples[:, part.shape[-1] :]
            self._count += part.shape[-1]
            if self._count == SPAN:
                yield self.finish()

    def finish(self) -> np.ndarray:
        """Return the power of the samples that are not given yet, `[n]`."""
        count, self._count = self._count, 0
        if not count:
            return self._samples[0, :0]
        self._samples[:, count:] = 0.0
        power, self._memory = span_power(self._samples, self._memory, self._tables)
        weights = np.float32(channel_weights(len(power)))
        # Not BLAS: see `CHUNKS_AT_ONCE`.
        summed: np.ndarray = np.einsum("c,cn->n", weights, power)
        return summed[:count]
