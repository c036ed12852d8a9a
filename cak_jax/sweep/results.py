"""What a sweep keeps: a folder and a row for every run, and one table of all rows.

A *row* is what `run.json` holds. A *record* is a row of the table: swept values, how
the run ended, and every number that was measured. Functions on records are pure.
"""

import contextlib
import csv
import io
import json
import math
import pathlib
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from cak_jax.data.clips import spread_clips
from cak_jax.effect.effect import Effect
from cak_jax.evaluation import evaluate
from cak_jax.evaluation.audit import UnheardError
from cak_jax.runtime import json_file
from cak_jax.runtime.files import replace_file
from cak_jax.sweep.grid import SweepSettings
from cak_jax.sweep.run_axis import unpack
from cak_jax.sweep.train_together import Trained
from cak_jax.training import metrics_log
from cak_jax.training.even_knob import with_knob
from cak_jax.training.run import keep_effect
from cak_jax.training.run_corpus import clips_at, files_of
from cak_jax.training.run_evaluation import write_evaluation
from cak_jax.training.snapshot import Snapshot

ROW = "run.json"
DONE, DIVERGED, UNHEARD = "done", "diverged", "unheard"
# Of the quality at one window, against the amount.
SLOPE = re.compile(r"heard\.quality\.windows\.\d+\.slope").fullmatch
FIRST = ("run", "status", "fault")
COUNTS = ("training_clips", "steps", "train_seconds", "evaluate_seconds")

Record = dict[str, Any]


