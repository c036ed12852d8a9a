"""How long until an effect is good: held-out measures after every epoch.

    python experiments/time_to_effect.py run MUSIC OUT.jsonl fast:0 fast:1 full:0
    python experiments/time_to_effect.py show OUT.jsonl FIGURE.png

`fast` is `configs/relative.py`; `full` has the paper's critic, critic steps, batch and
whole band, on crops of 64 frames. Seconds are of training alone, without compilation
and without the measurements.
"""

import json
import pathlib
import time

import matplotlib.pyplot as plt
import numpy as np
from command_line import arguments

from cak_jax.effect.gate import calibrate
from cak_jax.evaluation import agreement, audit
from cak_jax.training import config as config_lib, run_corpus, run_evaluation
from cak_jax.training.trainer import Trainer

SETTINGS = {
    "fast": {},
    "full": {
        "game.critic_widths": (32, 64, 128),
        "game.critic_steps": 5,
        "train.batch_size": 16,
        "train.crop_bins": 0,
        "train.epochs": 10,
    },
}


def settings_of(name, seed, music):
    """Return the relative configuration with a setting's differences."""
    config = config_lib.load_file(config_lib.find("relative"))
    config.update_from_flattened_dict(
        {
            **SETTINGS[name],
            "seed": seed,
            "corpus.path": music,
            "corpus.held_out": 0.15,
        }
    )
    return config_lib.build(config)


def measures(trainer):
    """Measure what is learned so far on all held-out clips."""
    snapshot = trainer.snapshot()
    effect = snapshot.effect()
    corpus = snapshot.corpus
    clips = run_corpus.clips_at(corpus, corpus.evaluation)
    measured = audit.measure_clips(effect, clips)
    turned = np.array([calibrate(effect, c) for c in agreement.CONTROLS])
    curve = audit.audit_curve(effect, measured, turned, "relative")
    return {
        **agreement.fit(agreement.CONTROLS, curve),
        **run_evaluation.held_out_losses(snapshot),
        "kernel": effect.kernel,
        "bias": effect.bias,
        "scale": effect.scale,
    }


def train(name, seed, music):
    """Train one setting and yield a record per epoch."""
    settings = settings_of(name, seed, music)
    trainer = Trainer(settings, run_corpus.prepare_corpus(settings))
    compiled, seconds = trainer.compile(), 0.0
    yield {"epoch": 0, "seconds": 0.0, "compiled": compiled, **measures(trainer)}
    while trainer.epoch < settings.train.epochs:
        began = time.perf_counter()
        trainer.run_epoch(lambda metrics: None)
        seconds += time.perf_counter() - began
        yield {
            "epoch": trainer.epoch,
            "iterations": trainer.epoch * trainer.steps_per_epoch,
            "seconds": seconds,
            **measures(trainer),
        }


def cosine(a, b):
    """Return the cosine similarity of two kernels."""
    a, b = np.ravel(a), np.ravel(b)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def show(records, figure):
    """Print the last record of every run and plot all of them."""
    runs = {}
    for record in records:
        runs.setdefault((record["setting"], record["seed"]), []).append(record)
    print("| setting | seed | iterations | seconds | slope | R2 | MAE | "
          "reconstruction | kernel: like `fast` | like its start |")  # fmt: skip
    print("| --- " * 10 + "|")
    # A run that was stopped before its first epoch has nothing to show.
    runs = {key: series for key, series in runs.items() if len(series) > 1}
    for (name, seed), series in sorted(runs.items()):
        last, other = series[-1], runs.get(("fast", seed))
        like = f"{cosine(last['kernel'], other[-1]['kernel']):.3f}" if other else ""
        print(
            f"| {name} | {seed} | {last['iterations']} | {last['seconds']:.0f} | "
            f"{last['slope']:.3f} | {last['r2']:.4f} | {last['mae']:.3f} | "
            f"{last['reconstruction']:.4f} | {like} | "
            f"{cosine(last['kernel'], series[0]['kernel']):.3f} |"
        )
    fields = {"r2": "audit R2, calibrated knob", "reconstruction": "reconstruction"}
    _, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, (field, label) in zip(axes, fields.items(), strict=True):
        for (name, seed), series in sorted(runs.items()):
            axis.plot(
                [record["seconds"] for record in series[1:]],
                [record[field] for record in series[1:]],
                color={"fast": "C0", "full": "C1"}[name],
                marker="o",
                markersize=3,
                label=name if seed == min(s for n, s in runs if n == name) else None,
            )
        axis.set(xscale="log", xlabel="seconds of training", ylabel=label)
    axes[0].set_ylim(0.0, 1.01)
    axes[0].legend()
    plt.savefig(figure, dpi=110)


def main(command, *arguments):
    """Run settings, or show what was run."""
    if command == "show":
        source, figure = arguments
        lines = pathlib.Path(source).read_text().splitlines()
        return show([json.loads(line) for line in lines], figure)
    music, target, *wanted = arguments
    for name, seed in (entry.split(":") for entry in wanted):
        for record in train(name, int(seed), music):
            line = {"setting": name, "seed": int(seed), **record}
            with open(target, "a") as file:
                file.write(json.dumps(line) + "\n")
        print(name, seed, f"{record['seconds']:.0f} s", record["r2"], flush=True)


if __name__ == "__main__":
    main(*arguments(__doc__, 3))
