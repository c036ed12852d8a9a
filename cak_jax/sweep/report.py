"""The end of a sweep: table, figures, report, map, and a summary on the terminal."""

import itertools
import pathlib
import re
import shlex
from typing import Any

from cak_jax.report import run_page, style
from cak_jax.runtime.console import say
from cak_jax.runtime.files import replace_file
from cak_jax.sweep import results
from cak_jax.sweep.grid import SEEDS, PlannedRun, SweepSettings
from cak_jax.sweep.results import DIVERGED, DONE, UNHEARD, Record

# Measures that the report shows, with their headings; the table has all measures.
# {window} stands for every window that a run was heard at.
SHOWN = {
    "heard.quality.windows.{window}.slope": "heard slope, frames of {window}",
    "heard.quality.windows.{window}.r2": "heard R2, frames of {window}",
    "heard.quality.windows.{window}.to_target.slope": "slope to target, {window}",
    "heard.quality.windows.{window}.to_target.r2": "R2 to target, {window}",
    "heard.quality.rising_share": "steps that give more",
    "heard.side_effects.level_db": "level at 1, dB",
    "heard.side_effects.bass_db": "bass at 1, dB",
    "heard.side_effects.peak_db": "peaks at 1, dB",
    "audit.{audit}.calibrated.slope": "slope",
    "audit.{audit}.calibrated.r2": "R2",
    "audit.{audit}.calibrated.mae": "mean error",
    "audit.{audit}.calibrated.per_clip.r2.min": "R2, worst clip",
    "audit.{audit}.raw.r2": "R2, raw knob",
    "knob.gate.dead_zone": "dead zone, raw",
    "knob.gate.largest_step": "largest step, raw",
    "knob.raw.line_r2": "line R2, raw, heard",
    "knob.calibrated.line_r2": "line R2, calibrated, heard",
    "change.spectral_distance_db.3": "distance at 1, dB",
    "bit_exact_at_0": "exact at 0",
}
# Headings of swept fields where runs are heard; other fields keep their names.
HEARD_FIELDS = {"corpus.labels": "quality (corpus.labels)"}
WINDOW = re.compile(r"heard\.quality\.windows\.(\d+)\.").match
# Panels of a figure at most, and values along a side of a heat map, so that all of it
# can be read.
MOST_MAPS, MOST_CURVES, LONGEST_SIDE = 6, 12, 40


def write_outcome(
    planned: list[PlannedRun],
    rows: dict[str, dict[str, Any]],
    settings: SweepSettings,
    folder: pathlib.Path,
    flat: dict[str, Any],
) -> None:
    """Write `table.csv`, `table.jsonl`, `figures/`, `report.html` and `zoo.html`.

    Figures and map are made if the configuration `flat` wants them. A summary is
    printed. `rows` are those of the finished runs, by key.
    """
    finished = [run for run in planned if run.key in rows]
    records = [results.record(rows[run.key], run.values) for run in finished]
    replace_file(folder / "table.csv", results.to_csv(records).encode())
    replace_file(folder / "table.jsonl", results.to_jsonl(records).encode())
    shown = shown_measures(records, flat["game.audit"])
    figures = []
    if flat["output.figures"] and style.available():
        figures = draw_figures(records, followers(flat), shown, folder / "figures")
    summary = sentences(records, folder)
    run_page.write_report(
        folder,
        {
            "title": f"{flat['name']}: a sweep of {len(planned)} runs",
            "summary": summary,
            "facts": facts(records),
            "tables": [table(records, shown)],
            "figures": figures,
            "config": flat,
            "commands": [hear_command(records, folder)],
            "warnings": warnings(records),
        },
    )
    say("")
    for sentence in summary:
        say(sentence)
    if settings.probe_clips:
        from cak_jax.sweep import effect_map

        say(effect_map.write_map(finished, rows, settings, folder))


def followers(flat: dict[str, Any]) -> set[str]:
    """Return the fields that follow another one; no figure has them as an axis."""
    split = (name.partition(".follow.") for name in flat)
    return {
        field
        for head, marker, field in split
        if head.startswith("sweep.parts.") and marker
    }


def axes_of(records: list[Record], following: set[str]) -> list[str]:
    """Return the fields in which runs differ, without seeds and followers."""
    return [
        field
        for field in results.swept_fields(records)
        if field not in (*SEEDS, *following)
        and len(results.values_of(records, field)) > 1
    ]


def shown_measures(records: list[Record], audit: str) -> dict[str, str]:
    """Return the measures of `SHOWN` that at least one run has: name -> heading."""
    windows = sorted(
        {int(match[1]) for name in results.columns(records) if (match := WINDOW(name))}
    )
    names = {
        name.format(audit=audit, window=window): head.format(window=window)
        for name, head in SHOWN.items()
        for window in windows or [0]
    }
    return {
        name: head
        for name, head in names.items()
        if any(record.get(name) is not None for record in records)
    }


def field_headings(records: list[Record]) -> dict[str, str]:
    """Return the heading of every swept field: for people in a table or figure."""
    heard = any(WINDOW(name) for name in results.columns(records))
    special = HEARD_FIELDS if heard else {}
    return {name: special.get(name, name) for name in results.swept_fields(records)}


