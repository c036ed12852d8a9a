"""How strong an effect is against frequency and against level.

    python experiments/strength_curve.py EFFECT.json FIGURE.png

The published effect above, EFFECT below, control 1 unless said otherwise, level not
matched. Sines, one second each, stepped in frequency at several levels and in level at
1 kHz: change of the sound's RMS. White and pink noise of -20 dBFS: change of the power
in every octave.
"""

import numpy as np
from command_line import arguments
from kernel_figure import powers
from signals import OCTAVES, decibels, noise, sine
from tables import beside_published, print_table

from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import rms
from cak_jax.report.style import (
    BLUE,
    GREEN,
    MUTED,
    PURPLE,
    VERMILLION,
    label_lines,
    make_figure,
    save,
    style_axes,
)

PEAKS = (-60.0, -45.0, -30.0, -15.0)
LEVELS = np.arange(-80.0, 1.0, 5.0)
FREQUENCIES = tuple(50 * 2.0 ** (k / 2) for k in range(18))
CONTROLS = (0.5, 1.0)
COLOURS = (BLUE, GREEN, VERMILLION, PURPLE)


def wet_of(effect, sound: np.ndarray, control: float) -> np.ndarray:
    rate = effect.spectrogram.sample_rate
    # Without the limit, because the pattern is what is measured.
    options = {"loudness": "none", "peaks": "none", "limit": "none"}
    return in_memory.render(effect, sound, rate, control, **options)


def gain(effect, hertz: float, peak: float, control: float) -> float:
    """Return the change of a sine's RMS in dB, its first and last tenth cut off."""
    dry = sine(hertz, peak, 1.0, effect.spectrogram.sample_rate)
    wet = wet_of(effect, dry, control)
    inner = slice(len(dry) // 10, -len(dry) // 10)
    return float(decibels(rms(wet[inner])) - decibels(rms(dry[inner])))


def noise_gain(effect, colour: str) -> np.ndarray:
    """Return the change of every octave's power in dB at control 1."""
    settings = effect.spectrogram
    dry = noise(colour, -20, 5.0, settings.sample_rate)
    wet = wet_of(effect, dry, 1.0)
    return 10 * np.log10(powers(wet, settings) / powers(dry, settings))


def ceiling(effect) -> float:
    """Return the peak level in dBFS of a sine at the normalisation's ceiling."""
    constants = effect.normalization
    magnitude = (np.expm1(constants.high) / constants.alpha) ** 2
    return float(decibels(magnitude / (effect.spectrogram.n_fft / 4)))


def curves(effect) -> dict:
    """Return all curves of an effect."""
    return {
        "sines": [[gain(effect, f, p, 1.0) for f in FREQUENCIES] for p in PEAKS],
        "levels": [[gain(effect, 1000, p, c) for p in LEVELS] for c in CONTROLS],
        "noise": {colour: noise_gain(effect, colour) for colour in ("white", "pink")},
    }


def name_frequencies(axes) -> None:
    axes.set_xscale("log")
    ticks = (50, 200, 1000, 5000, 16000)
    axes.set_xticks(ticks, labels=["50", "200", "1k", "5k", "16k"])
    axes.minorticks_off()
    axes.set_xlabel("frequency (Hz)")


def draw(effects: dict, found: dict):
    """Draw a row of three panels per effect."""
    figure = make_figure(12.0, 7.0)
    grid = figure.subplots(2, 3, sharey=True)
    for row, (name, effect) in zip(grid, effects.items(), strict=True):
        lines = found[name]
        for values, colour in zip(lines["sines"], COLOURS, strict=True):
            row[0].plot(FREQUENCIES, values, "o-", color=colour, markersize=3)
        name_frequencies(row[0])
        style_axes(row[0], f"{name}: sines")
        labels = [f"{p:.0f}".replace("-", "\N{MINUS SIGN}") for p in PEAKS]
        label_lines(row[0], [*zip(labels, COLOURS, strict=True), ("dBFS", MUTED)])
        pair = (BLUE, VERMILLION)
        for values, line in zip(lines["noise"].values(), pair, strict=True):
            row[1].plot(OCTAVES[: len(values)], values, "o-", color=line, markersize=3)
        name_frequencies(row[1])
        style_axes(row[1], "Noise, per octave")
        label_lines(row[1], list(zip(lines["noise"], pair, strict=True)))
        for values, line in zip(lines["levels"], pair, strict=True):
            row[2].plot(LEVELS, values, "o-", color=line, markersize=3)
        row[2].axvline(ceiling(effect), color=MUTED, linewidth=1, linestyle=":")
        row[2].set_xlabel("peak of the sine (dBFS); dotted: ceiling")
        style_axes(row[2], "1 kHz, by level")
        names = [f"control {c:g}" for c in CONTROLS]
        label_lines(row[2], list(zip(names, pair, strict=True)))
        row[0].set_ylabel("change (dB)")
    return figure


def main(path: str, target: str) -> None:
    """Measure, print, draw."""
    effects = beside_published(path)
    found = {name: curves(effect) for name, effect in effects.items()}
    rows = [
        [
            name,
            what,
            f"{min(values):.1f}",
            f"{float(np.median(values)):.1f}",
            f"{max(values):.1f}",
        ]
        for name, lines in found.items()
        for what, values in [
            *((f"sines of {p:g} dBFS", v) for p, v in zip(PEAKS, lines["sines"],
                                                          strict=True)),
            *((f"{colour} noise, octaves", v) for colour, v in lines["noise"].items()),
        ]
    ]  # fmt: skip
    print_table(["effect", "over frequency", "least dB", "median dB", "most dB"], rows)
    print()
    print_table(
        [
            "1 kHz, peak dBFS",
            *(f"{n}, control {c:g}" for n in effects for c in CONTROLS),
        ],
        [
            [f"{p:.0f}"]
            + [f"{v[i]:+.1f}" for lines in found.values() for v in lines["levels"]]
            for i, p in enumerate(LEVELS)
            if i % 2 == 0
        ],
    )
    print()
    tops = [f"{name} {ceiling(effect):.1f} dBFS" for name, effect in effects.items()]
    print("A sine at the normalisation's ceiling: " + ", ".join(tops))
    save(draw(effects, found), target, dpi=80)


if __name__ == "__main__":
    main(*arguments(__doc__, 2, 2))
