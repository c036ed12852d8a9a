"""The K-weighting of ITU-R BS.1770 as matrix products, traceable and differentiable.

The weighting is a cascade of two recursive filters of second order. A program would go
through them sample by sample. Here a chunk of 64 samples is multiplied by its response
from rest, and the four numbers that the filters remember are carried from chunk to
chunk by powers of their transition matrix, also as matrix products.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.rendering.k_weighting import LOUDEST_SAMPLE, sections

# Samples of a chunk, chunks of a group, groups of a span.
CHUNK, GROUP, SPAN_GROUPS = 64, 64, 16
SPAN = CHUNK * GROUP * SPAN_GROUPS
STATE = 4


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
    import scipy.linalg
    import scipy.signal

    sos = sections(sample_rate)
    rest = np.zeros((len(sos), CHUNK, 2))
    response, stored = scipy.signal.sosfilt(sos, np.eye(CHUNK), zi=rest)
    memories = np.eye(2 * len(sos)).reshape(-1, len(sos), 2).swapaxes(0, 1)
    silence = np.zeros((2 * len(sos), CHUNK))
    ring, after = scipy.signal.sosfilt(sos, silence, zi=memories)
    stored, after = (m.swapaxes(0, 1).reshape(m.shape[1], -1) for m in (stored, after))
    # In coordinates in which the memory's later sound is as large as its numbers. In
    # those of the filters large numbers cancel, which costs float32 three digits.
    energy = scipy.linalg.solve_discrete_lyapunov(after, ring @ ring.T)
    change = np.linalg.cholesky(energy)
    ring = np.linalg.solve(change, ring)
    stored, after = stored @ change, np.linalg.solve(change, after @ change)
    missing = 0, STATE - len(ring)
    stored, after = (np.pad(m, ((0, 0), missing)) for m in (stored, after))
    ring, after = (np.pad(m, (missing, (0, 0))) for m in (ring, after))
    within, decay = _carried(after, GROUP)
    across, group_decay = _carried(np.linalg.matrix_power(after, GROUP), SPAN_GROUPS)
    found = response, stored, ring, within, decay, across, group_decay
    return Tables(*(np.asarray(table, np.float32) for table in found))


def _carried(step: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how memories `[count]` and the first one are carried along by `step`."""
    powers = [np.linalg.matrix_power(step, n) for n in range(count + 1)]
    left = np.zeros((count, STATE, count + 1, STATE))
    for before in range(count):
        for after in range(before + 1, count + 1):
            left[before, :, after] = powers[after - 1 - before]
    return left.reshape(count * STATE, -1), np.concatenate(powers, axis=1)


def span_power(
    samples: jax.Array, memory: jax.Array, tables: Tables
) -> tuple[jax.Array, jax.Array]:
    """Weigh one span of a channel.

    Args:
      samples: `[SPAN]`.
      memory: of the filters before it, `[STATE]`; zeros at the beginning.
      tables: from `tables`.

    Returns:
      The squares of the weighted samples, `[SPAN]`, and the memory after it.
    """

    def product(a: jax.Array, b: np.ndarray) -> jax.Array:
        # In full precision, which is not the default on accelerators.
        return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)

    samples = jnp.clip(samples, -LOUDEST_SAMPLE, LOUDEST_SAMPLE)
    chunks = samples.reshape(SPAN_GROUPS, GROUP, CHUNK)
    left = product(chunks, tables.stored).reshape(SPAN_GROUPS, GROUP * STATE)
    memories = product(left, tables.within)
    before, whole = memories[:, :-STATE], memories[:, -STATE:]
    groups = product(whole.reshape(1, -1), tables.across)[0]
    groups = groups + product(memory[None], tables.group_decay)[0]
    groups = groups.reshape(SPAN_GROUPS + 1, STATE)
    before = before + product(groups[:-1], tables.decay[:, :-STATE])
    weighted = product(chunks, tables.response)
    before = before.reshape(SPAN_GROUPS, GROUP, STATE)
    weighted = weighted + product(before, tables.ring)
    return jnp.square(weighted).reshape(SPAN), groups[-1]


def powers(audio: jax.Array, sample_rate: int) -> jax.Array:
    """Return the squares of weighted `[channels, samples]`; traceable."""
    samples = audio.shape[-1]
    spans = -(-samples // SPAN)
    padded = jnp.pad(audio, ((0, 0), (0, spans * SPAN - samples)))
    found = tables(sample_rate)

    def step(memory: jax.Array, span: jax.Array) -> tuple[jax.Array, jax.Array]:
        power, memory = span_power(span, memory, found)
        return memory, power

    def channel(sound: jax.Array) -> jax.Array:
        start = jnp.zeros(STATE, jnp.float32)
        return jax.lax.scan(step, start, sound.reshape(spans, SPAN))[1].ravel()

    return jax.vmap(channel)(padded)[:, :samples]
