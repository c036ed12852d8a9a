"""Figure 3 of the paper: kernel, directional emphasis, response per frequency band.

    python experiments/kernel_figure.py EFFECT.json FIGURE.png SOUND...

The published effect above, EFFECT below. SOUNDs are real, best not trained on; their
middle 20 s are used, beside white and pink noise of -20 dBFS. The response per band is
the mean of |D(x)| over an octave, and what the effect does to the octave's power at
control 1, loudness not matched.
"""

import jax.numpy as jnp
import numpy as np
from command_line import arguments
from signals import EXCERPT_SECONDS, OCTAVES, mono_excerpt, noise, octave_bins
from tables import beside_published, joined, print_table

from cak_jax.evaluation.kernel_profile import directional_sums
from cak_jax.model import cak, spectral
from cak_jax.rendering import in_memory
from cak_jax.report import kernel_figure
from cak_jax.report.style import (
    BLUE,
    GREEN,
    MUTED,
    VERMILLION,
    label_lines,
    make_figure,
    save,
    style_axes,
)

COLOURS = {"music": BLUE, "white noise": VERMILLION, "pink noise": GREEN}


def sounds_of(paths, rate: int) -> dict[str, list[np.ndarray]]:
    """Return the sounds of every kind, `[samples]` each."""
    return {
        "music": [mono_excerpt(path, rate) for path in paths],
        "white noise": [noise("white", -20, EXCERPT_SECONDS, rate)],
        "pink noise": [noise("pink", -20, EXCERPT_SECONDS, rate)],
    }


def pattern_of(effect, sound: np.ndarray) -> np.ndarray:
    """Return mean |D(x)| of every bin, `[freq]`."""
    magnitude = jnp.abs(spectral.stft(sound, effect.spectrogram))
    x = spectral.normalise(magnitude, effect.normalization)
    pattern = cak.detect(x, jnp.array(effect.kernel), jnp.float32(effect.bias))
    return np.asarray(jnp.mean(jnp.abs(pattern), axis=-1))


def powers(sound: np.ndarray, settings) -> np.ndarray:
    """Return the power of every octave."""
    power = np.abs(np.asarray(spectral.stft(sound, settings), np.complex128)) ** 2
    return np.array([power[band].sum() for band in octave_bins(settings)])