def read_rows(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Return the rows of the finished runs of a sweep's folder, by key."""
    rows = {}
    for path in sorted((folder / "runs").glob(f"*/{ROW}")):
        # What is no row of a sweep is not counted, and that run is made again.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            row = json_file.read(path)
            rows[row["key"]] = row
    return rows


def write_run(
    trained: Trained,
    settings: SweepSettings,
    folder: pathlib.Path,
    whole_sha256: str,
    versions: dict[str, Any],
) -> dict[str, Any]:
    """Measure a run, write its folder and return its row.

    The row is written last, because it marks a finished run.

    Args:
      trained: the run; its trainer gets the trained state.
      settings, folder: of the sweep.
      whole_sha256: of the corpus that the run's clips were drawn from.
      versions: of the libraries and the machine, for `config.json`.
    """
    planned, trainer, outcome, seconds, _ = trained
    place = folder / "runs" / planned.name
    place.mkdir(parents=True, exist_ok=True)
    sha256 = planned.settings.config_sha256
    document = {"config": planned.flat, "config_sha256": sha256, **versions}
    json_file.write(place / "config.json", document)
    json_file.write(place / "corpus.json", trainer.corpus.manifest)
    log = metrics_log.MetricsWriter(place, 0)
    for record in outcome.epoch_records(trainer.steps_per_epoch):
        log.write(record)
    log.close()
    row = {
        "key": planned.key,
        "run": planned.name,
        "status": DIVERGED if outcome.fault else DONE,
        "fault": outcome.fault,
        "values": planned.values,
        "corpus_sha256": trainer.corpus.sha256,
        "whole_corpus_sha256": whole_sha256,
        "training_clips": len(trainer.corpus.training),
        "steps": outcome.steps,
        "train_seconds": seconds,
        "measures": {},
    }
    if not outcome.fault:
        row |= _measure(trained, settings, place)
    json_file.write(place / ROW, row)
    return json_file.finite(row)


def read_files(folder: pathlib.Path, name: str) -> dict[str, bytes]:
    """Return the files of a run that was written to a sweep's folder, by their place.

    They travel compressed, since most of them are text.
    """
    place = folder / "runs" / name
    return {
        path.relative_to(place).as_posix(): zlib.compress(path.read_bytes())
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def write_files(
    folder: pathlib.Path, name: str, files: dict[str, bytes]
) -> dict[str, Any]:
    """Write the files of `read_files` to a sweep's folder; return the run's row.

    The row is written last, because it marks a finished run.

    Raises:
      ValueError: a place outside of the run's folder, or no row.
    """
    place = folder / "runs" / name
    for path in sorted(files, key=lambda path: path == ROW):
        parts = pathlib.PurePosixPath(path).parts
        if path.startswith("/") or ".." in parts:
            raise ValueError(f"{path}: is no place in a run's folder")
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        replace_file(place / path, zlib.decompress(files[path]))
    return json_file.read(place / ROW)


def _measure(
    trained: Trained, settings: SweepSettings, place: pathlib.Path
) -> dict[str, Any]:
    """Save the effect, measure it on held-out clips; return what the row gains."""
    began = time.perf_counter()
    trainer = trained.trainer
    trainer.state = unpack(trained.outcome.state)
    trainer.epoch = trained.planned.settings.train.epochs
    snapshot = with_knob(trainer.snapshot())
    effect = snapshot.effect()
    assert effect is not None  # `grid.plan_runs` refuses generators without effects
    picked = spread_clips(snapshot.corpus.evaluation, settings.clips)
    try:
        document = evaluate.evaluate(effect, clips_at(snapshot.corpus, picked))
        if settings.rendered_clips:
            document |= _render(effect, document, snapshot, settings.rendered_clips)
    except UnheardError as error:
        keep_effect(snapshot, place / "effect.json")
        return {"status": UNHEARD, "fault": str(error)}
    write_evaluation(snapshot, document, place)
    seconds = time.perf_counter() - began
    return {"evaluate_seconds": seconds, "measures": numbers_in(document)}


def _render(
    effect: Effect, document: dict[str, Any], snapshot: Snapshot, limit: int
) -> dict[str, Any]:
    """Return the measures of some clips rendered at every turn of the knob."""
    corpus, picked = snapshot.corpus, spread_clips(snapshot.corpus.evaluation, limit)
    full = evaluate.evaluate_in_full(
        effect, clips_at(corpus, picked), files_of(corpus, picked)
    )
    return {
        "rendered_clips": len(picked),
        "heard": document.get("heard", full["heard"]),
        "auditor": full["auditor"],
        "knob": document["knob"] | full["knob"],
        "change": full["change"] | document["change"],
    }


def numbers_in(document: Any) -> dict[str, float | None]:
    """Return every number of a document by its place, list items by position.

    None stands for null and for a number that is not finite.

    >>> numbers_in({"knob": {"dead_zone": 0.1}, "change": [1, None], "name": "x"})
    {'knob.dead_zone': 0.1, 'change.0': 1.0, 'change.1': None}
    """
    measures: dict[str, float | None] = {}
    for place, value in json_file.leaves(document, lists=True):
        if value is None or isinstance(value, bool | int | float):
            number = math.nan if value is None else float(value)
            measures[place] = number if math.isfinite(number) else None
    return measures


def describe_row(row: dict[str, Any], audit: str, number: int, total: int) -> str:
    """Return one line on a finished run, the `number`-th, for the terminal."""
    head = f"run {number:3d}/{total}  {row['run']}"
    if row["status"] == DIVERGED:
        return f"{head}: DIVERGED, {row['fault']}"
    if row["status"] == UNHEARD:
        return f"{head}: not measured, {row['fault']}"
    measures = row["measures"]
    slopes = [f"{measures[name]:.3f}" for name in measures if SLOPE(name)]
    if slopes:
        return (
            f"{head}: heard, even knob: slopes {' and '.join(slopes)}; level "
            f"{measures['heard.side_effects.level_db']:+.1f} dB"
        )
    return (
        f"{head}: {audit} audit, calibrated: slope "
        f"{measures[f'audit.{audit}.calibrated.slope']:.3f}, "
        f"R2 {measures[f'audit.{audit}.calibrated.r2']:.4f}; dead zone "
        f"{measures['knob.gate.dead_zone']:.2f}"
    )


def record(row: dict[str, Any], values: dict[str, Any]) -> Record:
    """Return a run's record, with the value of every field that the sweep sets."""
    head = {name: row.get(name) for name in FIRST}
    return head | values | {n: row.get(n) for n in COUNTS} | row["measures"]


def columns(records: list[Record]) -> list[str]:
    """Return every name that a record has, in the order of appearance."""
    return list(dict.fromkeys(name for entry in records for name in entry))


def swept_fields(records: list[Record]) -> list[str]:
    """Return the fields that the sweep sets: they stand before the counts."""
    names = list(records[0]) if records else [*FIRST, *COUNTS]
    return names[len(FIRST) : names.index(COUNTS[0])]


def to_csv(records: list[Record]) -> str:
    """Return a table as CSV with a header; a missing measure is an empty cell."""
    file = io.StringIO()
    writer = csv.DictWriter(file, columns(records), lineterminator="\n")
    writer.writeheader()
    for entry in records:
        lists = {
            n: json.dumps(v) for n, v in entry.items() if isinstance(v, list | tuple)
        }
        writer.writerow(entry | lists)
    return file.getvalue()


def to_jsonl(records: list[Record]) -> str:
    """Return a table as one JSON object a line; a missing measure is null."""
    names = columns(records)
    return "".join(
        json.dumps({name: entry.get(name) for name in names}) + "\n"
        for entry in records
    )


def from_jsonl(text: str) -> list[Record]:
    """Return the table that `to_jsonl` wrote."""
    return [json.loads(line) for line in text.splitlines()]


def key(value: Any) -> Any:
    """Return a value that can be compared and hashed: a list as a tuple."""
    return tuple(map(key, value)) if isinstance(value, list | tuple) else value


def values_of(records: list[Record], field: str) -> list[Any]:
    """Return the distinct values of a field, sorted; mixed types sort by their text."""
    distinct = {key(entry[field]) for entry in records}
    try:
        return sorted(distinct)
    except TypeError:
        return sorted(distinct, key=str)


def centre(records: list[Record], fields: list[str]) -> dict[str, Any]:
    """Return the most frequent value of each field, the first among equals.

    Slices through these values hold the most runs where a sweep is no full grid.
    """
    chosen = {}
    for field in fields:
        counts = Counter(key(entry[field]) for entry in records)
        chosen[field] = max(values_of(records, field), key=counts.__getitem__)
    return chosen


def where(records: list[Record], fixed: dict[str, Any]) -> list[Record]:
    """Return the records that have all of the fixed values."""
    return [
        entry
        for entry in records
        if all(key(entry[field]) == value for field, value in fixed.items())
    ]


def numbers(records: list[Record], measure: str) -> np.ndarray:
    """Return a measure of the records that have it, `[n]` float64."""
    values = [entry.get(measure) for entry in records]
    return np.array([value for value in values if value is not None], np.float64)


def curve(
    records: list[Record], field: str, measure: str
) -> tuple[list[Any], list[np.ndarray]]:
    """Return the values of a field, and for each the measure of all runs with it.

    The records differ in nothing else but seeds.
    """
    measured = {
        value: numbers(where(records, {field: value}), measure)
        for value in values_of(records, field)
    }
    kept = {value: found for value, found in measured.items() if len(found)}
    return list(kept), list(kept.values())


def grid(
    records: list[Record],
    rows: str,
    across: str,
    measure: str,
    of: Callable[[np.ndarray], Any] = np.mean,
) -> tuple[list[Any], list[Any], np.ndarray]:
    """Return a measure over two fields: its mean, or `of` it, over each cell's runs.

    First the values of both fields, then `[row, column]`, NaN in an empty cell.
    """
    down, right = values_of(records, rows), values_of(records, across)
    table = np.full((len(down), len(right)), np.nan)
    for i, first in enumerate(down):
        for j, second in enumerate(right):
            cell = numbers(where(records, {rows: first, across: second}), measure)
            if len(cell):
                table[i, j] = of(cell)
    return down, right, table
