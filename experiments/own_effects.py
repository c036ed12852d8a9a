"""Train the effects that come with the package, and measure what they do.

    python experiments/own_effects.py train FOLDER NAME=SOUNDS ...
    python experiments/own_effects.py compare FIGURE.png SOUND ...

`train` trains every recipe whose corpus is named, one after another, each in a run
folder below FOLDER/runs, and writes FOLDER/<effect>.json. Each takes 2 to 4 minutes on
two busy cores. `compare` renders the middle 8 s of each SOUND through every shipped
effect and prints what each does at four amounts, and how far each pair of effects is
apart.
The figure shows the first SOUND through each at amount 0.7, loudness matched.
"""

import dataclasses
import itertools
import pathlib
import sys

import numpy as np
from command_line import arguments

from cak_jax.audio import sound_file
from cak_jax.audio.formats import to_float
from cak_jax.effect import locate
from cak_jax.effect.effect import load_effect, save_effect
from cak_jax.evaluation import heard, spectral_distance
from cak_jax.model import spectral
from cak_jax.model.quality_names import WORDS
from cak_jax.rendering import loudness
from cak_jax.rendering.in_memory import render
from cak_jax.training import config as config_lib, run

# Half of the default's clips, which is enough for eleven numbers.
FEWER = {"corpus.max_clips": 100, "corpus.max_held_out": 20}
# The default's former length and weight of the level, because all effects that come
# with the package were trained with them.
FORMER = {
    "game.weight_level": 0.2,
    "gate.anneal_epochs": 5.0,
    "train.epochs": 6,
    "train.least_steps": 0,
    "train.learning_rate_generator": 2e-2,
    "train.learning_rate_warmup": 0.0,
}
# The quality alone, not what goes with it in the corpus: more of one quality is then
# further from more of another.
ALONE = {"game.weight_direction": 0.0}


def cells(n_fft, bins, frames, crop):
    """Return the fields of a resolution, of the kernel's spacing, and of the crop."""
    return {
        "spectrogram.n_fft": n_fft,
        "spectrogram.hop_length": n_fft // 4,
        "game.spacing": (bins, frames),
        "train.crop_frames": crop,
    }


def level(weight):
    """Return the field that keeps the level where it is; 0.2 without it."""
    return {"game.weight_level": weight}


# name: corpus, fields that differ from the default, what it does.
RECIPES = {
    "strokes": (
        "singularity",
        {"corpus.labels": "attack", **cells(2048, 4, 4, 130), **level(1.2)},
        "strokes come forward, what is held steps back",
    ),
    "sustain": (
        "hydrogen",
        {
            "corpus.seconds": 4.0,
            "corpus.fade_seconds": 0.05,
            "corpus.labels": "-attack",
            **cells(512, 1, 16, 520),
            **ALONE,
            **FEWER,
        },
        "strokes step back a little, what is held stays",
    ),
    "noise": (
        "singularity",
        {
            "corpus.labels": "spectral_flatness",
            **cells(512, 1, 1, 520),
            **ALONE,
            **FEWER,
        },
        "noise rises between the tones",
    ),
    "tones": (
        "singularity",
        {"corpus.labels": "-spectral_flatness", **cells(8192, 1, 1, 40)},
        "noise sinks below the tones",
    ),
    "bright": (
        "wesnoth",
        {"corpus.labels": "spectral_centroid", **cells(2048, 1, 1, 130)},
        "the treble comes up, the quiet most",
    ),
    "dark": (
        "singularity",
        {
            "corpus.labels": "-spectral_centroid",
            **cells(512, 8, 1, 520),
            **level(0.3),
            **ALONE,
            **FEWER,
        },
        "the treble goes down, the bass stays",
    ),
    "grain": (
        "drascula",
        {
            "corpus.labels": "spectral_contrast",
            **cells(512, 16, 16, 520),
            **ALONE,
            **FEWER,
        },
        "a rough grain rises between the sounds",
    ),
    "smooth": (
        "singularity",
        {"corpus.labels": "-spectral_contrast", **cells(512, 1, 4, 520), **FEWER},
        "fine structure and hiss go",
    ),
}
AMOUNTS, SECONDS = (0.25, 0.5, 0.75, 1.0), 8.0
DRAWN = 0.7  # amount at which the pairs are compared and drawn
WINDOW = 1024  # of the qualities' measurement, samples
MOVED = ("level_db", "bass_db", "peak_db", "hiss_db")


def train(target, corpora):
    """Train every recipe whose corpus is there and write its effect."""
    folders = dict(entry.split("=", 1) for entry in corpora)
    for name, (corpus, fields, character) in RECIPES.items():
        if corpus not in folders:
            continue
        config = config_lib.load_file(config_lib.find("default"))
        asked = {"corpus.path": folders[corpus], "name": name, **FORMER, **fields}
        config.update_from_flattened_dict(asked)
        folder = run.run(config, str(pathlib.Path(target) / "runs" / name))
        effect = load_effect(folder)
        said = {"character": character} | effect.provenance
        effect = dataclasses.replace(effect, provenance=said)
        save_effect(effect, pathlib.Path(target) / f"{name}.json")


def read_middle(path):
    """Return the middle of a sound as `[samples]`, and its sample rate."""
    samples, found = sound_file.read(path)
    dry = to_float(samples).mean(axis=0)
    length = min(len(dry), round(SECONDS * found.sample_rate))
    start = (len(dry) - length) // 2
    return np.ascontiguousarray(dry[start : start + length]), found.sample_rate


