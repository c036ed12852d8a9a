"""How exactly `--amount` and `--aim` give what is asked, on a run's held-out clips.

    python experiments/aimed.py RUN_FOLDER FOLDER_OF_SOUNDS [CLIPS]

Renders the loudest 6 s of every held-out clip, or of CLIPS of them, at 0.25, 0.5, 0.75
and 1 by either, and measures the change of the effect's quality in units of its range
with NumPy, in frames of 1024 samples. Prints slope, R2 and mean error of measured on
requested change, and the share of requests that are met to 0.02.
"""

import pathlib
import warnings

import numpy as np
from command_line import arguments
from compare_effects import held_out_clips
from tables import print_table

from cak_jax.effect.effect import load_effect
from cak_jax.effect.quality import reader
from cak_jax.evaluation import agreement, heard
from cak_jax.evaluation.knob_response import HEARD_SECONDS, loudest
from cak_jax.rendering.in_memory import render

MET = 0.02


def main(run: str, sounds: str, most: str = "0") -> None:
    """Print the table."""
    folder = pathlib.Path(run)
    effect = load_effect(folder / "effect.json")
    if effect.quality is None:
        raise SystemExit(f"error: {folder}/effect.json: has no quality to aim at")
    weights = np.array(reader(effect.quality))
    rate = effect.spectrogram.sample_rate
    clips = held_out_clips(folder, sounds)
    clips = [loudest(np.asarray(c), round(HEARD_SECONDS * rate)) for c in clips]
    picked = np.linspace(0, len(clips) - 1, int(most) or len(clips)).astype(int)
    clips = [clips[index] for index in picked]

    def reading(audio):
        found = heard.measure(audio, rate, heard.WINDOWS[0])
        return np.array(list(found.values())) @ weights

    rows = []
    for way in ("amount", "aim"):
        with warnings.catch_warnings():
            # An aim that cannot be reached is counted below.
            warnings.simplefilter("ignore")
            got = [
                [
                    reading(
                        render(
                            effect,
                            c,
                            rate,
                            **{way: float(a)},
                            loudness="none",
                            peaks="none",
                        )
                    )
                    for a in heard.AMOUNTS
                ]
                for c in clips
            ]
        moved = np.array(got) - np.array([reading(clip) for clip in clips])[:, None]
        fitted = agreement.fit(heard.AMOUNTS, moved)
        met = float((np.abs(moved - heard.AMOUNTS) <= MET).mean())
        rows.append([way, *(fitted[name] for name in ("slope", "r2", "mae")), met])
    print(f"{len(clips)} clips, {effect.quality.name}\n")
    print_table(["asked by", "slope", "R2", "mean error", "met"], rows)


if __name__ == "__main__":
    main(*arguments(__doc__, 2, 3))
