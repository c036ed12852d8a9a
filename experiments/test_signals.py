"""Test signals through an effect: waveforms, spectrograms, a table.

    python experiments/test_signals.py published FIGURE.png [MODE]
    python experiments/test_signals.py EFFECT.json FIGURE.png [MODE]

MODE is "residual" (the default) or "published", what the published application makes
of it. "Level" is what the residual mode does to the RMS before the loudness is matched
to the input's, or what the application leaves of its own match; all else is measured,
and drawn, after. "Distance" is log-spectral.
"""

import numpy as np
from command_line import arguments
from matplotlib import colormaps
from render_track import magnitudes, measure
from signals import decibels, signal_set
from tables import effect_of, print_table

from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import matching_gain, rms
from cak_jax.report import sound_figures
from cak_jax.report.style import (
    BLUE,
    INK,
    MUTED,
    VERMILLION,
    add_colorbar,
    make_figure,
    save,
    style_axes,
)

SECONDS = 2.0
CONTROLS = (0.0, 0.5, 1.0)
COLOURS = {0.5: BLUE, 1.0: VERMILLION, 0.0: INK}
HEAD = ["bit-exact", "level dB", "residual dB", "peak dBFS", "crest dB"]
HEAD += ["centroid Hz", "flatness dB", "distance dB"]
# What of a waveform is drawn, around one second and a bit: a few periods.
WINDOW_MS = {"sine 100 Hz": 40.0, "sine 1 kHz": 6.0, "sine 8 kHz": 1.0}
OTHER_WINDOW_MS = 10.0
# Fewer different pixels keep the picture small: steps of 4 dB, pairs of frames.
FLOOR_DB, STEP_DB = -100.0, 4.0
LOWEST, ROWS, FRAMES = 40.0, 100, 2


def rendered(effect, mode: str) -> dict[str, dict[float, tuple[np.ndarray, float]]]:
    """Return every test signal at every control, `[samples]`, and its level in dB.

    The level is the change of the RMS, which the residual mode then takes back.
    """
    rate, found = effect.spectrogram.sample_rate, {}
    for name, dry in signal_set(SECONDS, rate).items():
        found[name] = {}
        for c in CONTROLS:
            options = {"loudness": "none", "peaks": "none"}
            if mode == "residual":
                options["limit"] = "none"  # because the pattern is what is measured
            wet = in_memory.render(effect, dry, rate, c, mode=mode, **options)
            level = float(decibels(rms(wet)) - decibels(rms(dry)))
            # The application has matched the level itself, before its last stage.
            gain = matching_gain(dry, wet, rate) if mode == "residual" else 1.0
            found[name][c] = (wet * np.float32(gain), level)
    return found


def print_measures(effect, sounds: dict) -> None:
    """Print a row per signal and control."""
    rows = []
    for name, dry in signal_set(SECONDS, effect.spectrogram.sample_rate).items():
        for c, (wet, level) in sounds[name].items():
            cells = measure(dry[None], wet[None], effect.spectrogram)
            same, residual, _, *rest = cells
            rows.append([name, f"{c:g}", same, f"{level + 0.0:+.1f}", residual, *rest])
    print_table(["signal", "control", *HEAD], rows)


def draw_waveform(axes, name: str, wets: dict, rate: int) -> None:
    """Draw a window of the middle, strongest setting behind."""
    middle = wets[0.0].size // 2 + round(rate / 16)
    window = WINDOW_MS.get(name.split(",")[0], OTHER_WINDOW_MS)
    half = round(window / 2000 * rate)
    milliseconds = np.arange(-half, half) / rate * 1000
    for control in sorted(wets, reverse=True):
        part = wets[control][middle - half : middle + half]
        axes.plot(milliseconds, part, color=COLOURS[control], linewidth=1)
    axes.set_xlim(-window / 2, window / 2)


def picture(wet: np.ndarray, effect) -> tuple[np.ndarray, np.ndarray]:
    """Return levels in dB, `[row, frame]`, and the rows' edges in Hz.

    Rows are even on a logarithmic axis and show their loudest bin: an average would
    lose a sine in the treble, where a row holds many bins.
    """
    settings = effect.spectrogram
    level = decibels(magnitudes(wet, settings) / (settings.n_fft / 4))
    level = np.maximum(level, FLOOR_DB)
    edges = np.geomspace(LOWEST, settings.sample_rate / 2, ROWS + 1)
    bins = edges / settings.sample_rate * settings.n_fft
    low = np.floor(bins[:-1] + 0.5).astype(int)
    high = np.maximum(np.floor(bins[1:] + 0.5).astype(int), low + 1)
    rows = [level[a:b].max(axis=0) for a, b in zip(low, high, strict=True)]
    count = level.shape[1] // FRAMES * FRAMES
    return np.array(rows)[:, :count].reshape(ROWS, -1, FRAMES).max(axis=-1), edges


def draw(effect, sounds: dict, mode: str):
    """Draw a row per signal: waveform, then a spectrogram per control."""
    settings = effect.spectrogram
    steps = round(-FLOOR_DB / STEP_DB)
    level = {"cmap": colormaps["magma"].resampled(steps), "vmin": FLOOR_DB, "vmax": 0}
    figure = make_figure(13.0, 1.5 * len(sounds) + 0.8)
    grid = figure.subplots(len(sounds), 1 + len(CONTROLS), squeeze=False)
    for row, (name, found) in zip(grid, sounds.items(), strict=True):
        wets = {control: wet for control, (wet, _) in found.items()}
        draw_waveform(row[0], name, wets, settings.sample_rate)
        style_axes(row[0], name)
        for axes, control in zip(row[1:], CONTROLS, strict=True):
            values, edges = picture(wets[control], effect)
            across = np.linspace(0, SECONDS, values.shape[1] + 1)
            image = axes.pcolormesh(across, edges, values, **level)
            style_axes(axes, "", grid=False)
            sound_figures.style_frequency(axes, settings.sample_rate)
            axes.set_yticks([100, 1000, 10000], labels=["100", "1k", "10k"])
            if control != CONTROLS[0]:
                axes.tick_params(labelleft=False)
        row[1].set_ylabel("Hz")
    for axes in grid[:-1, 1:].ravel():
        axes.tick_params(labelbottom=False)
    for axes, control in zip(grid[0, 1:], CONTROLS, strict=True):
        style_axes(axes, f"Control {control:g}", grid=False)
    grid[-1, 0].set_xlabel("time (ms)")
    for axes in grid[-1, 1:]:
        axes.set_xlabel("time (s)")
    bar = {"aspect": 60, "pad": 0.01}
    add_colorbar(figure, image, grid[:, 1:], "level (dB)", **bar)
    waves = "waveforms: black control 0, blue 0.5, red 1"
    text = f"Effect {effect.name}, mode {mode}, level matched; {waves}"
    figure.suptitle(text, x=0.01, ha="left", fontsize=11, color=MUTED)
    return figure


def main(name: str, target: str, mode: str = "residual") -> None:
    """Render, print, draw."""
    effect = effect_of(name)
    sounds = rendered(effect, mode)
    print_measures(effect, sounds)
    save(draw(effect, sounds, mode), target, dpi=70)


if __name__ == "__main__":
    main(*arguments(__doc__, 2, 3))
