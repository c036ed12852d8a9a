"""The study of the heard audit: tables from finished sweeps of its qualities.

    python experiments/heard_study.py CORPUS=SWEEP ... SOUND ...

Each SWEEP is a folder of `configs/sweep_heard.py`, or of another sweep over seeds; each
SOUND is a file that the effects are played on.

Prints, for every corpus and request, what was heard on held-out clips (worst of the
seeds): slopes of the mean change, R2 of each clip's own way to the target and of one
range for all, the correlation of the change at full turn with the dry clip's value,
side effects; and of the qualities that go with it in the corpus, the share of what was
asked for (first seed). Then the cosine of the seeds' kernels. Then distances at amount
0.75, median over the SOUNDs, in dB of log-spectral distance with equal levels: of the
effect from the dry sound, from the effect of a single cell with the same sum and bias,
and from the other seed's.

Two more tables say how far the corpora's effects of one request are apart, and the
requests' effects of one corpus.
"""

import dataclasses
import itertools
import pathlib
import sys

import jax.numpy as jnp
import numpy as np
from command_line import arguments
from own_effects import magnitude, read_middle
from tables import print_table

from cak_jax.effect.effect import Effect, load_effect
from cak_jax.evaluation import spectral_distance
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering.in_memory import render
from cak_jax.sweep import results

AMOUNT = 0.75
SEED = "train.seed"
HEAD = (
    "corpus", "asked for", "range", "slope", "slope, 4096", "R2 to target",
    "R2 of amount", "with dry value",
    "steps up", "level dB", "bass dB", "peaks dB", "seeds' cosine", "effect dB",
    "from one cell dB", "other seed dB", "goes with it",
)  # fmt: skip


def read(folder):
    """Return the finished runs of a sweep by what is swept: (record, effect).

    Runs that differ in the seed alone are together.
    """
    folder = pathlib.Path(folder)
    table = folder / "table.jsonl"
    records = results.from_jsonl(table.read_text("utf-8") if table.exists() else "")
    runs: dict[str, list] = {}
    fields = [name for name in results.swept_fields(records) if name != SEED]
    for record in records:
        if record["status"] == "done":
            effect = load_effect(folder / "runs" / record["run"] / "effect.json")
            asked = ", ".join(str(record[field]) for field in fields)
            runs.setdefault(asked, []).append((record, effect))
    if not runs:
        raise SystemExit(f"error: {folder}: holds no table.jsonl with finished runs")
    return runs


def single_cell(effect: Effect) -> Effect:
    """Return the effect whose middle weight is the sum of the kernel's."""
    total = float(np.sum(effect.kernel))
    kernel = ((0.0, 0.0, 0.0), (0.0, total, 0.0), (0.0, 0.0, 0.0))
    return dataclasses.replace(effect, kernel=kernel)


def apart(first, second, dry):
    """Return the distance of two lists of sounds, median over the sounds."""
    settings = SpectrogramSettings()
    belongs = spectral_distance.membership(settings)

    def levelled(sound, like):
        gain = np.sqrt(np.mean(like**2) / max(np.mean(sound**2), 1e-12))
        return jnp.asarray(magnitude(sound * gain, settings))

    return np.median(
        [
            float(
                spectral_distance.spectral_distance(
                    levelled(a, plain), levelled(b, plain), belongs
                )[0]
            )
            for a, b, plain in zip(first, second, dry, strict=True)
        ]
    )


def followed(record, effect: Effect) -> str:
    """Return the share of what was asked for of each companion, in words."""
    companions = (effect.quality and effect.quality.companions) or {}
    shares = {
        name: record[f"heard.changes.{name}.3"] / asked
        for name, asked in companions.items()
    }
    return ", ".join(f"{name} {share:.2f}" for name, share in shares.items())


