"""A sweep's runs as tables for its report: by what was swept, and one by one."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from cak_jax.sweep import results
from cak_jax.sweep.grid import SEEDS
from cak_jax.sweep.results import DONE, Record

# Measures beside the swept fields, so many that a row fits a page; `table.csv` has all.
MOST_MEASURES = 6
# Rows of a table at most, the best ones; a page with more would be slow to open.
MOST_ROWS = 300
STAR = "\N{BLACK STAR}"


def scored(records: list[Record], shown: dict[str, str]) -> dict[str, float]:
    """Return the score of every finished run, by name: its lowest R2.

    A heard run has an R2 for every window. Measures of the raw knob do not count.
    """
    names = [n for n in shown if n.endswith(".r2") and ".raw." not in n]
    found = {}
    for record in records:
        values = [record[n] for n in names if record.get(n) is not None]
        if record["status"] == DONE and values:
            found[record["run"]] = min(values)
    return found


def best_of(records: list[Record], shown: dict[str, str]) -> str:
    """Return the name of the run with the highest score; "" if none has a score.

    Where runs are trustworthy, it is the best of these.
    """
    scores = scored(records, shown)
    trusted = {r["run"]: r.get("trustworthy") == 1.0 for r in records}
    return max(scores, key=lambda run: (trusted[run], scores[run]), default="")


def measures_of(records: list[Record], shown: dict[str, str]) -> dict[str, str]:
    """Return the first measures in which runs differ, or the first ones."""
    done = [record for record in records if record["status"] == DONE]
    varying = [n for n in shown if len(set(results.numbers(done, n))) > 1]
    return {name: shown[name] for name in (varying or list(shown))[:MOST_MEASURES]}


def hear_command(records: list[Record], best: str, folder: Path) -> str:
    """Return the command that applies a run's effect to a sound file of the reader.

    It is the best run, or the first one with an effect.
    """
    done = [record for record in records if record["status"] == DONE]
    chosen = next((r for r in done if r["run"] == best), (done or [{"run": "RUN"}])[0])
    path = shlex.quote(str(folder / "runs" / chosen["run"]))
    # A modest turn where the knob is even to the ear.
    amount = 0.5 if chosen.get("heard.quality.range") is not None else 0.8
    return f"cak apply --effect={path} --amount={amount} YOUR.wav"


def by_values(
    records: list[Record], headings: dict[str, str], shown: dict[str, str], best: str
) -> dict[str, Any]:
    """Return a table with a row for all runs that differ in nothing but their seeds.

    Args:
      records: of all runs.
      headings: of the swept fields.
      shown: measures with their headings.
      best: name of the run whose row is marked.
    """
    fields = [n for n in headings if n not in SEEDS]
    fields = [n for n in fields if len(results.values_of(records, n)) > 1] or fields
    measures = measures_of(records, shown)
    groups: dict[Any, list[Record]] = {}
    for record in records:
        key = tuple(results.key(record[field]) for field in fields)
        groups.setdefault(key, []).append(record)
    rows: list[list[Any]] = []
    marked = None
    for key, members in _shorten(groups, records, shown, best).items():
        done = [record for record in members if record["status"] == DONE]
        count = str(len(done))
        if len(done) < len(members):
            count += f" of {len(members)}"
        has_best = any(record["run"] == best for record in members)
        marked = len(rows) if has_best else marked
        rows.append(
            [f"{STAR} {count}" if has_best else count]
            + [cell(value) for value in key]
            + [mean_and_spread(results.numbers(done, name)) for name in measures]
        )
    return {
        "title": "What was swept",
        "note": "A row for all runs that differ in their seeds only: the mean, and one "
        "standard deviation where there are several. A star marks the row of the best "
        "run, which the command below the tables plays." + _left_out(groups),
        "columns": ["runs", *(headings[n] for n in fields), *measures.values()],
        "rows": rows,
        "best": marked,
        "sortable": True,
        "stacked": True,
    }


def every_run(
    records: list[Record], shown: dict[str, str], best: str
) -> dict[str, Any]:
    """Return a table with a row for every run, whose name has its values."""
    measures = measures_of(records, shown) | {"train_seconds": "seconds"}
    by_run = {record["run"]: [record] for record in records}
    kept = [r for (r,) in _shorten(by_run, records, shown, best).values()]
    fine = all(record["status"] == DONE for record in records)
    rows = [
        [f"{STAR} {record['run']}" if record["run"] == best else record["run"]]
        + ([] if fine else [record["status"]])
        + [record.get(name) for name in measures]
        for record in kept
    ]
    return {
        "title": "Every run",
        "note": "Measured on its held-out clips. A click on a heading sorts. table.csv "
        "and table.jsonl hold all measures." + _left_out(by_run),
        "columns": ["run", *([] if fine else ["status"]), *measures.values()],
        "rows": rows,
        "best": next((i for i, r in enumerate(kept) if r["run"] == best), None),
        "sortable": True,
        "stacked": True,
    }  # fmt: skip


def _shorten(
    groups: dict[Any, list[Record]],
    records: list[Record],
    shown: dict[str, str],
    best: str,
) -> dict[Any, list[Record]]:
    """Return the groups, if they are too many those with the highest scores."""
    if len(groups) <= MOST_ROWS:
        return groups
    scores = scored(records, shown) | ({best: np.inf} if best else {})

    def score(key: Any) -> float:
        return max(scores.get(record["run"], -np.inf) for record in groups[key])

    kept = set(sorted(groups, key=score, reverse=True)[:MOST_ROWS])
    return {key: group for key, group in groups.items() if key in kept}


def _left_out(groups: dict[Any, list[Record]]) -> str:
    if len(groups) <= MOST_ROWS:
        return ""
    return f" These are the best {MOST_ROWS} of {len(groups)} rows."


def cell(value: Any) -> Any:
    """Return a swept value as a cell."""
    return str(results.key(value)) if isinstance(value, list | tuple) else value


def mean_and_spread(values: np.ndarray) -> Any:
    """Return the mean of numbers `[n]`, with their standard deviation if several.

    >>> mean_and_spread(np.array([1.0, 2.0])), mean_and_spread(np.array([]))
    ('1.5 ± 0.5', None)
    """
    if len(values) < 2:
        return float(values[0]) if len(values) else None
    mean, spread = float(values.mean()), float(values.std())
    return f"{mean:.3g} ± {spread:.1g}".replace("-", "\N{MINUS SIGN}")
