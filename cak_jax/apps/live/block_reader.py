"""A sound file as blocks of one size, decoded ahead in a thread of its own."""

import collections
import contextlib
import os
import threading
from collections.abc import Iterator

import numpy as np

from cak_jax.audio import sound_file

# Frames decoded at a time: few, because a damaged file loses all of them.
FRAMES = 4096
SECONDS_AHEAD = 2.0
FEWEST_BLOCKS = 8
# Seconds after which the reader looks again whether it may decode more.
PAUSE = 0.01
CLOSE_SECONDS = 1.0


class BlockReader:
    """Blocks of a file, in order; taking one never waits.

    Attributes:
      error: why reading ended before the end of the file; None if it did not.
      notes: what is odd about the file, complete once it was read to its end.
    """

    def __init__(
        self, path: str | os.PathLike[str], block_size: int, loop: bool = False
    ):
        """Open nothing yet.

        A block has `block_size` samples per channel. With `loop` the file begins again
        at its end without a gap.
        """
        self._path, self._size, self._loop = path, block_size, loop
        # append and popleft are atomic, so that the device's thread waits for no lock.
        self._blocks: collections.deque[np.ndarray] = collections.deque()
        self._ahead = FEWEST_BLOCKS
        self._stopped, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.error: Exception | None = None
        self.notes: dict[str, None] = {}

    def start(self, sample_rate: int) -> None:
        """Read ahead; return once enough is read, or the whole file."""
        blocks = round(SECONDS_AHEAD * sample_rate / self._size)
        self._ahead = max(FEWEST_BLOCKS, blocks)
        self._thread.start()
        self._ready.wait()

    @property
    def empty(self) -> bool:
        """Whether the file holds no sample; known once reading has begun."""
        return len(self._blocks) == 1 and self._blocks[0].shape[-1] == 0

    def take(self) -> np.ndarray | None:
        """Return the next block `[channels, block_size]` float32; None if not ready.

        The last block is shorter; it may have 0 samples.
        """
        try:
            return self._blocks.popleft()
        except IndexError:
            return None

    def close(self) -> None:
        """Stop reading; wait at most a second for a disk that does not answer."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def _read(self) -> None:
        rest = None
        try:
            for part in self._decoded():
                parts = [part.T] if rest is None else [rest, part.T]
                sound = np.concatenate(parts, axis=1)
                whole = sound.shape[-1] // self._size * self._size
                for start in range(0, whole, self._size):
                    self._put(sound[:, start : start + self._size])
                rest = sound[:, whole:]
                if self._stopped.is_set():
                    return
        # Any error: if this thread died silently, the device would wait for ever.
        except Exception as error:
            self.error = error
        finally:
            last = np.zeros((1, 0), np.float32) if rest is None else rest
            self._blocks.append(last)
            self._ready.set()

    def _decoded(self) -> Iterator[np.ndarray]:
        while True:
            note = self.notes.setdefault
            count = 0
            read = sound_file.blocks(self._path, FRAMES, note=note)
            with contextlib.closing(read) as blocks:
                for block in blocks:
                    count += len(block)
                    yield block
            if not self._loop or not count:
                return

    def _put(self, block: np.ndarray) -> None:
        self._blocks.append(np.ascontiguousarray(block))
        while len(self._blocks) >= self._ahead and not self._stopped.is_set():
            self._ready.set()
            self._stopped.wait(PAUSE)
