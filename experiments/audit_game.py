"""Is the audit met, on which sounds, and what of the game makes it so?

    python experiments/audit_game.py target OUT.jsonl SEEDS NAME=FOLDER ...
    python experiments/audit_game.py ablation OUT.jsonl SEEDS NAME=FOLDER
    python experiments/audit_game.py show OUT.jsonl [FIGURE.png]

`target` trains `configs/relative.py` on every folder with seeds 0 to SEEDS - 1 and
measures on held-out files; `NAME=FOLDER,corpus.seconds=2` sets a field for that folder.
`ablation` trains audit x pairing x gate x compliance weight, and the default with one
thing changed at a time. Runs that stand in OUT.jsonl are not repeated. `show` prints
medians over seeds and draws the ablation.
"""

import ast
import itertools
import json
import pathlib
import time

import numpy as np
from command_line import arguments

from cak_jax.evaluation import evaluate, kernel_profile
from cak_jax.training import config as config_lib, run_corpus
from cak_jax.training.trainer import Trainer, TrainingError

GRID = {
    "audit": ("absolute", "relative"),
    "pairing": ("paper", "random"),
    "gate": (0.3, 0.15),
    "compliance": (2.0, 20.0),
}
FIELDS = {
    "audit": "game.audit",
    "pairing": "game.pairing",
    "gate": "gate.threshold",
    "compliance": "game.weight_compliance",
}
# The default, one thing changed at a time.
CHANGES = {
    "request: control (paper)": {"game.request": "control"},
    "leash: none (paper)": {"game.leash": 0.0},
    "kernel gain: 0.1 (paper)": {"game.kernel_gain": 0.1},
    "adversarial weight: 0": {"game.weight_adversarial": 0.0},
    "adversarial weight: 10": {"game.weight_adversarial": 10.0},
    "adversarial weight: 10, no leash": {
        "game.weight_adversarial": 10.0,
        "game.leash": 0.0,
    },
    "reconstruction weight: 0": {"game.weight_reconstruction": 0.0},
    "pattern weight: 0": {"game.weight_pattern": 0.0},
}
CLIPS = 16  # held-out clips at most that an ablation is measured on


def grid_settings():
    """Yield (name, fields) of every setting of the grid."""
    for values in itertools.product(*GRID.values()):
        chosen = dict(zip(GRID, values, strict=True))
        name = ", ".join(f"{key} {value}" for key, value in chosen.items())
        yield name, {FIELDS[key]: value for key, value in chosen.items()}


def parse_corpus(text):
    """Return (name, folder, fields) of `NAME=FOLDER,field=value`."""
    name, rest = text.split("=", 1)
    folder, *fields = rest.split(",")
    pairs = (field.split("=", 1) for field in fields)
    return name, folder, {key: ast.literal_eval(value) for key, value in pairs}


def measures(trainer, most):
    """Measure what was learned on at most `most` held-out clips, evenly chosen."""
    indices = trainer.corpus.evaluation
    chosen = np.linspace(0, len(indices) - 1, min(most, len(indices))).astype(int)
    clips = run_corpus.clips_at(trainer.corpus, indices[chosen])
    effect = trainer.snapshot().effect()
    document = evaluate.evaluate(effect, clips)
    audit = trainer.settings.game.audit
    found = {}
    for knob in ("raw", "calibrated"):
        fitted = document["audit"][audit][knob]
        found[knob] = {name: fitted[name] for name in ("slope", "r2", "mae")}
        found[knob]["worst_r2"] = fitted["per_clip"]["r2"]["min"]
    relative = document["audit"]["relative"]["calibrated"]
    return {
        **found,
        "relative_slope": relative["slope"],
        "relative_r2": relative["r2"],
        "bit_exact_at_0": document["bit_exact_at_0"],
        "clips": len(clips),
        "centre_share": document["kernel"]["centre_share"],
        "gain_share": kernel_profile.gain_share_of_pattern(effect, clips),
        "matched_db": matched_distance(effect, clips),
        "distance_db": document["change"]["spectral_distance_db"][-1],
        "kernel": effect.kernel,
        "bias": effect.bias,
        "scale": effect.scale,
    }


def matched_distance(effect, clips):
    """Return the log-spectral distance at control 1 once loudness is matched, in dB.

    A plain gain would leave nothing of it.
    """
    from cak_jax.evaluation import spectral_distance
    from cak_jax.model import spectral
    from cak_jax.rendering import in_memory

    settings, belongs = (
        effect.spectrogram,
        spectral_distance.membership(effect.spectrogram),
    )
    found = []
    for dry in clips[:8]:
        wet = in_memory.render(effect, dry, settings.sample_rate, 1.0)
        spectra = (np.abs(spectral.stft(sound, settings)) for sound in (dry, wet))
        found.append(float(spectral_distance.spectral_distance(*spectra, belongs)[0]))
    return float(np.mean(found))


