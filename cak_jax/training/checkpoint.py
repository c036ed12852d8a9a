"""Checkpoints that are verified when read; the only importer of orbax.

Orbax does not notice damaged tensor data, so a SHA-256 over the leaves stands beside
the state and is checked on restore; the newest checkpoint that passes is used.
"""

import errno
import hashlib
import logging
import os
import pathlib
import re
import shutil
import sys
import uuid
import warnings
from typing import Any, NamedTuple

import jax
import jaxlib
import numpy as np
import orbax.checkpoint as ocp

from cak_jax.runtime import json_file
from cak_jax.runtime.errors import FailedError

LAYOUT = 2


class CheckpointError(FailedError):
    """No checkpoint can be used or saved; the message names the way out."""


class Restored(NamedTuple):
    """What a checkpoint holds.

    Attributes:
      step: iterations done.
      state: after them.
      progress: what was given to `save` with it.
      machine: `describe_machine` of where it was saved.
    """

    step: int
    state: Any
    progress: dict[str, Any]
    machine: dict[str, Any]


def digest(tree: Any) -> str:
    """Return the SHA-256 over path, dtype, shape and bytes of every leaf."""
    total = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        head = f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}\n"
        total.update(head.encode())
        total.update(array.tobytes())
    return total.hexdigest()


def describe_machine(devices: int) -> dict[str, Any]:
    """Return what decides about the last bits of a result, besides the state.

    XLA's results on CPU depend on the size of its thread pool, which `NPROC` sets.

    Args:
      devices: that share the work.
    """
    return {
        "devices": devices,
        "jaxlib": jaxlib.__version__,
        "backend": jax.default_backend(),
        "threads": os.environ.get("NPROC") or str(os.cpu_count()),
    }


def _hush() -> None:
    """Keep orbax from the terminal: what fails is raised, and told by us."""
    # Its reports on the way, and of what fails in its threads.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    # What a failed restore leaves behind, by the dozen and long after: futures that
    # nobody asks any more, callbacks for a loop that is over, loops never whole.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "coroutine .* never awaited", RuntimeWarning)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _report_unraisable


def _report_unraisable(unraisable) -> None:
    said = str(unraisable.exc_value)
    if said != "Event loop is closed" and "EventLoop" not in said:
        sys.__unraisablehook__(unraisable)


def _plain(state):
    # Typed keys are no arrays to orbax; their data is.
    return state.replace(key=jax.random.key_data(state.key))


def _device_count(state) -> int:
    return max(len(leaf.sharding.device_set) for leaf in jax.tree.leaves(state))


def _reason(error: Exception) -> str:
    # Orbax's texts run over many lines; the first says what kind of fault it is.
    lines = str(error).strip().splitlines() or [repr(error)]
    return lines[0][:120]


def _seal(note: dict[str, Any]) -> str:
    """Return the SHA-256 of all that a note says, itself excepted."""
    rest = {name: value for name, value in note.items() if name != "seal"}
    return json_file.digest(rest)


def _not_finite(tree) -> str:
    """Return the path of the first leaf that holds a non-finite number, or ""."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not np.isfinite(np.asarray(leaf, np.float64)).all():
            return jax.tree_util.keystr(path)
    return ""


class Checkpoints:
    """The checkpoints of one run folder, each named by the iterations done.

    Args:
      folder: where they are kept; made if missing.
      keep: how many of the newest stay.

    Raises:
      CheckpointError: if the folder cannot be used.
    """

    def __init__(self, folder: pathlib.Path, keep: int):
        self.folder = folder.resolve()
        _hush()
        try:
            self._manager = ocp.CheckpointManager(
                self.folder,
                options=ocp.CheckpointManagerOptions(
                    preservation_policy=ocp.checkpoint_managers.LatestN(keep),
                    cleanup_tmp_directories=True,
                    enable_async_checkpointing=False,
                ),
            )
        except OSError as error:
            if error.errno == errno.EMFILE:
                raise  # no fault of the folder
            raise CheckpointError(
                f"{self.folder}: cannot be used ({error.strerror or _reason(error)}); "
                "make it writable or name another --workdir"
            ) from None

    def save(self, step: int, state: Any, progress: dict[str, Any]) -> None:
        """Save the state after `step` iterations.

        Args:
          step: iterations done.
          state: after them.
          progress: what else a resume needs; finite numbers, as JSON has them.

        Raises:
          CheckpointError: if it was not saved; those before it are kept.
        """
        plain = _plain(state)
        leaf = _not_finite(plain)
        if leaf:
            raise CheckpointError(f"{self.folder}: {leaf} of step {step} is not finite")
        note = {
            "layout": LAYOUT,
            "step": step,
            "sha256": digest(plain),
            "progress": progress,
            "machine": describe_machine(_device_count(state)),
        }
        note["seal"] = _seal(note)
        try:
            saved = self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(plain), note=ocp.args.JsonSave(note)
                ),
            )
        except Exception as error:  # orbax raises whatever its layers raise
            self._remove_unfinished()
            raise CheckpointError(
                f"{self.folder}: step {step} was not saved ({_reason(error)}); make "
                "room, or the folder writable, and run the same command again: it "
                "goes on from the checkpoint before"
            ) from None
        if not saved:  # orbax's word for a step that exists or is not the newest
            raise CheckpointError(f"{self.folder}: step {step} was not saved")

    def _remove_unfinished(self) -> None:
        # It takes the room that a full disk lacks. Threads of tensorstore may write on
        # after the error and bring some of it back: that goes at the next start.
        for path in self.folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(path, ignore_errors=True)

    def restore(self, like: Any) -> Restored | None:
        """Return the newest good checkpoint.

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
                found = self._read(int(path.name), like)
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

    def _read(self, step: int, like: Any) -> Restored:
        plain = _plain(like)
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(plain), note=ocp.args.JsonRestore()
            ),
        )
        state, note = restored["state"], restored["note"]
        if note["layout"] != LAYOUT:
            raise ValueError(f"layout {note['layout']}, this program reads {LAYOUT}")
        if note["sha256"] != digest(state) or note["seal"] != _seal(note):
            raise ValueError("its contents changed after it was written")
        if note["step"] != step:
            raise ValueError(f"it is step {note['step']} under another name")
        state = state.replace(key=jax.random.wrap_key_data(state.key))
        return Restored(step, state, note["progress"], note["machine"])

    def close(self) -> None:
        """Wait for and release what orbax holds."""
        self._manager.close()
