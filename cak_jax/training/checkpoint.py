"""Checkpoints that are verified when read; the only importer of orbax.

Orbax does not notice damaged tensor data. Therefore every checkpoint holds a SHA-256
over the leaves of its state. It is checked on restore, and the newest checkpoint that
passes is used.
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
    """No checkpoint can be read or saved; the message names the remedy."""


class Restored(NamedTuple):
    """What `save` was passed, and `describe_machine` of the machine that saved it."""

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
    """Return the facts that may change the last bits of a result.

    On CPU, XLA's results depend on the size of its thread pool, which `NPROC` sets.
    `devices` is the number of those that share a batch.
    """
    return {
        "devices": devices,
        "jaxlib": jaxlib.__version__,
        "backend": jax.default_backend(),
        "threads": os.environ.get("NPROC") or str(os.cpu_count()),
    }


def _hush() -> None:
    """Keep orbax from printing: its failures are raised, and we print one line."""
    # Reports of progress, and of failures in its threads.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    # A failed restore leaves dozens of late reports: futures that were never read,
    # callbacks for a closed event loop, event loops that were never complete.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "coroutine .* never awaited", RuntimeWarning)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _report_unraisable


def _report_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    text = str(unraisable.exc_value)
    if text != "Event loop is closed" and "EventLoop" not in text:
        sys.__unraisablehook__(unraisable)


def _plain(state: Any) -> Any:
    # Orbax takes no typed key, but its data is an array.
    return state.replace(key=jax.random.key_data(state.key))


def _reason(error: Exception) -> str:
    # Orbax's messages have many lines; the first names the kind of fault.
    lines = str(error).strip().splitlines() or [repr(error)]
    return lines[0][:120]


def _seal(note: dict[str, Any]) -> str:
    """Return the SHA-256 of a note without its seal."""
    rest = {name: value for name, value in note.items() if name != "seal"}
    return json_file.digest(rest)


def _not_finite(tree: Any) -> str:
    """Return the path of the first leaf with a number that is not finite, or ""."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not np.isfinite(np.asarray(leaf, np.float64)).all():
            return jax.tree_util.keystr(path)
    return ""


class Checkpoints:
    """The checkpoints of one run folder, each named by its number of iterations.

    Args:
      folder: of the checkpoints; made if missing.
      keep: number of checkpoints that stay, the newest ones.

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
                raise  # too many open files: not the folder's fault
            raise CheckpointError(
                f"{self.folder}: cannot be used ({error.strerror or _reason(error)}); "
                "make it writable or name another --workdir"
            ) from None

    def save(self, step: int, state: Any, progress: dict[str, Any]) -> None:
        """Save the state after `step` iterations.

        `progress` is further data for a resume, as JSON can hold them.

        Raises:
          CheckpointError: if it was not saved; the checkpoints before are kept.
        """
        plain = _plain(state)
        leaf = _not_finite(plain)
        if leaf:
            raise CheckpointError(f"{self.folder}: {leaf} of step {step} is not finite")
        leaves = jax.tree.leaves(state)
        devices = max(len(leaf.sharding.device_set) for leaf in leaves)
        note = {
            "layout": LAYOUT,
            "step": step,
            "sha256": digest(plain),
            "progress": progress,
            "machine": describe_machine(devices),
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
            # Its files use room, which a full disk lacks. Threads of tensorstore may
            # write on after the error; the next start removes such files.
            for path in self.folder.glob("*.orbax-checkpoint-tmp*"):
                shutil.rmtree(path, ignore_errors=True)
            raise CheckpointError(
                f"{self.folder}: step {step} was not saved ({_reason(error)}); make "
                "room, or the folder writable, and run the same command again: it "
                "goes on from the checkpoint before"
            ) from None
        if not saved:  # the step exists already, or is older than the newest one
            raise CheckpointError(f"{self.folder}: step {step} was not saved")

    def restore(self, like: Any) -> Restored | None:
        """Return the newest good checkpoint, None if the folder holds none at all.

        Args:
          like: a state with the structure, shapes and dtypes of the saved one.

        Raises:
          CheckpointError: if there are checkpoints and none can be read.
        """
        # Orbax also takes the name "007", or a file, for a step.
        steps = [p for p in self.folder.iterdir() if re.fullmatch(r"\d+", p.name)]
        faults = {}
        for path in sorted(steps, key=lambda p: int(p.name), reverse=True):
            try:
                restored = self._read(int(path.name), like)
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
        return restored

    def _set_aside(self, faults: dict[str, str]) -> None:
        # Under its name it would keep a good one of that step from being saved.
        for name, reason in faults.items():
            target = self.folder / f"{name}.bad-{uuid.uuid4().hex[:8]}"
            (self.folder / name).rename(target)
            moved = f"cannot be used ({reason}); moved to {target.name}"
            logging.warning("checkpoint %s %s, an older one is used", name, moved)
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
        """Close orbax's manager."""
        self._manager.close()
