"""What the device at hand can hold."""

import jax

# Of an accelerator's memory: for the corpus, and for one pass of the critic.
RESIDENT_SHARE = 0.4
PASS_SHARE = 0.4
# On CPU smaller passes cost no time, so there is no reason to take more.
CPU_PASS_BYTES = 256e6


def memory() -> int | None:
    """Return an accelerator's memory in bytes; None where it is the host's own."""
    statistics = jax.local_devices()[0].memory_stats()
    return statistics["bytes_limit"] if statistics else None


def holds_resident(size: int) -> bool:
    """Say whether a corpus of `size` bytes may lie on the device."""
    limit = memory()
    return limit is None or size <= RESIDENT_SHARE * limit


def examples_per_pass(count: int, values: int, width: int) -> int:
    """Return how many examples the critic takes at once: a divisor of `count`.

    Args:
      count: examples in a batch.
      values: of one spectrogram, bins times frames.
      width: channels of the critic's first convolution, which holds the most.
    """
    limit = memory()
    budget = PASS_SHARE * limit if limit else CPU_PASS_BYTES
    # Temporaries of a critic step as XLA reports them: 850 bytes a value at 32
    # channels, 260 at 8.
    each = values * (26 * width + 50)
    fitting = [size for size in range(1, count + 1) if count % size == 0]
    return max((size for size in fitting if size * each <= budget), default=1)