def table(records: list[Record], shown: dict[str, str]) -> dict[str, Any]:
    """Return all runs as a table for the report, sortable by every column."""
    fields = field_headings(records)
    measured = {**shown, "steps": "iterations", "train_seconds": "seconds"}
    rows = [
        [record["run"], record["status"]]
        + [_cell(record[field]) for field in fields]
        + [record.get(name) for name in measured]
        for record in records
    ]
    return {
        "title": "Runs",
        "note": "Every run on its held-out clips. A click on a heading sorts. "
        "table.csv and table.jsonl hold all measures.",
        "columns": ["run", "status", *fields.values(), *measured.values()],
        "rows": rows,
        "sortable": True,
    }


def _cell(value: Any) -> Any:
    return str(results.key(value)) if isinstance(value, list | tuple) else value


def draw_figures(
    records: list[Record],
    following: set[str],
    shown: dict[str, str],
    folder: pathlib.Path,
) -> list[dict[str, Any]]:
    """Draw a curve along every axis and a heat map over every pair; save them.

    Each is a slice through the most frequent value of the other axes.
    """
    from cak_jax.report import sweep_figures

    done = [record for record in records if record["status"] == DONE]
    axes = axes_of(done, following)
    centre, headings = results.centre(done, axes), field_headings(records)
    varying = [n for n in shown if len(set(results.numbers(done, n))) > 1]
    measures = {name: shown[name] for name in varying}
    drawn = {}
    for field in axes if varying else []:
        fixed = {name: value for name, value in centre.items() if name != field}
        runs = results.where(done, fixed)
        panels = []
        for measure, title in list(measures.items())[:MOST_CURVES]:
            values, numbers = results.curve(runs, field, measure)
            panels.append({"title": title, "field": headings[field],
                           "values": values, "numbers": numbers})  # fmt: skip
        figure = sweep_figures.curves(panels)
        caption = f"A mark for every seed, the line through their means{_at(fixed)}."
        drawn[f"curve_{field}"] = figure, headings[field], caption
    for rows, across in itertools.combinations(axes, 2):
        fixed = {n: v for n, v in centre.items() if n not in (rows, across)}
        chosen = results.where(done, fixed)
        figure = _draw_maps(chosen, rows, across, measures, headings)
        if figure is not None:
            title = f"{headings[rows]} and {headings[across]}"
            caption = f"Means over seeds{_at(fixed)}."
            drawn[f"map_{rows}_{across}"] = figure, title, caption
    return style.save_figures(drawn, folder)


def _draw_maps(
    records: list[Record],
    rows: str,
    across: str,
    measures: dict[str, str],
    headings: dict[str, str],
) -> Any:
    """Draw measures over two fields; None if a side is too long or nothing varies."""
    from cak_jax.report import sweep_figures

    maps = []
    for measure, title in list(measures.items())[:MOST_MAPS]:
        down, right, numbers = results.grid(records, rows, across, measure)
        if max(len(down), len(right)) > LONGEST_SIDE:
            return None
        maps.append({"title": title,
                     "rows": headings[rows], "across": headings[across],
                     "down": down, "right": right, "table": numbers})  # fmt: skip
    return sweep_figures.heat_maps(maps) if maps else None


def _at(fixed: dict[str, Any]) -> str:
    text = ", ".join(f"{field} {value}" for field, value in fixed.items())
    return f"; {text}" if text else ""


def facts(records: list[Record]) -> list[tuple[str, str]]:
    """Return the sweep's counts and times for the report."""
    seconds = sum(record["train_seconds"] or 0.0 for record in records)
    measuring = sum(record["evaluate_seconds"] or 0.0 for record in records)
    return [
        ("Runs", str(len(records))),
        ("Diverged", str(sum(record["status"] == DIVERGED for record in records))),
        ("Iterations", str(sum(record["steps"] for record in records))),
        ("Training", f"{seconds:.0f} s"),
        ("Measuring", f"{measuring:.0f} s"),
    ]


def sentences(records: list[Record], folder: pathlib.Path) -> list[str]:
    """Return the summary: how many runs gave an effect, and where the table lies."""
    states = [record["status"] for record in records]
    done = states.count(DONE)
    trusted = sum(record.get("trustworthy") == 1.0 for record in records)
    text = (
        f"{done} of {len(records)} runs gave an effect, {trusted} of them trustworthy"
    )
    if DIVERGED in states:
        text += f"; {states.count(DIVERGED)} diverged and are marked"
    if UNHEARD in states:
        text += f"; {states.count(UNHEARD)} could not be measured"
    return [
        f"{text}.",
        f"The table lies in {folder / 'table.csv'}; open {folder / 'report.html'} to "
        "see and sort it.",
    ]


def hear_command(records: list[Record], folder: pathlib.Path) -> str:
    """Return the command that applies a run's effect to a sound file of the reader."""
    done = [record for record in records if record["status"] == DONE]
    first = done[0] if done else {"run": "RUN"}
    path = shlex.quote(str(folder / "runs" / first["run"]))
    # A modest turn where the knob is even to the ear.
    amount = 0.5 if first.get("heard.quality.range") is not None else 0.8
    return f"cak apply --effect={path} --amount={amount} YOUR.wav"


def warnings(records: list[Record]) -> list[str]:
    """Return one line on each run without an effect, for the top of the report."""
    return [
        f"{record['run']}: {record['status']}, {record['fault']}"
        for record in records
        if record["status"] != DONE
    ]
