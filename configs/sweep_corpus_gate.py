"""The study of corpus size and gate in `experiments/`: how few clips are enough.

    python -m cak_jax.main --config=configs/sweep_corpus_gate.py \\
        --workdir=runs/corpus_gate --config.corpus.path=FOLDER

It sweeps the number of clips {5, 10, 25, 50, 100, 200}, the final temperature {2, 5,
10, 20, 40, 80} and the threshold {0, 0.15, 0.3, 0.45}, three seeds each: 180 runs in
one program. The whole grid has 144 cells; the sweep has the 60 in three planes of it:
all sizes by all temperatures at threshold 0.3, all temperatures by all thresholds at 50
clips, and three sizes by all thresholds at temperature 20. A seed draws its clips, its
batches and its first kernel; the held-out clips are the same for all.

Every run makes 150 iterations (156 with 50 clips) and warms its gate over the first
100, whatever the size of its corpus; `relative` makes 400. The sweep took 85 minutes on
two CPU cores that also did other work. The same command continues it. `FOLDER` has
to give 200 training clips.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import add_sweep, part
from cak_jax.training.config import load_sibling

SEEDS = (0, 1, 2)
SIZES = (5, 10, 25, 50, 100, 200)
TEMPERATURES = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0)
THRESHOLDS = (0.0, 0.15, 0.3, 0.45)
# Iterations of an epoch with a batch of 8: 1, 2, 6, 12, 25, 50 for these sizes.
EPOCHS = dict(zip(SIZES, (150, 75, 25, 13, 6, 3), strict=True))
WARMING = dict(zip(SIZES, (100.0, 50.0, 100 / 6, 100 / 12, 4.0, 2.0), strict=True))


def plane(
    sizes: tuple[int, ...],
    temperatures: tuple[float, ...],
    thresholds: tuple[float, ...],
) -> config_dict.ConfigDict:
    """Return every combination, three seeds each, with equal numbers of iterations."""
    return part(
        grid={
            "train.clips": sizes,
            "gate.temperature_final": temperatures,
            "gate.threshold": thresholds,
            "train.seed": SEEDS,
        },
        follow={
            "train.epochs": tuple(EPOCHS[size] for size in sizes),
            "gate.anneal_epochs": tuple(WARMING[size] for size in sizes),
        },
        leader="train.clips",
    )


def get_config() -> config_dict.ConfigDict:
    """Return the relative audit's configuration with a sweep over three planes."""
    config = load_sibling(__file__, "relative")
    config.name = "corpus and gate"
    config.corpus.held_out = 0.15
    add_sweep(
        config,
        __file__,
        size_temperature=plane(SIZES, TEMPERATURES, (0.3,)),
        temperature_threshold=plane((50,), TEMPERATURES, THRESHOLDS),
        size_threshold=plane((5, 50, 200), (20.0,), THRESHOLDS),
    )
    config.sweep.rendered_clips = 2
    return config
