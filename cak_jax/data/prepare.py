"""The decode pass: from a plan of clips to a store of them."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from cak_jax.audio.sound_file import AudioError
from cak_jax.data.clip_store import (
    Rows,
    Store,
    build_store,
    built_store,
    open_store,
)
from cak_jax.data.clips import Cut, Shape, cut_file
from cak_jax.data.scan import parallel
from cak_jax.runtime import json_file


def prepare(
    cuts: Sequence[Cut],
    shape: Shape,
    cache: str,
    progress: Callable[[int, int, str], None],
) -> Store:
    """Return the store of a plan, built now unless it is there.

    A file that turns out to be damaged is left out as a whole, silent clips one by
    one. `store.content` has "clips" (one record each, in the plan's order),
    "left_out" ([name, reason]) and "notes" (name -> what was done to the file).

    Raises:
      CorpusError: the cache folder is full or cannot be written.
    """
    used = [cut for cut in cuts if cut.starts]
    key = _key(used, shape)
    found = open_store(cache, key)
    if found is not None:
        return found
    first_rows = np.cumsum([0, *(len(cut.starts) for cut in used)]).tolist()
    with build_store(cache, key, first_rows[-1], shape.samples) as (rows, content):
        tasks = list(zip(used, first_rows, strict=False))
        results = parallel(lambda task, stop: _decode(*task, rows, shape, stop), tasks)
        content |= {"clips": [], "left_out": [], "notes": {}}
        kept: list[int] = []
        for (cut, first), result in zip(tasks, results, strict=True):
            kept += _collect(cut, first, result, content)
            progress(first + len(cut.starts), first_rows[-1], "decoding")
        rows.keep(kept)
    return built_store(cache, key)


def summary(clip: np.ndarray) -> dict:
    """Return a clip's peak and the SHA-256 of its samples."""
    data = np.ascontiguousarray(clip, "<f4")
    return {
        "peak": float(np.abs(clip).max(initial=0.0)),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _key(cuts: Sequence[Cut], shape: Shape) -> str:
    plan = [[c.source.name, c.source.sha256, c.starts, c.held_out] for c in cuts]
    return json_file.digest([plan, dataclasses.asdict(shape)])


def _decode(cut: Cut, first: int, rows: Rows, shape: Shape, stop) -> list[dict]:
    """Write one file's clips and return a record of each, or why there is none."""
    records = []
    for number, clip in cut_file(cut, shape, stop):
        start = cut.starts[number] / cut.source.info.sample_rate
        record = {"file": cut.source.name, "start": start, "note": clip.note}
        if clip.audio is not None:
            rows.write(first + number, clip.audio)
            record |= {"content": list(clip.content), "held_out": cut.held_out}
            record |= summary(clip.audio)
        records.append(record)
    return records


def _collect(cut: Cut, first: int, result, content: dict) -> list[int]:
    """Enter one file's outcome in `content`; return the rows that are in use."""
    name = cut.source.name
    if isinstance(result, AudioError):
        content["left_out"].append([name, result.reason])
        return []
    good = [number for number, record in enumerate(result) if "sha256" in record]
    if not good:
        reasons = sorted({record["note"] for record in result})
        content["left_out"].append([name, ", ".join(reasons)])
    for number, record in enumerate(result):
        note = record.pop("note")
        if number in good:
            content["clips"].append(record)
            content["notes"] |= {name: note} if note else {}
        elif good:
            content["left_out"].append([f"{name} @ {record['start']:.1f} s", note])
    return [first + number for number in good]
