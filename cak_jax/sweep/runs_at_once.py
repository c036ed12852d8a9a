"""How many runs a device takes at once: what fits its memory, what measures faster."""

import dataclasses
import os
import time
from collections.abc import Callable

import jax

from cak_jax.training import device

# Of the memory that is free, for what a program needs beside its arguments.
SHARE = 0.5
REPEATS = 2


@dataclasses.dataclass(frozen=True)
class Width:
    """A decision, as it is said and kept.

    Attributes:
      runs: at once on each device; 1 is `lax.map`.
      said: one phrase with the reason.
      milliseconds: per run and iteration by runs at once, where it was measured.
    """

    runs: int
    said: str
    milliseconds: dict[str, float] = dataclasses.field(default_factory=dict)


def free_memory() -> int:
    """Return the bytes that a program may still take on a device."""
    limit = device.memory()
    if limit is not None:
        statistics = jax.local_devices()[0].memory_stats()
        return limit - statistics.get("bytes_in_use", 0)
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def fitting(count: int, each: int, free: int) -> int:
    """Return the most runs at once that fit: a divisor of `count`.

    Args:
      count: runs of a device.
      each: temporary bytes of one run.
      free: bytes there are.
    """
    budget = SHARE * free
    divisors = [size for size in range(1, count + 1) if count % size == 0]
    return max((size for size in divisors if size * each <= budget), default=1)


def choose(
    vectorise: str,
    count: int,
    each: int,
    free: int,
    measure: Callable[[int], float],
) -> Width:
    """Decide how many runs a device takes at once.

    Args:
      vectorise: "map", "vmap" or "auto", which measures both forms.
      count: runs of a device.
      each: temporary bytes of one run, as the compiler estimates them.
      free: bytes there are.
      measure: seconds per run and iteration with so many runs at once.
    """
    most = fitting(count, each, free)
    room = (
        f"a run needs {each / 1e6:.0f} MB beside its arguments, "
        f"{free / 1e9:.1f} GB are free"
    )
    if vectorise == "map" or count == 1:
        return Width(1, f"one run after the other (lax.map); {room}")
    if most == 1:
        return Width(1, f"one run after the other (lax.map), no two fit; {room}")
    if vectorise == "vmap":
        return Width(most, f"{most} runs at once (vmap); {room}")
    seconds = {width: measure(width) for width in (1, most)}
    best = min(seconds, key=seconds.get)
    form = (
        "one run after the other (lax.map)" if best == 1 else f"{best} at once (vmap)"
    )
    return Width(
        best,
        f"{form}: {1e3 * seconds[1]:.0f} ms per run and iteration by lax.map, "
        f"{1e3 * seconds[most]:.0f} ms by vmap of {most}; {room}",
        {str(width): 1e3 * value for width, value in seconds.items()},
    )


def clock(call: Callable[[], None]) -> float:
    """Return the least seconds of some calls, after one that warms up."""
    times = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times[1:])
