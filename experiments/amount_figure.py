"""One sound at five amounts of an effect: spectrograms side by side, numbers below.

    python experiments/amount_figure.py EFFECT SOUND FIGURE.png [SECONDS]

EFFECT is a name, an `effect.json` or a run folder; the picture is of the middle of the
sound, at most 20 s or SECONDS. Also prints the numbers as a table: whether the output
is the input bit for bit, and if not how loud, beside the input, what was added is; the
change of level before loudness is matched; and, after it, log-spectral distance to the
dry sound and crest factor. Spectrograms and distance are of the channels' mean.
"""

import math
import sys

import numpy as np
import signals
import tables
from command_line import arguments

from cak_jax.effect.effect import Effect, load_effect
from cak_jax.evaluation import spectral_distance
from cak_jax.model import spectral
from cak_jax.rendering import in_memory, loudness
from cak_jax.report import sound_figures, style as plot_style

AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHORTEST = 0.1
WIDTH, HEIGHT, DPI = 14.0, 4.0, 75


def magnitudes(sound: np.ndarray, settings) -> np.ndarray:
    """Return the magnitudes `[freq, frame]` of the channels' mean."""
    return np.abs(spectral.stft(sound.mean(axis=0).astype(np.float32), settings))


def crest(sound: np.ndarray) -> float:
    """Return peak over RMS in dB, over all channels."""
    return float(signals.decibels(np.abs(sound).max() / loudness.rms(sound)))


def measure(
    dry: np.ndarray, wet: np.ndarray, settings, rate: int
) -> dict[str, float | bool]:
    """Say how a wet sound differs from the dry one.

    Args:
      dry: `[channels, samples]`, not silent.
      wet: the same, before its loudness is matched.
      settings: of the spectrogram.
      rate: of both sounds, Hz.

    Returns:
      "exact", bit for bit the input; in dB "added" (of the input, -inf where exact) and
      "level", its change; then of the wet sound with its loudness matched
      "distance",
      log-spectral, and "crest", both in dB.
    """
    matched = wet * loudness.matching_gain(dry, wet, rate)
    belongs = spectral_distance.membership(settings)
    pair = magnitudes(dry, settings), magnitudes(matched, settings)
    exact = dry.tobytes() == wet.tobytes()
    share = loudness.rms(wet - dry) / loudness.rms(dry)
    return {
        "exact": exact,
        "added": -math.inf if exact else float(signals.decibels(share)),
        "level": float(signals.decibels(loudness.rms(wet) / loudness.rms(dry))),
        "distance": float(spectral_distance.spectral_distance(*pair, belongs)[0]),
        "crest": crest(matched),
    }


def words(found: dict) -> list[str]:
    """Return what stands in a table's row and under a picture."""
    return [
        "nothing (exact)" if found["exact"] else f"{found['added']:+.1f} dB",
        f"{found['level']:+.1f} dB",
        f"{found['distance']:.1f} dB",
        f"{found['crest']:.1f} dB",
    ]


NAMES = ("added", "level", "distance", "crest factor")


def draw(maps: list, rows: list[list[str]], rate: int, hop: int):
    """Draw the spectrograms in a row and under each its numbers.

    Args:
      maps: `[freq, frame]` in dB, one per amount.
      rows: of `words`, one per amount.
      rate: samples per second.
      hop: samples per frame.

    Returns:
      The figure.
    """
    first, others = sound_figures.check_decibels(maps[0], maps[1:], AMOUNTS[1:])
    edges = sound_figures.log_edges(rate, len(first))
    drawn = [
        sound_figures.average_frames(sound_figures.average_rows(values, rate))
        for values in (first, *others)
    ]
    seconds = first.shape[1] * hop / rate
    peak = max(values.max() for values in drawn)
    across = np.linspace(0, seconds, drawn[0].shape[1] + 1)
    colours = {
        "cmap": "magma",
        "vmin": peak - sound_figures.RANGE,
        "vmax": peak,
        "rasterized": True,
    }
    figure = plot_style.make_figure(WIDTH, HEIGHT)
    above, below = figure.subplots(
        2, len(maps), sharey="row", height_ratios=(1.0, 0.24)
    )
    titles = [f"Amount {amount:g}" for amount in AMOUNTS]
    sound_figures.draw_maps(
        figure, above, drawn, titles, across, edges, colours, "level (dB)"
    )
    above[0].set_ylabel("frequency (Hz)")
    sound_figures.style_frequency(above[0], rate)
    for axes, row in zip(below, rows, strict=True):
        axes.set_axis_off()
        write_numbers(axes, row)
    return figure


def write_numbers(axes, row: list[str]) -> None:
    """Write names and numbers in two columns."""
    style = {"transform": axes.transAxes, "fontsize": 9.5, "va": "top"}
    for line, (name, value) in enumerate(zip(NAMES, row, strict=True)):
        height = 1.0 - 0.27 * line
        axes.text(0.0, height, name, color=plot_style.MUTED, **style)
        axes.text(0.42, height, value, color=plot_style.INK, **style)


def read(arguments: list[str]) -> tuple[Effect, np.ndarray, int, str]:
    """Return effect, sound, its rate and the figure's path, or exit with a line."""
    if len(arguments) not in (3, 4):
        sys.exit(__doc__)
    name, sound, figure, *seconds = arguments
    try:
        length = float(*seconds) if seconds else signals.EXCERPT_SECONDS
    except ValueError:
        length = math.nan
    if not SHORTEST <= length < math.inf:
        sys.exit(f"error: SECONDS must be {SHORTEST:g} or more, got {seconds[0]}")
    if not figure.endswith(".png"):
        sys.exit(f"error: {figure}: the figure's name ends in .png")
    try:
        effect, (dry, rate) = load_effect(name), signals.excerpt(sound, length)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    if dry.size == 0 or not dry.any() or not np.isfinite(dry).all():
        sys.exit(f"error: {sound}: holds no sound in its middle; give another")
    return effect, dry, rate, figure


def main(*arguments: str) -> None:
    """Run the command line."""
    effect, dry, rate, target = read(list(arguments))
    settings = effect.spectrogram
    rows, maps = [], []
    for amount in AMOUNTS:
        wet = in_memory.render(
            effect, dry, rate, amount=amount, loudness="none", peaks="none"
        )
        rows.append(words(measure(dry, wet, settings, rate)))
        matched = wet * loudness.matching_gain(dry, wet, rate)
        maps.append(signals.decibels(magnitudes(matched, settings)))
    tables.print_table(
        ["amount", *NAMES],
        [[f"{a:g}", *row] for a, row in zip(AMOUNTS, rows, strict=True)],
    )
    figure = draw(maps, rows, rate, settings.hop_length)
    try:
        plot_style.save(figure, target, DPI)
    except OSError as error:
        sys.exit(f"error: {target}: {error.strerror}")


if __name__ == "__main__":
    main(*arguments(__doc__, 3, 4))