def train(folder, fields, seed, clips):
    """Train one setting and return its record; "diverged" where it has none."""
    config = config_lib.load_file(config_lib.find("relative"))
    given = {"corpus.held_out": 0.15, **fields, "seed": seed, "corpus.path": folder}
    config.update_from_flattened_dict(given)
    settings = config_lib.build(config)
    trainer = Trainer(settings, run_corpus.prepare_corpus(settings))
    trainer.compile()
    began, violation = time.perf_counter(), []
    try:
        while trainer.epoch < settings.train.epochs:
            means = trainer.run_epoch(lambda metrics: None)
            violation.append(means["violation"])
    except TrainingError:
        return {"diverged": True}
    return {
        "seconds": time.perf_counter() - began,
        "training_clips": len(trainer.corpus.training),
        "leash_share": means["leash_share"],
        "wasserstein": means["wasserstein"],
        "violation": violation,
        **measures(trainer, clips),
    }


def run_all(target, wanted):
    """Train what is wanted and append a record each; what is there is kept."""
    path = pathlib.Path(target)
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    done = {tuple(json.loads(line)[k] for k in ("setting", "corpus", "seed"))
            for line in lines}  # fmt: skip
    for setting, fields, corpus, seed, clips in wanted:
        name, folder, own = parse_corpus(corpus)
        if (setting, name, seed) in done:
            continue
        record = train(folder, {**own, **fields}, seed, clips)
        head = {"setting": setting, "corpus": name, "seed": seed}
        with path.open("a") as file:
            file.write(json.dumps({**head, **record}) + "\n")
        shown = record.get("calibrated", {"r2": float("nan")})["r2"]
        print(f"{setting} | {name} | {seed} | R2 {shown:.4f}", flush=True)


def show(source, figure=""):
    """Print medians over seeds of every setting and corpus; draw them."""
    lines = pathlib.Path(source).read_text("utf-8").splitlines()
    groups = {}
    for record in map(json.loads, lines):
        key = record["setting"], record["corpus"]
        groups.setdefault(key, []).append(record)
    print("| setting | corpus | seeds | slope | R2 (least) | MAE | raw R2 | raw slope "
          "| relative R2 | centre | gain share | matched dB | null |")  # fmt: skip
    print("| --- " * 13 + "|")
    for (setting, corpus), records in groups.items():
        print(f"| {setting} | {corpus} | {row(records)} |")
    if figure:
        draw(groups, figure)


def row(records):
    """Return the cells of one setting's seeds."""
    records = [record for record in records if not record.get("diverged")]
    if not records:
        return "0 | diverged" + " |" * 9

    def median(*path):
        return float(np.median([column(record, path) for record in records]))

    worst = min(record["calibrated"]["r2"] for record in records)
    null = all(record["bit_exact_at_0"] for record in records)
    return " | ".join(
        [
            str(len(records)),
            f"{median('calibrated', 'slope'):.3f}",
            f"{median('calibrated', 'r2'):.4f} ({worst:.4f})",
            f"{median('calibrated', 'mae'):.4f}",
            f"{median('raw', 'r2'):.3f}",
            f"{median('raw', 'slope'):.3f}",
            f"{median('relative_r2'):.3f}",
            f"{median('centre_share'):.2f}",
            f"{median('gain_share'):.3f}",
            f"{median('matched_db'):.1f}",
            "bit-exact" if null else "NOT exact",
        ]
    )


def column(record, path):
    """Return the value at a path of keys."""
    for key in path:
        record = record[key]
    return record


def draw(groups, figure):
    """Draw every run's R2 by its own audit, one line per setting."""
    import matplotlib.pyplot as plt

    names = [setting for setting, _ in groups][::-1]
    height = 0.24 * len(names) + 1
    _, axes = plt.subplots(figsize=(8.5, height), layout="constrained")
    for place, records in enumerate(reversed(groups.values())):
        values = [
            record["calibrated"]["r2"] if not record.get("diverged") else -2.0
            for record in records
        ]
        good = np.median(values) >= 0.97
        axes.plot(
            np.clip(values, -2, 1),
            np.full(len(values), place),
            "o",
            color="C0" if good else "C1",
            markersize=4,
        )
    axes.axvline(0.97, color="0.6", linewidth=0.8)
    axes.set_yticks(range(len(names)), labels=names, fontsize=7)
    axes.set_xlabel(
        "held-out audit R2, calibrated knob, a dot per seed (-2: -2 or less)"
    )
    axes.grid(axis="x", alpha=0.3)
    plt.savefig(figure, dpi=110)


def main(command, *arguments):
    """Run the command line."""
    if command == "show":
        return show(*arguments)
    target, seeds, *corpora = arguments
    seeds = range(int(seeds))
    if command == "target":
        wanted = [("default", {}, corpus, seed, 10**6)
                  for corpus in corpora for seed in seeds]  # fmt: skip
    else:
        settings = {"default": {}, **CHANGES, **dict(grid_settings())}
        wanted = [(name, fields, corpora[0], seed, CLIPS)
                  for seed in seeds for name, fields in settings.items()]  # fmt: skip
    return run_all(target, wanted)


if __name__ == "__main__":
    main(*arguments(__doc__, 2))