def cosine(first: Effect, second: Effect) -> float:
    """Return the cosine of two kernels, with their signs."""
    a, b = (np.ravel(e.kernel) * np.sign(e.scale) for e in (first, second))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def main(sweeps: dict[str, str], files: list[str]) -> None:
    """Print both tables."""
    sounds = [read_middle(path) for path in files]
    dry = [sound for sound, _ in sounds]

    def play(effect):
        return [
            render(effect, sound, rate, amount=AMOUNT, loudness="none", peaks="none")
            for sound, rate in sounds
        ]

    rows, played, firsts = [], {}, {}
    for corpus, folder in sweeps.items():
        for asked, runs in read(folder).items():
            wets = [play(effect) for _, effect in runs]
            played[corpus, asked] = wets
            windows = "heard.quality.windows."
            numbers = {
                name: np.array([record.get(key) for record, _ in runs], float)
                for name, key in {
                    "slope": f"{windows}1024.slope",
                    "other": f"{windows}4096.slope",
                    "r2": f"{windows}1024.to_target.r2",
                    "amount": f"{windows}1024.r2",
                    "dry": "heard.quality.dry_correlation",
                    "rising": "heard.quality.rising_share",
                    "level": "heard.side_effects.level_db",
                    "bass": "heard.side_effects.bass_db",
                    "peaks": "heard.side_effects.peak_db",
                }.items()
            }

            def furthest(name, numbers=numbers, one=0.0):
                values = numbers[name]
                return float(values[np.argmax(np.abs(values - one))])

            effects = [effect for _, effect in runs]
            firsts[corpus, asked] = effects[0]
            pairs = list(itertools.combinations(range(len(runs)), 2))
            quality = effects[0].quality
            cells = [play(single_cell(effect)) for effect in effects]
            rows.append(
                [
                    corpus, asked, f"{quality.range:.2f} {quality.unit}",
                    furthest("slope", one=1.0), furthest("other", one=1.0),
                    float(numbers["r2"].min()), float(numbers["amount"].min()),
                    furthest("dry"), float(numbers["rising"].min()), furthest("level"),
                    furthest("bass"), furthest("peaks"),
                    min((cosine(effects[a], effects[b]) for a, b in pairs), default=1.),
                    float(np.median([apart(wet, dry, dry) for wet in wets])),
                    float(
                        np.median(
                            [apart(w, c, dry) for w, c in zip(wets, cells, strict=True)]
                        )
                    ),
                    max((float(apart(wets[a], wets[b], dry)) for a, b in pairs),
                        default=0.0),
                    followed(*runs[0]),
                ]
            )  # fmt: skip
            print(f"  {corpus} {asked}", file=sys.stderr)
    print_table(
        list(HEAD),
        [
            [
                cell if isinstance(cell, str) else f"{cell:.2f}".replace("nan", "")
                for cell in row
            ]
            for row in rows
        ],
    )
    print("\nBetween corpora, dB, the first seed of each:\n")
    table = []
    for asked in dict.fromkeys(asked for _, asked in played):
        having = [corpus for corpus in sweeps if (corpus, asked) in played]
        between = {
            f"{a}, {b}": apart(played[a, asked][0], played[b, asked][0], dry)
            for a, b in itertools.combinations(having, 2)
        }
        text = "; ".join(f"{name} {value:.1f}" for name, value in between.items())
        table.append([asked, text])
    print_table(["asked for", "distance"], table)
    print("\nBetween requests on one corpus, dB, the first seed of each:\n")
    print_table(
        ["corpus", "requests", "distance", "cosine of the kernels"],
        [
            [a[0], f"{a[1]}; {b[1]}", f"{apart(played[a][0], played[b][0], dry):.1f}",
             f"{cosine(firsts[a], firsts[b]):.2f}"]
            for a, b in itertools.combinations(played, 2)
            if a[0] == b[0]
        ],
    )  # fmt: skip


if __name__ == "__main__":
    words = arguments(__doc__, 2)
    named = dict(word.split("=", 1) for word in words if "=" in word)
    if not named or len(named) == len(words):
        sys.exit(__doc__)
    main(named, [word for word in words if "=" not in word])
