"""The end of a sweep: table, figures, report, map, and a summary on the terminal."""

import itertools
import pathlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from cak_jax.data.settings import corpus_name
from cak_jax.report import run_page, style
from cak_jax.runtime.console import say
from cak_jax.runtime.files import replace_file
from cak_jax.sweep import results, table
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
MOST_MAPS, MOST_CURVES, LONGEST_SIDE = 6, 6, 40


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
    headings = field_headings(records)
    best = table.best_of(records, shown)
    tables = [table.by_values(records, headings, shown, best)]
    if len(tables[0]["rows"]) < len(records):
        tables.append(table.every_run(records, shown, best))
    summary = sentences(records, best)
    name = flat["name"] or corpus_name(flat["corpus.path"])
    run_page.write_report(
        folder,
        {
            "title": f"{name}: a sweep of {len(planned)} runs",
            "summary": summary,
            "facts": facts(records),
            "tables": tables,
            "figures": figures,
            "figures_first": True,
            "config": flat,
            "commands": [table.hear_command(records, best, folder)],
            "warnings": warnings(records),
        },
    )
    say("")
    for sentence in summary:
        say(sentence)
    page = folder / "report.html"
    say(f"The table lies in {folder / 'table.csv'}; open {page} to see and sort it.")
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
    figures: list[dict[str, Any]] = []
    for field in axes if varying else []:
        fixed = {name: value for name, value in centre.items() if name != field}
        runs = results.where(done, fixed)
        panels = []
        for measure, title in list(measures.items())[:MOST_CURVES]:
            values, numbers = results.curve(runs, field, measure)
            panels.append({"title": title, "field": headings[field],
                           "values": values, "numbers": numbers})  # fmt: skip
        caption = (
            "A mark for every seed, the line through their means, bars of one standard "
            f"deviation{_at(fixed)}."
        )
        figures += _save(
            f"curve_{field}", sweep_figures.curves, panels, headings[field], caption,
            folder,
        )  # fmt: skip
    for rows, across in itertools.combinations(axes, 2):
        fixed = {n: v for n, v in centre.items() if n not in (rows, across)}
        maps = _maps(results.where(done, fixed), rows, across, measures, headings)
        title = f"{headings[rows]} and {headings[across]}"
        caption = f"Means over seeds, with their standard deviation{_at(fixed)}."
        figures += _save(
            f"map_{rows}_{across}", sweep_figures.heat_maps, maps, title, caption,
            folder,
        )  # fmt: skip
    return figures


def _save(
    name: str,
    draw: Callable[[list[dict[str, Any]]], Any],
    panels: list[dict[str, Any]],
    title: str,
    caption: str,
    folder: pathlib.Path,
) -> list[dict[str, Any]]:
    """Draw and save every panel as a picture of its own; return them as one figure.

    A page shows as many side by side as fit, one on a phone. The list is empty where
    there is no panel.
    """
    drawn = {
        f"{name}-{number}": (draw([panel]), panel["title"], caption)
        for number, panel in enumerate(panels, 1)
    }
    saved = style.save_figures(drawn, folder)
    panels = [{"title": figure["title"], "png": figure["png"]} for figure in saved]
    return [{"title": title, "caption": caption, "panels": panels}] if saved else []


def _maps(
    records: list[Record],
    rows: str,
    across: str,
    measures: dict[str, str],
    headings: dict[str, str],
) -> list[dict[str, Any]]:
    """Return measures over two fields for heat maps; none if a side is too long."""
    maps = []
    for measure, title in list(measures.items())[:MOST_MAPS]:
        down, right, numbers = results.grid(records, rows, across, measure)
        _, _, spread = results.grid(records, rows, across, measure, np.std)
        if max(len(down), len(right)) > LONGEST_SIDE:
            return []
        maps.append({"title": title, "spread": spread,
                     "rows": headings[rows], "across": headings[across],
                     "down": down, "right": right, "table": numbers})  # fmt: skip
    return maps


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


def sentences(records: list[Record], best: str) -> list[str]:
    """Return the summary: how many runs gave an effect, and the best."""
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
    chosen = [f"Best by R2 on held-out clips: {best}."] if best and done > 1 else []
    return [f"{text}.", *chosen]


def warnings(records: list[Record]) -> list[str]:
    """Return one line on each run without an effect, for the top of the report."""
    return [
        f"{record['run']}: {record['status']}, {record['fault']}"
        for record in records
        if record["status"] != DONE
    ]
