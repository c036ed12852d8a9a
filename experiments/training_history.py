"""Figure 2 of the paper: a run's training history beside the published one.

    python experiments/training_history.py RUN_FOLDER FIGURE.png

Panels as in the paper; the published history has 100 epochs. Losses can be compared
where the run has the published weights of the terms and the same critic. Dotted: the
violation of an audit that reads the same whatever is asked for, in our run.
"""

import json
import math
import pathlib
import sys

import numpy as np
from command_line import arguments
from pairing_histogram import constant_violation, transformations
from tables import print_table

from cak_jax.report.run_figures import draw_series, read_series
from cak_jax.report.style import (
    BLUE,
    VERMILLION,
    label_lines,
    make_figure,
    save,
    style_axes,
)

GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "golden"
# Name of the published series, of ours, and the panel's title.
QUANTITIES = (
    ("g_loss", "generator_loss", "Generator loss"),
    ("c_loss", "critic_loss", "Critic loss"),
    ("wasserstein_d", "wasserstein", "Wasserstein distance"),
    ("violations", "violation", "Audit violation"),
    ("pattern_strength", "pattern_strength", "Pattern strength"),
    ("temperature", "temperature", "Gate temperature"),
    ("scale", "scale", "Scale"),
)
EPOCHS = (1, 5, 20, 50, 100)


def published_history() -> dict[str, list[float]]:
    """Return the published series, one value per epoch from the first on."""
    text = (GOLDEN / "published_model.json").read_text("utf-8")
    return json.loads(text)["history"]


def run_records(folder: pathlib.Path) -> list[dict]:
    """Return the run's records of training, one per epoch.

    Raises:
      SystemExit: there are none; the message names the file.
    """
    path = folder / "metrics.jsonl"
    if not path.is_file():
        sys.exit(f"{path}: there is no such file; give a run folder")
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    records = [record for record in records if record["kind"] == "train"]
    if not records:
        sys.exit(f"{path}: holds no finished epoch yet; try later")
    return records


def settings_line(folder: pathlib.Path) -> str:
    """Say in what the run may differ from the published training."""
    path = folder / "config.json"
    if not path.is_file():
        return "no config.json"
    flat = json.loads(path.read_text("utf-8"))["config"]
    audit, steps = flat["game.audit"], flat["game.critic_steps"]
    bins, frames = flat["train.crop_bins"], flat["train.crop_frames"]
    crops = f"crops of {bins or 'all'} bins by {frames or 'all'} frames"
    return (
        f"{audit} audit of weight {flat['game.weight_compliance']:g}, pairing "
        f"{flat['game.pairing']}, {steps} critic steps, batch "
        f"{flat['train.batch_size']}, {crops}"
    )


def constant_score(folder: pathlib.Path) -> float | None:
    """Return what a constant reading would score on the run's own labels, if known."""
    paths = [folder / name for name in ("config.json", "corpus.json")]
    if not all(path.is_file() for path in paths):
        return None
    config, corpus = (json.loads(path.read_text("utf-8")) for path in paths)
    clips = [clip for file in corpus["files"] for clip in file["clips"]]
    labels = np.array([c["label"] for c in clips if not c["held_out"]])
    pairing = config["config"]["game.pairing"]
    return constant_violation(transformations(labels, pairing, 0).control)


def draw(published: dict, records: list[dict], constant: float | None):
    """Draw a panel per quantity, both trainings over the same axes."""
    figure = make_figure(14.0, 6.0)
    grid = figure.subplots(2, 4, sharex=True).ravel()
    for axes, (theirs, ours, title) in zip(grid, QUANTITIES, strict=False):
        values = published[theirs]
        axes.plot(range(1, len(values) + 1), values, color=BLUE, linewidth=1.6)
        draw_series(axes, *read_series(records, ours), VERMILLION)
        style_axes(axes, title)
        axes.margins(y=0.12)
        axes.set_xlabel("epoch")
        axes.tick_params(labelbottom=True)
        if ours == "violation" and constant is not None:
            axes.axhline(constant, color=VERMILLION, linewidth=1, linestyle=":")
    grid[-1].set_visible(False)
    label_lines(grid[0], [("published", BLUE), ("ours", VERMILLION)])
    return figure


def written(value) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.3f}"


def main(folder: str, target: str) -> None:
    """Read, print, draw."""
    published, records = published_history(), run_records(pathlib.Path(folder))
    by_epoch = {record["epoch"]: record for record in records}
    # A short or unfinished run shows where it ended, too.
    shown = sorted({*EPOCHS, max(by_epoch)})
    rows = []
    for theirs, ours, title in QUANTITIES:
        values = published[theirs]
        cells = [values[e - 1] if e <= len(values) else None for e in shown]
        rows.append([title, "published", *map(written, cells)])
        cells = [by_epoch.get(e, {}).get(ours) for e in shown]
        rows.append(["", "ours", *map(written, cells)])
    print_table(["", "", *(f"epoch {e}" for e in shown)], rows)
    constant = constant_score(pathlib.Path(folder))
    print(f"\nOurs: {settings_line(pathlib.Path(folder))}; {len(records)} epochs.")
    if constant is not None:
        print(f"Violation of a constant reading, our labels: {constant:.3f}.")
    save(draw(published, records, constant), target, dpi=80)


if __name__ == "__main__":
    main(*arguments(__doc__, 2, 2))
