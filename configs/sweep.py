"""A sweep: many trainings as one program, with their measures in one table.

    python -m cak_jax.main --config=configs/sweep.py --workdir=runs/sweep \\
        --config.corpus.path=FOLDER

This one varies the quality that is asked for, the spacing of the kernel's cells and the
resolution: three qualities by two spacings by two resolutions, two seeds each, 24 runs
of `configs/default.py` on 40 clips each. Crops last as long at both resolutions.
`table.csv` has a row for every run, `report.html` shows all runs, and `runs/NAME` is
the run folder of each, with its effect. The same command continues a sweep, also with
more values than before. To sweep another field, copy this file; every field can be
swept.

A part is a product of `grid` (field -> values), of fields that `follow` its `leader`
value by value, and of random points (`draw`: field -> (low, high) or (low, high,
"log"), `draws`, `draw_seed`). A sweep is the union of its parts, each run once. Fields
that change shapes (crops, widths, resolution, batch) and fields of the corpus need one
program for each value; all other fields share one program.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import part
from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration with a sweep over what it can hear and see."""
    config = load_sibling(__file__, "default")
    config.name = "sweep"
    config.train.clips = 40
    config.sweep = sweep = config_dict.ConfigDict()
    sweep.parts = config_dict.ConfigDict()
    sweep.parts.hearing = part(
        grid={
            "corpus.labels": ("attack", "-attack", "spectral_flatness"),
            "game.spacing": ((1, 1), (4, 4)),
            "spectrogram.n_fft": (1024, 2048),
            "train.seed": (0, 1),
        },
        follow={
            "spectrogram.hop_length": (256, 512),
            "train.crop_frames": (260, 130),
        },
        leader="spectrogram.n_fft",
    )
    # Runs of one device: one after the other ("map"), as many at once as fit ("vmap"),
    # or the faster of the two ("auto", measured).
    sweep.vectorise = "auto"
    # Runs of one device that are trained together and then written. A kill loses them.
    # 0: 8 on CPU, up to 64 on an accelerator.
    sweep.runs_at_once = 0
    # Held-out clips, evenly spaced, on which every effect is measured as in a single
    # run; 0: all.
    sweep.clips = 0
    # Number of them that are also rendered at every turn of the knob, as
    # `cak_jax.evaluate` does: two seconds a clip and run. 0: none.
    sweep.rendered_clips = 0
    # Held-out clips on which every effect is played for a map of all effects, zoo.html;
    # 0: no map.
    sweep.probe_clips = 0
    sweep.probe_amount = 0.8  # of the calibrated knob
    return config
