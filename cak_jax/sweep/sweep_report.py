"""What a sweep leaves for people: table, figures, report, map, last words."""

import itertools
import pathlib
import shlex

from cak_jax.report import run_page, style
from cak_jax.runtime.console import say
from cak_jax.runtime.files import replace_file
from cak_jax.sweep import table as sweep_table
from cak_jax.sweep.grid import SEEDS
from cak_jax.sweep.planned_runs import PlannedRun, SweepSettings
from cak_jax.sweep.results import DIVERGED, DONE, UNHEARD

# Shown in the report, where they were measured; all of them stand in the table.
SHOWN = {
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
MOST_MAPS, MOST_CURVES = 6, 12


def write_outcome(
    planned: list[PlannedRun],
    rows: dict[str, dict],
    settings: SweepSettings,
    folder: pathlib.Path,
    flat: dict,
) -> None:
    """Write `table.csv`, `table.jsonl`, `figures/`, `report.html`, perhaps a map.

    Args:
      planned: all runs, in order.
      rows: of the finished ones, by key.
      settings: of the sweep.
      folder: of the sweep.
      flat: its configuration.
    """
    made = [run for run in planned if run.key in rows]
    records = [sweep_table.record(rows[run.key], run.point.values) for run in made]
    replace_file(folder / "table.csv", sweep_table.to_csv(records).encode())
    replace_file(folder / "table.jsonl", sweep_table.to_jsonl(records).encode())
    shown = shown_measures(records, flat["game.audit"])
    figures = []
    if flat["output.figures"] and style.available():
        figures = draw_figures(records, followers(flat), shown, folder / "figures")
    said = sentences(records, folder)
    run_page.write_report(
        folder,
        {
            "title": f"{flat['name']}: a sweep of {len(planned)} runs",
            "summary": said,
            "facts": facts(records),
            "tables": [table(records, shown)],
            "figures": figures,
            "config": flat,
            "commands": [hear_command(records, folder)],
            "warnings": warnings(records),
        },
    )
    say("")
    for sentence in said:
        say(sentence)
    if settings.probe_clips:
        from cak_jax.sweep import effect_map

        say(effect_map.write_zoo(made, rows, settings, folder))


def followers(flat: dict) -> set[str]:
    """Return the fields that only follow others: they are no axes of their own."""
    found = set()
    for name in flat:
        head, marker, field = name.partition(".follow.")
        if head.startswith("sweep.parts.") and marker:
            found.add(field)
    return found


def axes_of(records: list[dict], following: set[str]) -> list[str]:
    """Return the fields of which runs have different values, but for seeds."""
    swept = [] if not records else list(records[0])
    start, stop = len(sweep_table.FIRST), swept.index(sweep_table.COUNTS[0])
    return [
        field
        for field in swept[start:stop]
        if field not in (*SEEDS, *following)
        and len(sweep_table.values_of(records, field)) > 1
    ]


def shown_measures(records: list[dict], audit: str) -> dict[str, str]:
    """Return the measures to show that any run has: name -> heading."""
    names = {name.format(audit=audit): head for name, head in SHOWN.items()}
    return {
        name: head
        for name, head in names.items()
        if any(own.get(name) is not None for own in records)
    }


def table(records: list[dict], shown: dict[str, str]) -> dict:
    """Return all runs as a table for the report, sortable by every column."""
    swept = list(records[0]) if records else []
    stop = swept.index(sweep_table.COUNTS[0]) if records else 0
    fields = swept[len(sweep_table.FIRST) : stop]
    measured = {**shown, "steps": "iterations", "train_seconds": "seconds"}
    rows = []
    for own in records:
        values = [_cell(own[field]) for field in fields]
        numbers = [own.get(name) for name in measured]
        rows.append([own["run"], own["status"], *values, *numbers])
    return {
        "title": "Runs",
        "note": "Every run on its held-out clips; a click on a heading sorts. All that "
        "was measured stands in table.csv and table.jsonl.",
        "columns": ["run", "status", *fields, *measured.values()],
        "rows": rows,
        "sortable": True,
    }


def _cell(value):
    return str(value) if isinstance(value, list | tuple) else value


def draw_figures(
    records: list[dict],
    following: set[str],
    shown: dict[str, str],
    folder: pathlib.Path,
) -> list[dict]:
    """Draw curves along every axis and heat maps over every two; return them."""
    from cak_jax.report import sweep_figures

    folder.mkdir(exist_ok=True)
    good = [own for own in records if own["status"] == DONE]
    axes = axes_of(good, following) if good else []
    middle = sweep_table.centre(good, axes)
    varying = [n for n in shown if len(set(sweep_table.numbers(good, n))) > 1]
    drawn = {}
    for field in axes:
        others = {name: value for name, value in middle.items() if name != field}
        panels = [
            {
                "title": shown[measure],
                "field": field,
                "lines": {"": sweep_table.curve(
                    sweep_table.where(good, others), field, measure)},
            }
            for measure in varying[:MOST_CURVES]
        ]  # fmt: skip
        if panels:
            caption = (
                f"A mark for every seed, the line through their means{_at(others)}."
            )
            drawn[f"curve_{field}"] = sweep_figures.curves(panels), field, caption
    for rows, across in itertools.combinations(axes, 2):
        others = {n: v for n, v in middle.items() if n not in (rows, across)}
        part = sweep_table.where(good, others)
        maps = []
        for measure in varying[:MOST_MAPS]:
            down, right, numbers = sweep_table.grid(part, rows, across, measure)
            maps.append({"title": shown[measure], "rows": rows, "across": across,
                         "down": down, "right": right, "table": numbers})  # fmt: skip
        sides = all(len(m["down"]) <= 40 and len(m["right"]) <= 40 for m in maps)
        if maps and sides:
            caption = f"Means over seeds{_at(others)}."
            title = f"{rows} and {across}"
            drawn[f"map_{rows}_{across}"] = (
                sweep_figures.heat_maps(maps),
                title,
                caption,
            )
    figures = []
    for name, (figure, title, caption) in drawn.items():
        path = style.save(figure, folder / f"{name}.png")
        figures.append({"title": title, "caption": caption, "png": path.read_bytes()})
    return figures


def _at(fixed: dict) -> str:
    text = ", ".join(f"{field} {value}" for field, value in fixed.items())
    return f"; {text}" if text else ""


def facts(records: list[dict]) -> list[tuple[str, str]]:
    """Return what the sweep was, for the report."""
    seconds = sum(own["train_seconds"] or 0.0 for own in records)
    measuring = sum(own["evaluate_seconds"] or 0.0 for own in records)
    return [
        ("Runs", str(len(records))),
        ("Diverged", str(sum(own["status"] == DIVERGED for own in records))),
        ("Iterations", str(sum(own["steps"] for own in records))),
        ("Training", f"{seconds:.0f} s"),
        ("Measuring", f"{measuring:.0f} s"),
    ]


def sentences(records: list[dict], folder: pathlib.Path) -> list[str]:
    """Say what came of the sweep and where it lies."""
    states = [own["status"] for own in records]
    good = states.count(DONE)
    trusted = sum(own.get("trustworthy") == 1.0 for own in records)
    text = (
        f"{good} of {len(records)} runs gave an effect, {trusted} of them trustworthy"
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


def hear_command(records: list[dict], folder: pathlib.Path) -> str:
    """Return the command that plays a file of one's own through a run's effect."""
    good = [own["run"] for own in records if own["status"] == DONE]
    path = shlex.quote(str(folder / "runs" / (good[0] if good else "RUN")))
    return f"python -m cak_jax.apply --effect={path} --amount=0.8 YOUR.wav"


def warnings(records: list[dict]) -> list[str]:
    """Return what a reader of the report should know first."""
    return [
        f"{own['run']}: {own['status']}, {own['fault']}"
        for own in records
        if own["status"] != DONE
    ]
