"""The study of corpus size and gate: tables and a figure from a finished sweep.

python experiments/corpus_gate.py runs/corpus_gate figures/corpus_gate.png
"""

import pathlib

import numpy as np
from command_line import arguments

from cak_jax.report import style, sweep_figures
from cak_jax.sweep import results

CLIPS, HEAT, THRESHOLD = "train.clips", "gate.temperature_final", "gate.threshold"
# Where the three planes of the sweep meet.
CENTRE = {CLIPS: 50, HEAT: 20.0, THRESHOLD: 0.3}
R2 = "audit.relative.calibrated.r2"
MAE = "audit.relative.calibrated.mae"
MEASURES = {
    "audit.relative.calibrated.slope": "slope, calibrated",
    R2: "R2, calibrated",
    MAE: "mean error, calibrated",
    "audit.relative.raw.r2": "R2, raw",
    "knob.gate.dead_zone": "dead zone of the gate",
    "knob.gate.largest_step": "largest step of the gate",
    "knob.raw.dead_zone": "dead zone, heard",
    "knob.raw.line_r2": "line R2, raw, heard",
    "knob.calibrated.line_r2": "line R2, calibrated, heard",
    "change.spectral_distance_db.3": "distance at control 1, dB",
}


def read(folder):
    """Return the records of the runs that gave an effect."""
    table = pathlib.Path(folder) / "table.jsonl"
    records = results.from_jsonl(table.read_text("utf-8") if table.exists() else "")
    good = [own for own in records if own["status"] == "done"]
    if not good:
        raise SystemExit(f"error: {folder}: holds no table.jsonl with finished runs")
    bad = len(records) - len(good)
    print(f"{len(good)} runs; {bad} gave no effect and are left out\n")
    return good


def at_centre(records, *free):
    """Return the records that differ from the centre in the free fields only."""
    fixed = {field: value for field, value in CENTRE.items() if field not in free}
    return results.where(records, fixed)


def cell(numbers):
    """Write a measure over seeds: its median, and the span where it has one."""
    if not len(numbers):
        return ""
    low, high, middle = numbers.min(), numbers.max(), np.median(numbers)
    text = f"{middle:.4g}"
    return text if high - low < 5e-5 else f"{text} ({low:.4g} to {high:.4g})"


def along(records, field):
    """Print every measure along a field, all else at the centre."""
    part = at_centre(records, field)
    values = results.values_of(part, field)
    print(f"| {field} | runs | " + " | ".join(MEASURES.values()) + " |")
    print("| --- " * (len(MEASURES) + 2) + "|")
    for value in values:
        own = results.where(part, {field: value})
        cells = [cell(results.numbers(own, name)) for name in MEASURES]
        print(f"| {value:g} | {len(own)} | " + " | ".join(cells) + " |")
    print()


def plane(records, rows, across, measure):
    """Print the least value over seeds of a measure in a plane of the sweep."""
    part = at_centre(records, rows, across)
    right = results.values_of(part, across)
    print(f"{MEASURES[measure]}, least over seeds; {rows} down, {across} across\n")
    print("| | " + " | ".join(f"{value:g}" for value in right) + " |")
    print("| --- " * (len(right) + 1) + "|")
    for value in results.values_of(part, rows):
        cells = []
        for other in right:
            own = results.where(part, {rows: value, across: other})
            numbers = results.numbers(own, measure)
            cells.append(f"{numbers.min():.4f}" if len(numbers) else "")
        print(f"| {value:g} | " + " | ".join(cells) + " |")
    print()


def identity(records):
    """Say on how many runs control 0 gives every clip back bit for bit."""
    exact = results.numbers(records, "bit_exact_at_0")
    print(f"bit-exact at control 0: {int(exact.sum())} of {len(exact)} runs\n")


def draw(records, path):
    """Draw the two planes that are whole: size and gate."""
    maps = []
    for rows, across, measure in (
        (CLIPS, HEAT, MAE),
        (THRESHOLD, HEAT, "audit.relative.raw.r2"),
        (THRESHOLD, HEAT, "knob.gate.dead_zone"),
    ):
        part = at_centre(records, rows, across)
        down, right, table = results.grid(part, rows, across, measure)
        title = MEASURES[measure]
        if measure == MAE:
            table, title = 1000 * table, f"1000 x {title}"
        maps.append({"title": title, "rows": rows, "across": across,
                     "down": down, "right": right, "table": table})  # fmt: skip
    style.save(sweep_figures.heat_maps(maps), path)


def main(folder, figure):
    records = read(folder)
    identity(records)
    for field in CENTRE:
        along(records, field)
    plane(records, CLIPS, HEAT, R2)
    plane(records, CLIPS, THRESHOLD, R2)
    for measure in ("audit.relative.raw.r2", "knob.gate.dead_zone"):
        plane(records, THRESHOLD, HEAT, measure)
    draw(records, figure)


if __name__ == "__main__":
    main(*arguments(__doc__, 2, 2))
