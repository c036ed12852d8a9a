"""Train the effects that come with the package, and measure how they differ.

    python experiments/own_effects.py train FOLDER NAME=SOUNDS ...
    python experiments/own_effects.py compare FIGURE.png SOUND ...

`train` writes FOLDER/<effect>.json for every recipe whose corpus is named.
`compare` renders every shipped effect at amount 0.7 on the middle 8 s of each SOUND,
loudness matched, and prints what each does to them and how far each pair of effects is
apart: log-spectral distance in dB.
"""

import dataclasses
import itertools
import pathlib
import sys

import numpy as np
from command_line import arguments

from cak_jax.audio import sound_file
from cak_jax.audio.formats import to_float
from cak_jax.data import descriptors
from cak_jax.effect import locate
from cak_jax.effect.effect import load_effect, save_effect
from cak_jax.effect.gate import calibrate
from cak_jax.evaluation import evaluate, spectral_distance
from cak_jax.model import spectral
from cak_jax.rendering.in_memory import render
from cak_jax.training import config as config_lib, run_corpus
from cak_jax.training.snapshot import effect_of
from cak_jax.training.trainer import Trainer

SHORT = {"corpus.seconds": 2.0, "corpus.fade_seconds": 0.05}
FAST = {"spectrogram.n_fft": 512, "spectrogram.hop_length": 128}
SLOW = {"spectrogram.n_fft": 8192, "spectrogram.hop_length": 2048}
# name: corpus, fields that differ from the default, what it sounds like.
RECIPES = {
    "drone": (
        "singularity",
        {**SLOW, "seed": 5, "corpus.labels": "spectral_flatness"},
        "slow: strokes blur in time, the top opens",
    ),
    "drumkit": (
        "drumkits",
        {**SHORT, **FAST},
        "quick and dense: the gaps between strokes fill up",
    ),
    "glass": (
        "singularity",
        {"game.kernel_gain": 4.0, "seed": 4},
        "clear: quiet partials come up, little noise is added",
    ),
    "halo": (
        "wesnoth",
        {**SLOW, "game.kernel_gain": 2.0, "seed": 1},
        "wide and bright: a cloud around every stroke, tall peaks",
    ),
    "machine": (
        "singularity",
        {**FAST, "game.kernel_gain": 3.0, "seed": 3},
        "rough: noisy edges and tall peaks",
    ),
    "tabla": (
        "samples",
        {
            **SHORT,
            "spectrogram.n_fft": 1024,
            "spectrogram.hop_length": 256,
            "game.kernel_gain": 2.0,
            "seed": 1,
            "corpus.labels": "onset_density",
            "train.epochs": 16,
        },
        "percussive: tails come forward, peaks grow",
    ),
}
AMOUNT, SECONDS = 0.7, 8.0


def train(target, corpora):
    """Train every recipe whose corpus is there and write its effect."""
    folders = dict(entry.split("=", 1) for entry in corpora)
    for name, (corpus, fields, character) in RECIPES.items():
        if corpus not in folders:
            continue
        config = config_lib.load_file(config_lib.find("relative"))
        given = {"corpus.path": folders[corpus], "name": name, **fields}
        config.update_from_flattened_dict(given)
        settings = config_lib.build(config)
        trainer = Trainer(settings, run_corpus.prepare_corpus(settings))
        trainer.compile()
        while trainer.epoch < settings.train.epochs:
            trainer.run_epoch(lambda metrics: None)
        clips = run_corpus.clips_at(trainer.corpus, trainer.corpus.evaluation)
        document = evaluate.evaluate(trainer.snapshot().effect(), clips)
        fitted = document["audit"]["relative"]["calibrated"]
        metrics = {key: round(fitted[key], 5) for key in ("slope", "r2", "mae")}
        effect = effect_of(trainer.snapshot(), metrics)
        said = {"character": character} | effect.provenance
        effect = dataclasses.replace(effect, provenance=said)
        save_effect(effect, pathlib.Path(target) / f"{name}.json")
        print(
            name, metrics, f"bit-exact at 0: {document['bit_exact_at_0']}", flush=True
        )


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
    wets, rows = {}, {name: [] for name in effects}
    apart = {pair: [] for pair in itertools.combinations(effects, 2)}
    for path in sounds:
        dry, rate = read_middle(path)
        plain = descriptors.describe_audio(np.float32(dry), settings)
        for name, effect in effects.items():
            wet = render(effect, dry, rate, calibrate(effect, AMOUNT))
            wets[name] = wet
            rows[name].append(change(plain, dry, wet, settings, belongs))
        for a, b in apart:
            spectra = magnitude(wets[a], settings), magnitude(wets[b], settings)
            apart[a, b].append(
                float(spectral_distance.spectral_distance(*spectra, belongs)[0])
            )
        if path == sounds[0]:
            draw(figure, {"dry": dry, **wets}, rate, settings)
    print("| effect | distance dB | crest dB | centroid octaves | flatness dB |")
    print("| --- " * 5 + "|")
    for name, found in rows.items():
        cells = " | ".join(f"{value:+.2f}" for value in np.mean(found, axis=0))
        print(f"| {name} | {cells} |")
    print("\n| dB apart | " + " | ".join(list(effects)[1:]) + " |")
    print("| --- " * len(effects) + "|")
    for i, a in enumerate(list(effects)[:-1]):
        cells = [
            f"{np.mean(apart[a, b]):.1f}" if j > i else ""
            for j, b in enumerate(effects)
        ]
        print(f"| {a} | " + " | ".join(cells[1:]) + " |")


def change(plain, dry, wet, settings, belongs):
    """Return distance, crest, centroid and flatness changes of one sound."""
    found = descriptors.describe_audio(np.float32(wet), settings)
    ratio = {key: float(found[key]) / float(plain[key]) for key in found}
    spectra = magnitude(dry, settings), magnitude(wet, settings)
    return (
        float(spectral_distance.spectral_distance(*spectra, belongs)[0]),
        20 * np.log10(ratio["crest_factor"]),
        np.log2(ratio["spectral_centroid"]),
        10 * np.log10(ratio["spectral_flatness"]),
    )


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
