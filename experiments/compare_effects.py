"""Evaluate the published effect and a run's own on the run's held-out clips.

    python experiments/compare_effects.py RUN_FOLDER FOLDER_OF_SOUNDS

Prints the audit's fit (control 0 to 1 in 21 steps, all clips pooled) by both measures,
with the raw knob and with the gate inverted, beside the answers "the mean" and "0".
"""

import pathlib

from command_line import arguments
from tables import published_effect

from cak_jax.effect.effect import load_effect
from cak_jax.evaluation import evaluate
from cak_jax.runtime.progress import Bars
from cak_jax.training import evaluation_clips, run_corpus


def held_out_clips(folder: pathlib.Path, sounds: str):
    """Return the run's held-out clips."""
    settings = evaluation_clips.run_settings(folder)
    if settings is None:
        raise SystemExit(f"error: {folder}: has no config.json of a run")
    with Bars() as bars:
        corpus = evaluation_clips.load(settings, sounds, bars)
    return run_corpus.clips_at(corpus, corpus.evaluation)


def main(run: str, sounds: str) -> None:
    """Print the table of a run folder and the folder of its sounds."""
    folder = pathlib.Path(run)
    clips = held_out_clips(folder, sounds)
    print("| effect | audit | knob | slope | spread over clips | R2 | MAE |")
    print("|" + " --- |" * 7)
    ours = load_effect(folder / "effect.json")
    for name, effect in (("published", published_effect()), ("ours", ours)):
        audits = evaluate.evaluate(effect, clips)["audit"]
        for audit, knobs in audits.items():
            for knob in ("raw", "calibrated"):
                f = knobs[knob]
                numbers = f"{f['slope']:.3f} | {f['slope_sd']:.3f} | {f['r2']:.3f}"
                print(f"| {name} | {audit} | {knob} | {numbers} | {f['mae']:.3f} |")
    print(f"| always the mean | | | 0 | 0 | 0 | {f['mae_if_mean']:.3f} |")
    print(f"| always 0 | | | 0 | 0 | {f['r2_if_zero']:.3f} | {f['mae_if_zero']:.3f} |")


if __name__ == "__main__":
    main(*arguments(__doc__, 2, 2))
