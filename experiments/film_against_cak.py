"""FiLM and CAK under identical training: after figure 1 of the paper.

    python experiments/film_against_cak.py run MUSIC OUT.jsonl \\
        cak:paper:0 film:paper:0 film:hot:0:40 ...
    python experiments/film_against_cak.py show OUT.jsonl FIGURE.png

A run is GENERATOR:SETTING:SEED, with a number of epochs other than 8 as a fourth part.
`paper` has the paper's game (pairs, audit, weights, learning rates), `hot` ten times
its learning rates, `wide` the paper's critic and its five steps, `relative` is
`configs/relative.py`; crops and batch are its own in all of them, and but for
`wide` the critic. What is held out is measured on the middle 5 s of 8 clips, by
applying the generator, CAK as FiLM; nothing stands for the generator that gives its
input back.
"""

import json
import pathlib
import tempfile
import time

import matplotlib.pyplot as plt
import numpy as np
from command_line import arguments

from cak_jax.evaluation import agreement, generator_audit
from cak_jax.training import config as config_lib, machine, run
from cak_jax.training.run_evaluation import applied
from cak_jax.training.trainer import Trainer, TrainingError

EPOCHS = 8
# What `configs/paper.py` decides about the game; sizes are the default's.
PAPER = ("game.audit", "game.request", "game.pairing", "game.weight_compliance",
         "game.leash", "game.kernel_gain", "train.learning_rate_generator",
         "train.learning_rate_critic", "train.learning_rate_decay")  # fmt: skip
CRITIC = ("game.critic_widths", "game.critic_steps")
HOT = {"train.learning_rate_generator": 1e-3, "train.learning_rate_critic": 1e-3}
SETTINGS = ("paper", "hot", "wide", "relative")
# Of the requested control, at each epoch and at the last.
FEW, MANY = np.linspace(0.0, 1.0, 5), agreement.CONTROLS
LOSSES = ("critic_loss", "generator_loss", "wasserstein", "gradient_penalty",
          "violation", "reconstruction")  # fmt: skip


def differences(setting):
    """Return what a setting changes in the default configuration."""
    if setting == "relative":
        return {}
    paper = config_lib.flatten(config_lib.load_file(config_lib.find("paper")))
    fields = PAPER + (CRITIC if setting == "wide" else ())
    return {field: paper[field] for field in fields} | (HOT if setting == "hot" else {})


def settings_of(generator, setting, seed, epochs, music):
    """Return the relative configuration with a setting's differences."""
    config = config_lib.load_file(config_lib.find("relative"))
    config.update_from_flattened_dict(
        {
            **differences(setting),
            "game.generator": generator,
            "seed": seed,
            "train.epochs": epochs,
            "corpus.path": music,
            "corpus.held_out": 0.15,
            "corpus.max_held_out": 8,
            "output.previews": 0,
        }
    )
    return config_lib.build(config)


def held_out(trainer, controls):
    """Measure the generator as it stands on the middle of the held-out clips."""
    corpus, generator = trainer.corpus, applied(trainer.snapshot())
    rate = trainer.settings.spectrogram.sample_rate
    middle = slice(5 * rate, 10 * rate)
    clips = [corpus.audio[index][middle] for index in corpus.evaluation]
    game = trainer.settings.game
    measured = generator_audit.measure_clips(generator, clips, controls)
    left = generator_audit.residual_at_zero(measured)
    fitted = agreement.fit(controls, measured["audit"][game.audit])
    labels = corpus.labels[corpus.evaluation]
    pair_losses = generator_audit.held_out_losses(generator, clips, labels, game)
    return {
        **{f"held_out_{name}": value for name, value in pair_losses.items()},
        **{f"audit_{name}": fitted[name] for name in ("slope", "r2", "mae")},
        "zero": left["mean"],
        "zero_db": left["db"],
    }


def nothing(trainer):
    """Return the held-out reconstruction of a generator that gives its input back."""
    params = trainer.state.params
    trainer.state = trainer.state.replace(
        params={**params, "scale": 0.0 * params["scale"]}
    )
    found = held_out(trainer, FEW)["held_out_reconstruction"]
    trainer.state = trainer.state.replace(params=params)
    return found


def train(generator, setting, seed, epochs, music):
    """Train one generator and yield a record per epoch, from before the first."""
    settings = settings_of(generator, setting, seed, epochs, music)
    trainer = Trainer(settings, run.prepare_corpus(settings))
    trainer.compile()
    first = {"epoch": 0, "seconds": 0.0, **held_out(trainer, FEW)}
    yield first | (
        {"nothing": nothing(trainer)} if "scale" in trainer.state.params else {}
    )
    seconds = 0.0
    while trainer.epoch < epochs:
        steps = []
        began = time.perf_counter()
        try:
            means = trainer.run_epoch(steps.append)
        except TrainingError as error:
            yield {"epoch": trainer.epoch + 1, "failed": str(error)}
            return
        seconds += time.perf_counter() - began
        last = trainer.epoch == epochs
        yield {
            "epoch": trainer.epoch,
            "seconds": seconds,
            **{name: means[name] for name in LOSSES},
            "largest_critic_loss": max(abs(step["critic_loss"]) for step in steps),
            **held_out(trainer, MANY if last else FEW),
        }


