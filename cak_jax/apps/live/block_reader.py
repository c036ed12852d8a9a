"""A sound file as blocks of one size, decoded ahead by a thread of its own."""

import collections
import contextlib
import os
import threading
from collections.abc import Iterator

import numpy as np

from cak_jax.audio import sound_file

# Decoded at once: few, as what a damaged file holds of them is lost.
FRAMES = 4096
SECONDS_AHEAD = 2.0
FEWEST_BLOCKS = 8
# The reader looks so often whether there is room again.
PAUSE = 0.01
CLOSE_SECONDS = 1.0


class BlockReader:
    """Blocks of a file, in order; taking one never waits.

    Attributes:
      error: why reading ended before the file's end; None if it did not.
    """

    def __init__(self, path: str | os.PathLike, block_size: int, loop: bool = False):
        """Open nothing yet.

        Args:
          path: a sound file.
          block_size: samples per channel of every block.
          loop: whether to begin again at its end, without a gap.
        """
        self._path, self._size, self._loop = path, block_size, loop
        # Its append and popleft are atomic: the device's thread waits for no lock.
        self._blocks = collections.deque()
        self._ahead = FEWEST_BLOCKS
        self._stopped, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.error: Exception | None = None

    def start(self, sample_rate: int) -> None:
        """Read ahead; return when that is done, or all is read."""
        blocks = round(SECONDS_AHEAD * sample_rate / self._size)
        self._ahead = max(FEWEST_BLOCKS, blocks)
        self._thread.start()
        self._ready.wait()

    @property
    def empty(self) -> bool:
        """Whether there was not one sample in the file, once reading has begun."""
        return len(self._blocks) == 1 and self._blocks[0].shape[-1] == 0

    def take(self) -> np.ndarray | None:
        """Return the next block `[channels, block_size]` float32; None if not ready.

        The last one is shorter, of 0 samples if nothing is left.
        """
        try:
            return self._blocks.popleft()
        except IndexError:
            return None

    def close(self) -> None:
        """Stop reading; not waiting long for a disk that does not answer."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def _read(self) -> None:
        rest = np.zeros((1, 0), np.float32)
        try:
            for rest in self._pieces():
                if rest.shape[-1] == self._size:
                    self._put(rest)
                    rest = rest[:, :0]
                if self._stopped.is_set():
                    return
        # Whatever it is: a thread that died would leave the device waiting for ever.
        except Exception as error:
            self.error = error
        finally:
            self._blocks.append(rest)
            self._ready.set()

    def _pieces(self) -> Iterator[np.ndarray]:
        """Yield whole blocks, and after each stretch decoded what is left of it."""
        rest = None
        for found in self._decoded():
            sound = found.T if rest is None else np.concatenate([rest, found.T], axis=1)
            whole = sound.shape[-1] // self._size * self._size
            for start in range(0, whole, self._size):
                yield np.ascontiguousarray(sound[:, start : start + self._size])
            rest = sound[:, whole:]
            yield rest

    def _decoded(self) -> Iterator[np.ndarray]:
        while True:
            with contextlib.closing(sound_file.blocks(self._path, FRAMES)) as blocks:
                count = 0
                for block in blocks:
                    count += len(block)
                    yield block
            if not self._loop or not count:
                return

    def _put(self, block: np.ndarray) -> None:
        self._blocks.append(block)
        while len(self._blocks) >= self._ahead and not self._stopped.is_set():
            self._ready.set()
            self._stopped.wait(PAUSE)
