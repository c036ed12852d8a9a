"""Checkpoints that are verified when read; the only importer of orbax.

Orbax does not notice damaged tensor data, so a SHA-256 over the leaves stands beside
the state and is checked on restore; the newest checkpoint that passes is used.
"""

import hashlib
import logging
import pathlib
import re
import uuid
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

LAYOUT = 1


class CheckpointError(RuntimeError):
    """No checkpoint of a run can be used; the message names the way out."""


def digest(tree: Any) -> str:
    """Return the SHA-256 over path, dtype, shape and bytes of every leaf."""
    total = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        head = f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}\n"
        total.update(head.encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _plain(state):
    # Typed keys are no arrays to orbax; their data is.
    return state.replace(key=jax.random.key_data(state.key))


def _reason(error: Exception) -> str:
    # Orbax's texts run over many lines; the first says what kind of fault it is.
    lines = str(error).splitlines() or [repr(error)]
    return lines[0][:120]


class Checkpoints:
    """The checkpoints of one run folder.

    Args:
      folder: where they are kept; made if missing.
      keep: how many of the newest stay.
    """

    def __init__(self, folder: pathlib.Path, keep: int):
        self.folder = folder.resolve()
        # Orbax reports through the root logger at a level of its own making.
        logging.getLogger("absl").setLevel(logging.WARNING)
        self._manager = ocp.CheckpointManager(
            self.folder,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=ocp.checkpoint_managers.LatestN(keep),
                cleanup_tmp_directories=True,
                enable_async_checkpointing=False,
            ),
        )

    def save(self, epoch: int, state: Any) -> None:
        """Save the state after `epoch` epochs.

        Raises:
          CheckpointError: if it was not saved.
        """
        plain = _plain(state)
        note = {"layout": LAYOUT, "epoch": epoch, "sha256": digest(plain)}
        saved = self._manager.save(
            epoch,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(plain), note=ocp.args.JsonSave(note)
            ),
        )
        if not saved:  # orbax's word for a step that exists or is not the newest
            raise CheckpointError(f"{self.folder}: epoch {epoch} was not saved")

    def restore(self, like: Any) -> tuple[int, Any] | None:
        """Return `(epochs done, state)` of the newest good checkpoint.

        Args:
          like: a state of the wanted structure, shapes and dtypes.

        Returns:
          None if the folder holds no checkpoint at all.

        Raises:
          CheckpointError: if there are some and none can be read.
        """
        # Also what orbax would take for a step: "007", or a file.
        steps = [p for p in self.folder.iterdir() if re.fullmatch(r"\d+", p.name)]
        faults = {}
        for path in sorted(steps, key=lambda p: int(p.name), reverse=True):
            try:
                found = int(path.name), self._read(int(path.name), like)
                break
            except Exception as error:  # orbax raises whatever its layers raise
                faults[path.name] = _reason(error)
        else:
            if faults:
                listed = "; ".join(f"{e}: {text}" for e, text in faults.items())
                raise CheckpointError(
                    f"{self.folder}: no checkpoint can be read ({listed}); "
                    "start in another --workdir"
                )
            return None
        self._set_aside(faults)
        return found

    def _set_aside(self, faults: dict[str, str]) -> None:
        # Under its own name a bad step would block the saving of a good one.
        for name, reason in faults.items():
            target = self.folder / f"{name}.bad-{uuid.uuid4().hex[:8]}"
            (self.folder / name).rename(target)
            logging.warning(
                "checkpoint %s cannot be used (%s); moved to %s, an older one is used",
                name,
                reason,
                target.name,
            )
        if faults:
            self._manager.reload()

    def _read(self, epoch: int, like: Any):
        plain = _plain(like)
        restored = self._manager.restore(
            epoch,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(plain), note=ocp.args.JsonRestore()
            ),
        )
        state, note = restored["state"], restored["note"]
        if note["layout"] != LAYOUT:
            raise ValueError(f"layout {note['layout']}, this program reads {LAYOUT}")
        if note["sha256"] != digest(state):
            raise ValueError("its contents changed after it was written")
        return state.replace(key=jax.random.wrap_key_data(state.key))

    def close(self) -> None:
        """Wait for and release what orbax holds."""
        self._manager.close()
