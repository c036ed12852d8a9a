"""A sweep: many trainings as one program, their measures in one table.

    python -m cak_jax.main --config=configs/sweep.py --workdir=runs/sweep \\
        --config.corpus.path=FOLDER

This one turns the gate: three thresholds by three final temperatures, three seeds
each, 27 runs of `configs/default.py`.
`table.csv` has a row for every run, `report.html` shows them, `runs/NAME` is a run
folder each with its effect. Started again it goes on where it was, also with more
values than before. Copy this file to sweep something else: any field will do.

A part is a product of `grid` (field -> values), of fields that `follow` its `leader`
value by value, and of random points (`draw`: field -> (low, high) or (low, high,
"log"), `draws`, `draw_seed`); a sweep is all that its parts have, each run once. Fields
that change shapes (crops, widths, resolution, batch) and those of the corpus make one
program for each of their values, all others share one.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import part
from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration and what is swept over it."""
    config = load_sibling(__file__, "default")
    config.name = "sweep"
    config.sweep = sweep = config_dict.ConfigDict()
    sweep.parts = config_dict.ConfigDict()
    sweep.parts.gate = part(
        grid={
            "gate.threshold": (0.0, 0.15, 0.3),
            "gate.temperature_final": (5.0, 20.0, 80.0),
            "train.seed": (0, 1, 2),
        }
    )
    # On one device: runs one after the other ("map"), as many at once as fit ("vmap"),
    # or whichever of the two measures faster ("auto").
    sweep.vectorise = "auto"
    # Runs of one device that are trained together and then written; a kill costs these.
    # 0: 8 on CPU, up to 64 on an accelerator.
    sweep.runs_at_once = 0
    # Held-out clips, evenly chosen, on which every effect is measured as a single run's
    # is; 0: all.
    sweep.clips = 0
    # So many of them are rendered at every turn of the knob as well, as
    # `cak_jax.evaluate` does: two seconds a clip and run. 0: none.
    sweep.rendered_clips = 0
    # Held-out clips that every effect is played on for a map of all of them, zoo.html;
    # 0: no map.
    sweep.probe_clips = 0
    sweep.probe_amount = 0.8  # at this much of the calibrated knob
    return config
