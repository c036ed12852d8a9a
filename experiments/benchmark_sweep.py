"""Time of R runs as one sweep against R single runs, and which form is faster.

    python experiments/benchmark_sweep.py [ITERATIONS [R ...]] [map|vmap]

Every number is a training alone: no corpus, no evaluation. A single run compiles its
program and makes its iterations; the R of the table are R times the median of up to
four of them. A sweep compiles once, decides how it takes its runs (measured, not
counted), and makes all iterations; with `map` or `vmap` it takes that form. Whole
programs in one process, one after the other;
`XLA_FLAGS=--xla_force_host_platform_device_count=2` gives a CPU two devices.
"""

import statistics
import time

import jax
from command_line import arguments
from ml_collections import config_dict

from cak_jax.sweep import run_sweep
from cak_jax.sweep.grid import part, plan_runs, sweep_settings
from cak_jax.sweep.group import Group, labels_of
from cak_jax.training import config as config_lib, run_corpus
from cak_jax.training.trainer import Trainer

RUNS = (1, 4, 16, 64)
ITERATIONS = 32
SINGLES = 4


def load(count, iterations, **overrides):
    """Return the sweep of `count` seeds, each so many iterations of relative.py."""
    config = config_lib.load_file(config_lib.find("relative"))
    config.sweep = config_lib.load_file(config_lib.find("sweep")).sweep
    # 40 clips, 32 to train on: 8 batches an epoch.
    config.corpus.synthetic_clips = 40
    config.train.epochs = max(1, iterations // 8)
    config.update_from_flattened_dict(overrides)
    seeds = tuple(range(count))
    config.sweep.parts = config_dict.ConfigDict(
        {"seeds": part(grid={"train.seed": seeds})}
    )
    return config


def time_single(planned, corpus):
    """Return the seconds of one run, compilation included, and those of its steps."""
    trainer = Trainer(planned.settings, corpus)
    began = time.perf_counter()
    trainer.compile()
    compiled = time.perf_counter()
    for _ in range(planned.settings.train.epochs):
        trainer.run_epoch(lambda metrics: None)
    jax.block_until_ready(trainer.state)
    return time.perf_counter() - began, time.perf_counter() - compiled


def time_sweep(config, corpus):
    """Return the seconds of a sweep and of its waves, and what it decided."""
    planned = plan_runs(config)
    group = Group(planned, {labels_of(planned[0]): corpus})
    known, settings = {}, sweep_settings(config)

    def train():
        runs = list(run_sweep.train_group(group, settings, known))
        faults = [run.outcome.fault for run in runs if run.outcome.fault]
        if faults:
            raise SystemExit(f"error: a run diverged, {faults[0]}")
        return runs

    if settings.vectorise == "auto":
        # First the decision, which a sweep takes once, then a sweep that knows it.
        train()
    began = time.perf_counter()
    runs = train()
    seconds = time.perf_counter() - began
    return seconds, sum(run.seconds for run in runs), runs[0].width


def main(iterations=ITERATIONS, runs=RUNS, **overrides):
    """Print a row for every number of runs."""
    first = plan_runs(load(max(*runs, SINGLES), iterations, **overrides))
    corpus = run_corpus.load_whole(first[0].settings)
    singles = [time_single(own, corpus) for own in first[:SINGLES]]
    whole, steps = (statistics.median(column) for column in zip(*singles, strict=True))
    made = (
        first[0].settings.train.epochs
        * Trainer(first[0].settings, corpus).steps_per_epoch
    )
    print(f"{jax.default_backend()}, {jax.device_count()} devices, {made} iterations")
    print(
        f"a single run: {whole:.1f} s, its iterations {1e3 * steps / made:.0f} ms each"
    )
    print("| runs | single runs, s | as a sweep, s | ratio | ms per run and iteration "
          "| at once, per device |")  # fmt: skip
    print("| --- " * 6 + "|")
    for count in runs:
        config = load(count, iterations, **overrides)
        seconds, waves, width = time_sweep(config, corpus)
        each = 1e3 * waves / count / made
        print(
            f"| {count} | {count * whole:.1f} | {seconds:.1f} | "
            f"{count * whole / seconds:.2f} | {each:.0f} | {width} |",
            flush=True,
        )


if __name__ == "__main__":
    words = arguments(__doc__)
    form = {"sweep.vectorise": words.pop()} if words and words[-1].isalpha() else {}
    numbers = list(map(int, words))
    main(*numbers[:1], **({"runs": numbers[1:]} if numbers[1:] else {}), **form)