def runs_of(records):
    """Return `{(generator, setting, seed, epochs): [record]}`."""
    found = {}
    for record in records:
        key = tuple(record[k] for k in ("generator", "setting", "seed", "epochs"))
        found.setdefault(key, []).append(record)
    return found


def diverged(series, nothing):
    """Say whether a run diverged.

    That is: a value was not finite, or it ends twice as far from the held-out targets
    as doing nothing, or with twice the critic's loss of its first epoch. (Not the
    generator's: its -E[C(fake)] moves with a constant that the critic is free to add.)
    """
    if any("failed" in record for record in series):
        return True
    first, last = series[1], series[-1]
    return (
        last["held_out_reconstruction"] > 2 * nothing
        or last["critic_loss"] > 2 * first["critic_loss"]
    )


def table(runs):
    """Print the last epoch of every run."""
    print("| setting | generator | seed | epochs | critic | generator | Wasserstein | "
          "penalty | reconstruction, held out (nothing) | slope | R2 | "
          "left at 0 (dB) | diverged |")  # fmt: skip
    print("|" + " --- |" * 13)
    for key in sorted(runs, key=lambda k: (k[1], k[0], k[3], k[2])):
        generator, setting, seed, _ = key
        series, start = runs[key], nothing_of(runs, key)
        last = [record for record in series if "failed" not in record][-1]
        left = "nothing" if last["zero"] == 0 else f"{last['zero_db']:.1f}"
        print(
            f"| {setting} | {generator} | {seed} | {last['epoch']} | "
            f"{last['critic_loss']:.2f} | {last['generator_loss']:.2f} | "
            f"{last['wasserstein']:.3f} | {last['gradient_penalty']:.3f} | "
            f"{last['held_out_reconstruction']:.4f} ({start:.4f}) | "
            f"{last['audit_slope']:.3f} | {last['audit_r2']:.3f} | "
            f"{last['zero']:.4f} ({left}) | "
            f"{'yes' if diverged(series, start) else 'no'} |"
        )


def nothing_of(runs, key):
    """Return what doing nothing gives on a run's held-out pairs: a seed's own."""
    return next(
        series[0]["nothing"]
        for other, series in runs.items()
        if other[2] == key[2] and "nothing" in series[0]
    )


PANELS = {
    "critic_loss": "critic's loss",
    "generator_loss": "generator's loss",
    "wasserstein": "Wasserstein estimate",
    "held_out_reconstruction": "held-out reconstruction",
    "zero": "left at control 0: mean|y - x|",
}
COLOURS = {"cak": "C0", "film": "C1"}


def draw(runs, figure):
    """Draw losses against epochs, a row per setting, a thin line per run."""
    settings = [name for name in SETTINGS if any(key[1] == name for key in runs)]
    _, grid = plt.subplots(
        len(settings), len(PANELS), figsize=(15, 2.6 * len(settings)),
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for row, setting in zip(grid, settings, strict=True):
        for axes, (field, title) in zip(row, PANELS.items(), strict=True):
            for key, series in runs.items():
                if key[1] != setting:
                    continue
                trained = [record for record in series[1:] if field in record]
                points = [(record["epoch"], record[field]) for record in trained]
                axes.plot(*np.transpose(points), color=COLOURS[key[0]], linewidth=0.9)
            axes.set_title(title, fontsize=9, loc="left")
            axes.tick_params(labelsize=8)
            if field == "critic_loss":
                axes.set_ylabel(setting)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    for name, colour in COLOURS.items():
        grid[0, 0].plot([], [], color=colour, label=name)
    grid[0, 0].legend(frameon=False, fontsize=8)
    plt.savefig(figure, dpi=75)


def main(command, *arguments):
    """Run settings, or show what was run."""
    if command == "show":
        source, figure = arguments
        lines = pathlib.Path(source).read_text("utf-8").splitlines()
        runs = runs_of([json.loads(line) for line in lines])
        table(runs)
        return draw(runs, figure)
    music, target, *wanted = arguments
    with tempfile.TemporaryDirectory() as cache:
        machine.use_cache(cache)  # seeds share a program
        for entry in wanted:
            generator, setting, seed, *length = entry.split(":")
            epochs = int(length[0]) if length else EPOCHS
            head = {"generator": generator, "setting": setting}
            head |= {"seed": int(seed), "epochs": epochs}
            for record in train(generator, setting, int(seed), epochs, music):
                with open(target, "a", encoding="utf-8") as file:
                    file.write(json.dumps({**head, **record}) + "\n")
            print(entry, record, flush=True)


if __name__ == "__main__":
    main(*arguments(__doc__, 3))
