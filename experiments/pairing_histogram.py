"""Which control values training asks for: the paper's pairing, the code's, random.

    python experiments/pairing_histogram.py FIGURE.png

200 labels, uniform in [0.1, 1]. Of the items of an epoch half are identity items with
control 0; the figure and the table are of the other half. "Reached" counts the paper's
100 pairs (rank i of the lower half with rank i of the upper half) that occur. The last
row is the least mean violation |m - c| over all items of an epoch that an audit gets
by reading the same m whatever is asked for.
"""

import numpy as np
from command_line import arguments
from tables import print_table

from cak_jax.data import labels, pairs
from cak_jax.report.style import INK, VERMILLION, make_figure, save, style_axes

CLIPS = 200
EPOCHS = 100
SEEDS = 10
THRESHOLD = 0.3
CENTRE, NEAR = 0.45, 0.05
BINS = np.linspace(0, 1, 41)
TITLES = {
    "paper": "Pairing of the paper",
    "published_code": "Pairing of the published code",
    "random": "Random pairing (ours)",
}


def transformations(values: np.ndarray, pairing: str, epoch: int) -> pairs.Items:
    """Return an epoch's transformation items."""
    items = pairs.epoch_items(values, pairing, seed=0, epoch=epoch)
    return items.take(np.flatnonzero(items.low != items.high))


def reached(values: np.ndarray, items: pairs.Items) -> int:
    """Count the pairs of the paper that occur."""
    ranks = np.argsort(values, kind="stable")
    half = len(values) // 2
    meant = set(zip(ranks[:half].tolist(), ranks[half:].tolist(), strict=True))
    return len(meant & set(zip(items.low.tolist(), items.high.tolist(), strict=True)))


def summary(values: np.ndarray, pairing: str) -> dict:
    """Describe the controls of one epoch, and of a whole training."""
    first = transformations(values, pairing, 0)
    whole = np.concatenate(
        [transformations(values, pairing, e).control for e in range(EPOCHS)]
    )
    control = first.control
    filled = np.histogram(control, np.linspace(0, 1, 21))[0] > 0
    return {
        "items": len(first),
        "distinct controls": len(np.unique(control)),
        f"distinct in {EPOCHS} epochs": len(np.unique(whole)),
        "reached": f"{reached(values, first)} of {len(values) // 2}",
        "least": float(control.min()),
        "median": float(np.median(control)),
        "most": float(control.max()),
        f"within {NEAR:g} of {CENTRE:g}": near(control),
        f"below {THRESHOLD:g}": f"{np.mean(control < THRESHOLD):.0%}",
        "twentieths of 0 to 1 filled": f"{filled.sum()} of 20",
        "violation of a constant reading": constant_violation(control),
    }


def constant_violation(control: np.ndarray) -> float:
    """Return the least violation of a reading that does not depend on the request.

    Half the items ask for 0 and half for a control above 0: the mean of |m - c| does
    not fall where m leaves 0, so that the least is at m = 0, half the mean control.
    """
    return float(control.mean()) / 2


def near(control: np.ndarray) -> str:
    return f"{np.mean(np.abs(control - CENTRE) <= NEAR):.0%}"


def draw(values: np.ndarray):
    """Draw a histogram of an epoch's controls per pairing, over the same axes."""
    figure = make_figure(12.0, 3.4)
    grid = figure.subplots(1, 3, sharex=True, sharey=True)
    for axes, (pairing, title) in zip(grid, TITLES.items(), strict=True):
        control = transformations(values, pairing, 0).control
        axes.hist(control, bins=BINS, color=VERMILLION, edgecolor="white")
        axes.axvline(THRESHOLD, color=INK, linewidth=1, linestyle=":")
        axes.set_xlabel("control asked for; dotted: the gate's threshold")
        style_axes(axes, title)
        axes.grid(False, axis="x")
        axes.tick_params(labelleft=True)
    grid[0].set_ylabel("transformation items of an epoch")
    return figure


def main(target: str) -> None:
    """Count, print, draw."""
    values = labels.random_labels(CLIPS, 0)
    columns = {pairing: summary(values, pairing) for pairing in TITLES}
    rows = [
        [field, *(column[field] for column in columns.values())]
        for field in columns["paper"]
    ]
    print_table(["transformation items of an epoch", *columns], rows)
    print()
    shares = {pairing: [] for pairing in TITLES}
    for seed in range(SEEDS):
        drawn = labels.random_labels(CLIPS, seed)
        for pairing, found in shares.items():
            control = transformations(drawn, pairing, 0).control
            found.append(np.mean(np.abs(control - CENTRE) <= NEAR))
    ranges = [f"{p} {min(s):.0%} to {max(s):.0%}" for p, s in shares.items()]
    print(
        f"Within {NEAR:g} of {CENTRE:g}, {SEEDS} draws of labels: {', '.join(ranges)}"
    )
    save(draw(values), target, dpi=90)


if __name__ == "__main__":
    main(*arguments(__doc__, 1, 1))
