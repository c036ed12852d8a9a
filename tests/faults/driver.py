"""A process that kills itself, kill -9, before its n-th operation on files.

python driver.py WORK N FOLDER: WORK is `save` (two checkpoints) or `prepare` (a
corpus); operations are counted that name something in FOLDER. N = 0 only counts, and
prints how many there were.
"""

import os
import pathlib
import signal
import sys

EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")


def watch(folder: str, last: int) -> list[int]:
    """Count the operations from now on; in front of number `last`, end it all."""
    count = [0]

    def hear(event, arguments):
        named = [os.fspath(a) for a in arguments if isinstance(a, str | os.PathLike)]
        if event in EVENTS and any(name.startswith(folder) for name in named):
            count[0] += 1
            if count[0] == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    return count


def make_state(seed: int):
    import jax

    from cak_jax import state
    from cak_jax.state import GameSpec

    return state.create_state(jax.random.key(seed), GameSpec((2, 2, 2), 1))


def save(folder: str) -> None:
    from cak_jax.checkpoint import Checkpoints

    checkpoints = Checkpoints(pathlib.Path(folder, "checkpoints"), keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, make_state(step), {"step": step})
    checkpoints.close()


def prepare(folder: str) -> None:
    from cak_jax.corpus import CorpusSettings, load_corpus
    from cak_jax.spectral import SpectrogramSettings

    settings = CorpusSettings(
        os.path.join(folder, "sounds"),
        seconds=1.0,
        fade_seconds=0.0,
        cache=os.path.join(folder, "cache"),
    )
    print(load_corpus(settings, SpectrogramSettings(8000, 256, 64), 10.0).sha256)


if __name__ == "__main__":
    work, last, folder = sys.argv[1:]
    # Warmed up first: what is imported on the way should not be counted.
    import cak_jax.checkpoint
    import cak_jax.corpus  # noqa: F401

    make_state(0)
    counted = watch(folder, int(last))
    {"save": save, "prepare": prepare}[work](folder)
    print(counted[0])
