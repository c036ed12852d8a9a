"""How long a block of a live stream takes, against the time it lasts, on one core.

    python experiments/benchmark_stream.py

Times the callback of `cak live`, everything between a block in and a
block out, on two channels of noise with the knob at 0.8 and the running match; 20
seconds of sound a row (another length: `benchmark_stream.py 60`). The process runs on
one core only, the last of those it may use. The goal is that the 99th percentile stays
below a quarter of the block's duration. Nothing else should run meanwhile.
"""

import contextlib
import os
import time

import numpy as np
from command_line import arguments

EFFECTS = ("published", "bright", "tones", "noise")
# Sample rate and block size; the first is what the goal is about.
LAYOUTS = ((44100, 512), (44100, 64), (44100, 128), (44100, 1024), (48000, 512))
SECONDS, WARM_UP, AMOUNT, CHANNELS = 20.0, 50, 0.8, 2
GOAL = 0.25


@contextlib.contextmanager
def one_core():
    """Run on one core, with all threads begun meanwhile."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def block_times(effect, sample_rate, block_size, seconds):
    """Return the seconds that each block took, `[block]`, without the first ones."""
    from cak_jax.apps.live.player import Player
    from cak_jax.apps.live.session import undisturbed
    from cak_jax.rendering.stream import Stream

    stream = Stream(
        effect, sample_rate, CHANNELS, block_size, amount=AMOUNT, match_seconds=1.0
    )
    player = Player(stream, None)
    count = round(seconds * sample_rate / block_size) + WARM_UP
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, (count, block_size, CHANNELS)).astype(np.float32)
    out, times = np.zeros((block_size, CHANNELS), np.float32), []
    with undisturbed():
        for block in sound:
            began = time.perf_counter()
            player.fill(out, block)
            times.append(time.perf_counter() - began)
    if player.error is not None:
        raise player.error
    return np.array(times[WARM_UP:])


def row(effect, sample_rate, block_size, seconds):
    """Return a row of the table."""
    times = block_times(effect, sample_rate, block_size, seconds)
    duration = block_size / sample_rate
    median, most, worst = 1000 * np.quantile(times, [0.5, 0.99, 1.0])
    share = most / 1000 / duration
    return (
        f"| {effect.name} | {sample_rate} | {block_size} | {1000 * duration:.2f} | "
        f"{median:.2f} | {most:.2f} | {worst:.2f} | {share:.0%} | "
        f"{'yes' if share < GOAL else 'no'} |"
    )


def main(arguments):
    """Print the table, after so many seconds of sound a row."""
    seconds = float(arguments[0]) if arguments else SECONDS
    # JAX counts the cores when it starts: not before.
    with one_core():
        from cak_jax.effect.effect import load_effect

        print("| effect | Hz | samples a block | lasts ms | median ms | "
              "99th percentile ms | longest ms | 99th percentile, share | "
              "below a quarter |")  # fmt: skip
        print("| --- " * 9 + "|")
        for sample_rate, block_size in LAYOUTS:
            for name in EFFECTS:
                print(row(load_effect(name), sample_rate, block_size, seconds),
                      flush=True)  # fmt: skip


if __name__ == "__main__":
    main(arguments(__doc__, 0, 1))
