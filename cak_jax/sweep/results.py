"""What a sweep keeps of every run: a folder each, and a row of the table."""

import math
import pathlib
import time
from typing import Any

from cak_jax.data.clips import spread_clips
from cak_jax.effect.effect import save_effect
from cak_jax.evaluation import audit as measure, convergence, evaluate
from cak_jax.runtime import json_file
from cak_jax.sweep import train_together
from cak_jax.sweep.planned_runs import PlannedRun, SweepSettings
from cak_jax.sweep.run_axis import unpack
from cak_jax.training import metrics_log, provenance
from cak_jax.training.trainer import Trainer

ROW = "run.json"
DONE, DIVERGED, UNHEARD = "done", "diverged", "unheard"


def read_rows(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Return the rows of the runs that are finished, by key."""
    rows = {}
    for path in sorted((folder / "runs").glob(f"*/{ROW}")):
        try:
            row = json_file.read(path)
            rows[row["key"]] = row
        except (ValueError, KeyError, TypeError):
            continue  # not one of ours: that run is made again
    return rows


def write_run(
    planned: PlannedRun,
    trainer: Trainer,
    outcome: train_together.Outcome,
    seconds: float,
    settings: SweepSettings,
    folder: pathlib.Path,
    whole_sha256: str,
    versions: dict[str, Any],
) -> dict[str, Any]:
    """Measure a run and write its folder, the row last: with it the run is finished.

    Args:
      planned: what the run was to be.
      trainer: the same as a single run.
      outcome: what came of it.
      seconds: its share of the time that its wave was trained in.
      settings: how the sweep measures.
      folder: of the sweep.
      whole_sha256: of the corpus that the run's clips were drawn from.
      versions: that it was made with.

    Returns:
      The row.
    """
    place = folder / "runs" / planned.point.name
    place.mkdir(parents=True, exist_ok=True)
    sha256 = planned.settings.config_sha256
    document = {"config": planned.flat, "config_sha256": sha256, **versions}
    json_file.write(place / "config.json", document)
    json_file.write(place / "corpus.json", trainer.corpus.manifest)
    log = metrics_log.MetricsWriter(place, 0)
    for record in train_together.epoch_records(
        outcome.history, trainer.steps_per_epoch
    ):
        log.write(record)
    log.close()
    steps = len(next(iter(outcome.history.values()), ()))
    row = {
        "key": planned.key,
        "run": planned.point.name,
        "status": DIVERGED if outcome.fault else DONE,
        "fault": outcome.fault,
        "values": planned.point.values,
        "corpus_sha256": trainer.corpus.sha256,
        "whole_corpus_sha256": whole_sha256,
        "training_clips": len(trainer.corpus.training),
        "steps": steps,
        "train_seconds": seconds,
        "measures": {},
    }
    if not outcome.fault:
        row |= _measure(planned, trainer, outcome, settings, place)
    json_file.write(place / ROW, row)
    return json_file.finite(row)


def _measure(planned, trainer, outcome, settings, place) -> dict[str, Any]:
    """Keep the effect, measure it on held-out clips; return what the row gains."""
    began = time.perf_counter()
    trainer.state = unpack(outcome.state)
    trainer.epoch = planned.settings.train.epochs
    effect = trainer.effect()
    rows, files = held_out(trainer, settings.clips)
    try:
        document = evaluate.evaluate(effect, rows, len(files))
        if settings.rendered_clips:
            document |= _hear(effect, document, trainer, settings.rendered_clips)
    except measure.UnheardError as error:
        save_effect(provenance.effect_of(trainer, {}), place / "effect.json")
        return {"status": UNHEARD, "fault": str(error)}
    audit = planned.settings.game.audit
    document["trustworthy"] = convergence.trustworthy(document, audit)
    json_file.write(place / "evaluation.json", document)
    fitted = document["audit"][audit]["calibrated"]
    metrics = {name: fitted[name] for name in ("slope", "r2", "mae")}
    save_effect(provenance.effect_of(trainer, metrics), place / "effect.json")
    seconds = time.perf_counter() - began
    return {"evaluate_seconds": seconds, "measures": numbers(document)}


def _hear(effect, document, trainer, limit) -> dict[str, Any]:
    """Return what a document gains from some clips rendered at every turn."""
    rows, files = held_out(trainer, limit)
    full = evaluate.evaluate_in_full(effect, rows, files)
    return {
        "rendered_clips": len(files),
        "auditor": full["auditor"],
        "knob": document["knob"] | full["knob"],
        "change": full["change"] | document["change"],
    }


def held_out(trainer: Trainer, limit: int) -> tuple[measure.Rows, list[str]]:
    """Return evaluation clips of a run, evenly chosen, and the file of each.

    Args:
      trainer: the run.
      limit: clips at most; 0: all.
    """
    corpus = trainer.corpus
    clips = spread_clips(corpus.evaluation, limit)
    files = [corpus.names[clip].rsplit(" @ ", 1)[0] for clip in clips]
    return (lambda index: corpus.audio[clips[index]]), files


def numbers(document: Any) -> dict[str, float | None]:
    """Return every number of a document by its place, lists by position.

    What is None or not finite is None.

    >>> numbers({"knob": {"dead_zone": 0.1}, "change": [1, None], "name": "x"})
    {'knob.dead_zone': 0.1, 'change.0': 1.0, 'change.1': None}
    """
    found = {}
    for place, value in json_file.leaves(document, lists=True):
        if value is None or isinstance(value, bool | int | float):
            known = value is not None and math.isfinite(value)
            found[place] = float(value) if known else None
    return found


def describe_row(row: dict[str, Any], number: int, total: int) -> str:
    """Return one line on a finished run for the terminal."""
    head = f"run {number:3d}/{total}  {row['run']}"
    if row["status"] == DIVERGED:
        return f"{head}: DIVERGED, {row['fault']}"
    if row["status"] == UNHEARD:
        return f"{head}: not measured, {row['fault']}"
    found = row["measures"]
    return (
        f"{head}: relative audit, calibrated: slope "
        f"{found['audit.relative.calibrated.slope']:.3f}, "
        f"R2 {found['audit.relative.calibrated.r2']:.4f}; dead zone "
        f"{found['knob.gate.dead_zone']:.2f}"
    )
