"""How few clips the heard audit needs, and what the gate's sharpness changes.

    python -m cak_jax.main --config=configs/sweep_heard_few.py \\
        --workdir=runs/heard_few --config.corpus.path=FOLDER

It sweeps the number of clips {5, 25, 100} and, with 50 clips, the gate's final
temperature {5, 20, 80}, three seeds each: 18 runs of 120 iterations each. A seed draws
its clips, its batches and its first kernel; the held-out clips are the same for all.
`experiments/heard_study.py` makes the table. `FOLDER` has to give 100 training clips.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import add_sweep, part
from cak_jax.training.config import load_sibling

SEEDS = (0, 1, 2)


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration with a sweep of 18 runs."""
    config = load_sibling(__file__, "default")
    config.name = "heard, few clips"
    add_sweep(
        config,
        __file__,
        sizes=part(grid={"train.clips": (5, 25, 100), "train.seed": SEEDS}),
        gates=part(
            grid={
                "gate.temperature_final": (5.0, 20.0, 80.0),
                "train.clips": (50,),
                "train.seed": SEEDS,
            }
        ),
    )
    return config
