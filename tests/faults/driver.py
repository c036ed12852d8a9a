"""Pieces of work for processes of their own: one that kills itself, kill -9.

    python driver.py WORK FOLDER [NUMBER]

WORK is `save` (three checkpoints), `prepare` (a corpus) or
`move` (a checkpoint between numbers of devices). A process that saves or prepares ends
itself before its NUMBER-th operation on files that names something in FOLDER; 0 only
counts, and prints how many there were.
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
    """Return a state of numbers drawn by NumPy: the same bits in every process."""
    import jax
    import numpy as np

    from cak_jax.model.train_state import GameSpec, create_state

    draw, key = np.random.default_rng(seed), jax.random.key(seed)
    shapes = jax.eval_shape(lambda: create_state(key, GameSpec((2, 2, 2), 1)))

    def fill(leaf):
        if np.issubdtype(leaf.dtype, np.integer):
            return jax.device_put(draw.integers(99, size=leaf.shape, dtype=leaf.dtype))
        return jax.device_put(draw.normal(size=leaf.shape).astype(leaf.dtype))

    return jax.tree.map(fill, shapes.replace(key=None)).replace(key=key)


def leaves(state) -> str:
    """The hash of a state, its key as numbers."""
    import jax

    from cak_jax.training.checkpoint import digest

    return digest(state.replace(key=jax.random.key_data(state.key)))


def save(folder: str) -> None:
    from cak_jax.training.checkpoint import Checkpoints

    checkpoints = Checkpoints(pathlib.Path(folder, "checkpoints"), keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, make_state(step), {"step": step})
    checkpoints.close()


def prepare(folder: str) -> None:
    from cak_jax.data.corpus import load_corpus
    from cak_jax.data.settings import CorpusSettings
    from cak_jax.model.spectrogram_settings import SpectrogramSettings

    settings = CorpusSettings(
        os.path.join(folder, "sounds"),
        seconds=1.0,
        fade_seconds=0.0,
        cache=os.path.join(folder, "cache"),
    )
    print(load_corpus(settings, SpectrogramSettings(8000, 256, 64), 10.0).sha256)


def move(folder: str, count: int, step: int) -> None:
    """Take up step - 1 on a number of devices, say what came, save it as `step`.

    Each leaf is spread over all devices where that can be.
    """
    import jax
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    from cak_jax.training.checkpoint import Checkpoints

    assert jax.device_count() == count
    mesh = jax.make_mesh((count,), ("run",), axis_types=(AxisType.Auto,))

    def spread(leaf):
        even = leaf.ndim and leaf.shape[0] % count == 0
        spec = PartitionSpec("run") if even else PartitionSpec()
        return jax.device_put(leaf, NamedSharding(mesh, spec))

    like = make_state(0)
    like = jax.tree.map(spread, like.replace(key=None)).replace(key=like.key)
    checkpoints = Checkpoints(pathlib.Path(folder, "checkpoints"), keep=3)
    found = checkpoints.restore(like)
    state = like if found is None else found.state
    assert (0 if found is None else found.step) == step - 1
    leaf = state.params["realism"]["conv1"]["kernel"]
    before = "none" if found is None else found.machine["devices"]
    print(leaves(state))
    print(len(leaf.sharding.device_set), before)
    checkpoints.save(step, state, {})
    checkpoints.close()


def main(arguments: list[str]) -> None:
    work, folder, *numbers = arguments
    if work == "move":
        return move(folder, *map(int, numbers))
    # Warmed up first: what is imported on the way should not be counted.

    make_state(0)
    counted = watch(folder, int(numbers[0]))
    {"save": save, "prepare": prepare}[work](folder)
    print(counted[0])


if __name__ == "__main__":
    main(sys.argv[1:])
