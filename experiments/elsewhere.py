"""Does a knob hold on sounds of another kind than those it was trained on?

    python experiments/elsewhere.py SWEEP FOLDER [FOLDER ...]

SWEEP is a finished sweep of `configs/sweep_heard.py`. Its effects (one of each request,
the first seed) are rendered on 24 clips of each FOLDER of other sounds. Prints slope of
the mean change on the amount with frames of 1024 and of 4096 samples, slope and R2 of
each clip's own way to the target, the share of the knob's steps that raise the quality,
and the change of the level at full turn.
"""

import pathlib

from command_line import arguments
from heard_study import read
from tables import print_table

from cak_jax.data.clips import spread_clips
from cak_jax.evaluation import heard
from cak_jax.training import config as config_lib, run_corpus

CLIPS = 24


def clips_of(folder):
    """Return clips of a folder, spread evenly, at the default's sample rate."""
    config = config_lib.load_file(config_lib.find("default"))
    config.update_from_flattened_dict({"corpus.path": folder})
    corpus = run_corpus.load_whole(config_lib.build(config))
    return run_corpus.clips_at(corpus, spread_clips(corpus.training, CLIPS))


def main(sweep, *folders):
    """Print a row for every request and folder."""
    rows = []
    for folder in folders:
        clips = clips_of(folder)
        for asked, runs in read(sweep).items():
            measured = heard.measure_heard(runs[0][1], clips)
            quality = measured["quality"]
            own, other = quality["windows"].values()
            target = own.get("to_target", {})
            rows.append([
                pathlib.Path(folder).name, asked, own["slope"], other["slope"],
                target.get("slope", ""), target.get("r2", ""),
                quality["rising_share"], measured["side_effects"]["level_db"],
            ])  # fmt: skip
    print_table(
        ["sounds", "asked for", "slope", "slope, 4096", "slope to target",
         "R2 to target", "steps up", "level dB"],
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    main(*arguments(__doc__, 2))