def responses(effect, sounds: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return per octave mean |D(x)| and gain in dB, and mean |D(x)| per third."""
    settings = effect.spectrogram
    pattern = np.mean([pattern_of(effect, sound) for sound in sounds], axis=0)
    dry = sum(powers(sound, settings) for sound in sounds)
    wet = sum(
        powers(in_memory.render(effect, s, settings.sample_rate, 1.0, loudness="none",
                                peaks="none"), settings)
        for s in sounds
    )  # fmt: skip
    return {
        "pattern": np.array([pattern[b].mean() for b in octave_bins(settings)]),
        "gain": 10 * np.log10(wet / dry),
        "thirds": np.array([part.mean() for part in np.array_split(pattern, 3)]),
    }


def facts(kernel: np.ndarray) -> dict[str, str]:
    """Describe a kernel in words and numbers, what the paper says of it first."""
    order = np.argsort(kernel, axis=None)[::-1][:3]
    largest = (divmod(int(place), 3) for place in order)
    columns, rows, total = kernel.sum(axis=0), kernel.sum(axis=1), kernel.sum()
    sums = directional_sums(kernel)
    flat = total / (3 * np.linalg.norm(kernel))
    return {
        "three largest weights": ", ".join(f"[{i},{j}]" for i, j in largest),
        "sums at time -1, 0, +1": joined(columns),
        "sums at frequency -1, 0, +1": joined(rows),
        "means at frequency -1, 0, +1": joined(rows / 3),
        "centre in time, frames": f"{(columns[2] - columns[0]) / total:+.2f}",
        "centre in frequency, bins": f"{(rows[2] - rows[0]) / total:+.2f}",
        "rising, falling diagonal": joined(
            sums[f"{name} diagonal"][0] for name in ("rising", "falling")
        ),
        "sum of all": f"{total:.3f}",
        "cosine with a plain 3x3 mean": f"{flat:.3f}",
    }


PAPER = {
    "three largest weights": "[0,2], [0,1], [2,2]",
    "sums at time -1, 0, +1": "future largest",
    "rising, falling diagonal": "diagonal structure",
    "mean of D per third of the bins, music": "low strongest, 0.115",
}


def draw_octaves(axes, measured: dict, field: str, title: str, label: str) -> None:
    for kind, found in measured.items():
        places = OCTAVES[: found[field].size]
        axes.plot(places, found[field], "o-", color=COLOURS[kind], markersize=3.5)
    axes.set_xscale("log")
    ticks = (31.25, 125, 500, 2000, 8000)
    axes.set_xticks(ticks, labels=["31", "125", "500", "2k", "8k"])
    axes.minorticks_off()
    axes.set(xlabel="octave around (Hz)", ylabel=label)
    style_axes(axes, title)


def draw(effects: dict, measured: dict):
    """Draw a row per effect: weights, sums, pattern and gain per octave."""
    figure = make_figure(15.0, 7.6)
    grid = figure.subplots(2, 4, sharex="col")
    for row, (name, effect) in zip(grid, effects.items(), strict=True):
        kernel = np.array(effect.kernel)
        kernel_figure.draw_weights(
            row[0], kernel, effect.spectrogram, spacing=effect.spacing
        )
        style_axes(row[0], f"{name}: weights, sum {kernel.sum():.3f}", grid=False)
        kernel_figure.draw_directions(row[1], kernel)
        title = "Pattern, mean |D(x)|"
        draw_octaves(row[2], measured[name], "pattern", title, "mean |D(x)|")
        draw_octaves(
            row[3],
            measured[name],
            "gain",
            "Gain at control 1",
            "dB, before level match",
        )
        row[3].axhline(0, color=MUTED, linewidth=0.8)
        for axes in row:
            axes.set_box_aspect(1)
            axes.tick_params(labelbottom=True)
    for column in (2, 3):
        limits = [axes.get_ylim() for axes in grid[:, column]]
        low, high = min(low for low, _ in limits), max(high for _, high in limits)
        for axes in grid[:, column]:
            axes.set_ylim(min(0.0, low), high)
    label_lines(grid[0, 3], [("music", BLUE), ("white", VERMILLION), ("pink", GREEN)])
    return figure


def main(path: str, target: str, *paths: str) -> None:
    """Measure, print, draw."""
    effects = beside_published(path)
    columns, measured = {}, {}
    for name, effect in effects.items():
        sounds = sounds_of(paths, effect.spectrogram.sample_rate)
        measured[name] = {k: responses(effect, s) for k, s in sounds.items() if s}
        columns[name] = facts(np.array(effect.kernel))
        for kind, found in measured[name].items():
            field = f"mean of D per third of the bins, {kind}"
            columns[name][field] = joined(found["thirds"])
    fields = columns["published"]
    print_table(
        ["", "paper", *(f"{name} effect" for name in effects)],
        [[f, PAPER.get(f, ""), *(c[f] for c in columns.values())] for f in fields],
    )
    print()
    head = ["octave around Hz"]
    head += [f"{name}, {kind}" for name in effects for kind in measured[name]]
    parts = [part for found in measured.values() for part in found.values()]
    count = min(part["gain"].size for part in parts)
    print_table(
        head,
        [
            [f"{OCTAVES[i]:.0f}"]
            + [f"{p['pattern'][i]:.3f} / {p['gain'][i]:+.1f} dB" for p in parts]
            for i in range(count)
        ],
    )
    save(draw(effects, measured), target, dpi=80)


if __name__ == "__main__":
    main(*arguments(__doc__, 2))