def magnitude(sound, settings):
    """Return `|STFT|` of `[samples]`."""
    return np.abs(spectral.stft(np.float32(sound), settings))


def compare(figure, sounds):
    """Print what every shipped effect does, and how far they are apart."""
    settings = spectral.SpectrogramSettings()
    belongs = spectral_distance.membership(settings)
    effects = {name: load_effect(name) for name in locate.names()}
    done = {name: [] for name in effects}
    apart = {pair: [] for pair in itertools.combinations(effects, 2)}
    for path in sounds:
        dry, rate = read_middle(path)
        for name, effect in effects.items():
            row = [change(effect, dry, rate, a, settings, belongs) for a in AMOUNTS]
            done[name].append(row)
        wets = {
            name: render(effect, dry, rate, amount=DRAWN)
            for name, effect in effects.items()
        }
        spectra = {name: magnitude(wet, settings) for name, wet in wets.items()}
        for a, b in apart:
            distance = spectral_distance.spectral_distance(
                spectra[a], spectra[b], belongs
            )
            apart[a, b].append(float(distance[0]))
        if path == sounds[0]:
            draw(figure, {"dry": dry, **wets}, rate, settings)
    show_changes(effects, {name: np.array(rows) for name, rows in done.items()})
    show_distances(list(effects), {pair: np.mean(d) for pair, d in apart.items()})


def change(effect, dry, rate, amount, settings, belongs):
    """Return what an effect does to a sound at an amount.

    Returns:
      The change of each quality of `WORDS` in its unit; of the level before it is
      matched, and with that taken off of bass, peaks and hiss, in dB; the log-spectral
      distance in dB after it is matched.
    """
    wet = render(effect, dry, rate, amount=amount, loudness="none", peaks="none")
    before, after = (heard.measure(sound, rate, WINDOW) for sound in (dry, wet))
    sides = heard.side_effects(dry, wet, rate)
    matched = wet * loudness.matching_gain(dry, wet, rate)
    spectra = magnitude(dry, settings), magnitude(matched, settings)
    distance = spectral_distance.spectral_distance(*spectra, belongs)
    return [
        *(after[name] - before[name] for name in WORDS),
        *(sides[name] for name in MOVED),
        float(distance[0]),
    ]


def show_changes(effects, done):
    """Print a row for each effect and amount: means over sounds, steps that rise.

    `done` has `[sound, amount, change]` by effect.
    """
    names = [*WORDS, *(name.removesuffix("_db") for name in MOVED), "distance"]
    print("| effect | amount |", " | ".join(names), "| steps that rise |")
    print("| --- " * (3 + len(names)) + "|")
    for name, rows in done.items():
        rises = rising_share(effects[name], rows)
        for place, amount in enumerate(AMOUNTS):
            values = " | ".join(f"{v:+.2f}" for v in rows[:, place].mean(axis=0))
            last = f"{rises:.0%}" if amount == AMOUNTS[-1] else ""
            print(f"| {name} | {amount} | {values} | {last} |")


def rising_share(effect, rows):
    """Return the share of steps and sounds at which the effect's quality moves on.

    Without a quality, at which the distance grows.
    """
    weights = np.zeros(rows.shape[-1])
    if effect.quality is None:
        weights[-1] = 1.0
    else:
        name = effect.quality.name
        weights[list(WORDS).index(name.removeprefix("-"))] = -1 if name[0] == "-" else 1
    return (np.diff(rows @ weights, axis=1, prepend=0.0) > 0).mean()


def show_distances(names, apart):
    """Print the distance of each pair in dB, and the smallest."""
    print("\n| dB apart | " + " | ".join(names[1:]) + " |")
    print("| --- " * len(names) + "|")
    for i, a in enumerate(names[:-1]):
        cells = [f"{apart[a, b]:.1f}" if j > i else "" for j, b in enumerate(names)]
        print(f"| {a} | " + " | ".join(cells[1:]) + " |")
    a, b = min(apart, key=apart.get)
    print(f"\nnearest: {a} and {b}, {apart[a, b]:.1f} dB")


def draw(figure, sounds, rate, settings):
    """Draw one sound through every effect."""
    import matplotlib.pyplot as plt

    columns = 3
    lines = -(-len(sounds) // columns)
    _, grid = plt.subplots(
        lines, columns, figsize=(10, 2.3 * lines), layout="constrained",
        sharex=True, sharey=True, squeeze=False,
    )  # fmt: skip
    for axes in grid.flat[len(sounds) :]:
        axes.axis("off")
    for axes, (name, sound) in zip(grid.flat, sounds.items(), strict=False):
        level = 20 * np.log10(magnitude(sound, settings) + 1e-5)
        top = settings.bins * rate / settings.n_fft / 1000
        axes.imshow(
            level[: settings.bins // 2], origin="lower", aspect="auto", vmin=-60,
            vmax=40, cmap="magma", extent=(0, len(sound) / rate, 0, top / 2),
        )  # fmt: skip
        axes.set_title(name, loc="left", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("seconds")
    for axes in grid[:, 0]:
        axes.set_ylabel("kHz")
    plt.savefig(figure, dpi=60)


if __name__ == "__main__":
    command, *words = arguments(__doc__, 3)
    if command not in ("train", "compare"):
        sys.exit(__doc__)
    {"train": train, "compare": compare}[command](words[0], words[1:])
