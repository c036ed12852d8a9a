"""Learned effects beside classical tools that change the same quality as much.

    pip install librosa
    python experiments/beside_tools.py EFFECT.json ... SOUND ...

Each EFFECT names a quality; TOOLS lists the classical tools for it. On the middle 8 s
of each SOUND, the amount of the effect and the parameter of the tool are searched at
which the quality has moved by 0.25, 0.5 and 1 of the effect's range, to 0.005. It is
measured with NumPy in frames of 1024 samples, the loudness not matched.

Prints, for each effect, share and tool, over the sounds on which both reach the share,
what else has changed: level, bass, peaks and hiss as `heard.side_effects` measures
them, and the other qualities. A cell has the median of the effect, the median of the
tool, and in brackets on how many sounds the effect's change is the smaller one. The
last column says how far the sound at amount 0 and parameter 0 is from the dry sound.
"""

import importlib.util
import pathlib
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from command_line import arguments
from own_effects import read_middle
from tables import print_table

from cak_jax.effect.effect import Effect, load_effect
from cak_jax.effect.quality import reader
from cak_jax.evaluation import heard
from cak_jax.model.quality_names import WORDS, split
from cak_jax.rendering.aim import LARGEST_AMOUNT, search
from cak_jax.rendering.in_memory import render

SHARES = (0.25, 0.5, 1.0)
N_FFT, HOP = 2048, 512
# Moving average over 1.4 kHz. Of 3, 15, 31 and 63 bins, 63 has the least side effects.
SMOOTH_BINS = 63
GATE_DB = -40.0  # threshold of the gate by depth, below the loudest bin of the sound
MOST_DEPTH_DB = 100.0
TINY = 1e-12
SIDES = ("level_db", "bass_db", "peak_db", "hiss_db")

# From a magnitude spectrogram `[freq, frame]` to the gain of each cell at a parameter
# from 0, no change, to 1.
Gain = Callable[[float], np.ndarray]
Tool = Callable[[np.ndarray], Gain]
Change = dict[str, float]


def less_of_other_part(part: int, margin: float) -> Tool:
    """Keep the harmonic part (0) or the percussive one (1), fade the rest out.

    At margin 1 the parts add up to the sound. A larger margin parts more strictly.
    """

    def prepare(magnitude):
        import librosa

        mask = librosa.decompose.hpss(magnitude, mask=True, margin=margin)[part]
        return lambda parameter: 1 - parameter * (1 - mask)

    return prepare


def gate_by_threshold(magnitude: np.ndarray) -> Gain:
    """Remove cells below a share of their frame's loudest; 0.1 is -80 dB, 1 is 0 dB."""
    loudest = magnitude.max(axis=0)
    return lambda parameter: (magnitude >= parameter**4 * loudest) * 1.0


def gate_by_depth(magnitude: np.ndarray) -> Gain:
    """Turn cells below a fixed threshold down, by up to 100 dB."""
    below = magnitude < 10 ** (GATE_DB / 20) * magnitude.max()
    return lambda parameter: np.where(below, 10 ** (-parameter * MOST_DEPTH_DB / 20), 1)


def whiten(magnitude: np.ndarray) -> Gain:
    """Divide each frame by its smoothed spectrum to a power; the energy is kept."""
    rows = np.ones(SMOOTH_BINS) / SMOOTH_BINS
    edges = np.pad(magnitude, ((SMOOTH_BINS // 2,) * 2, (0, 0)), "edge")
    smooth = np.apply_along_axis(np.convolve, 0, edges, rows, "valid")
    smooth += 1e-4 * magnitude.max() + TINY

    def gain(parameter):
        gains = smooth**-parameter
        after = np.square(magnitude * gains).sum(axis=0)
        return gains * np.sqrt(
            (np.square(magnitude).sum(axis=0) + TINY) / (after + TINY)
        )

    return gain


TOOLS: dict[str, dict[str, Tool]] = {
    "attack": {
        "percussive part": less_of_other_part(1, 1.0),
        "percussive part, margin 2": less_of_other_part(1, 2.0),
    },
    "-attack": {
        "harmonic part": less_of_other_part(0, 1.0),
        "harmonic part, margin 2": less_of_other_part(0, 2.0),
    },
    "spectral_flatness": {"whitening": whiten},
    "-spectral_flatness": {
        "gate, by threshold": gate_by_threshold,
        "gate, by depth": gate_by_depth,
    },
}


def player(tool: Tool, dry: np.ndarray) -> Callable[[float], np.ndarray]:
    """Return what plays a sound `[samples]` through a tool at a parameter."""
    import librosa

    spectrum = librosa.stft(dry, n_fft=N_FFT, hop_length=HOP)
    gain = tool(np.abs(spectrum))

    def play(parameter):
        changed = spectrum * gain(parameter)
        return librosa.istft(changed, n_fft=N_FFT, hop_length=HOP, length=len(dry))

    return play


class Sound(NamedTuple):
    """A dry sound `[samples]`, its sample rate in Hz, and its qualities."""

    dry: np.ndarray
    rate: int
    qualities: np.ndarray

    def moved(self, wet: np.ndarray) -> np.ndarray:
        """Return how far every quality has moved, in its unit."""
        return measured(wet, self.rate) - self.qualities


def measured(audio: np.ndarray, rate: int) -> np.ndarray:
    """Return every quality of a sound."""
    return np.array(list(heard.measure(audio, rate, heard.WINDOWS[0]).values()))


def reach(
    play: Callable[[float], np.ndarray],
    sound: Sound,
    weights: np.ndarray,
    share: float,
    largest: float,
) -> Change | None:
    """Return what is changed where the quality has moved by a share of its range.

    Args:
      play: renders the sound at a parameter from 0 to `largest`.
      sound: the dry sound.
      weights: read a change of the qualities in units of the range.
      share: the change to reach.
      largest: the largest parameter.

    Returns:
      Side effects and changes of the qualities; None if the share is not reached.
    """
    scale = largest / LARGEST_AMOUNT
    turn = search(lambda x: float(sound.moved(play(scale * x)) @ weights), share)
    if not turn.reached:
        return None
    wet = play(scale * turn.amount)
    changes = dict(zip(WORDS, map(float, sound.moved(wet)), strict=True))
    return heard.side_effects(sound.dry, wet, sound.rate) | changes


def null_db(dry: np.ndarray, wet: np.ndarray) -> float:
    """Return the level of the difference of two sounds beside the dry one, in dB."""
    difference = np.abs(wet.astype(np.float64) - dry).max()
    return (
        float(20 * np.log10(difference / np.abs(dry).max())) if difference else -np.inf
    )


def compare(ours: list[Change | None], theirs: list[Change | None], name: str) -> str:
    """Return one cell of the table: medians of both, and where ours is smaller."""
    pairs = [(a[name], b[name]) for a, b in zip(ours, theirs, strict=True) if a and b]
    first, second = np.median(pairs, axis=0)
    smaller = sum(abs(a) < abs(b) for a, b in pairs)
    return f"{first:+.2f}, {second:+.2f} ({smaller})"


def tools_of(path: str) -> tuple[Effect, dict[str, Tool]]:
    """Return an effect and the tools for its quality."""
    effect = load_effect(path)
    name = effect.quality.name if effect.quality else "none"
    if name not in TOOLS:
        known = ", ".join(TOOLS)
        sys.exit(f"error: {path}: its quality is {name}, there are tools for {known}")
    return effect, TOOLS[name]


def rows_of(effect: Effect, tools: dict[str, Tool], sounds: list[Sound]) -> list[list]:
    """Return the rows of an effect, in the order of `head`."""
    weights = np.array(reader(effect.quality))

    def ours_on(sound):
        return lambda amount: render(
            effect, sound.dry, sound.rate, amount=amount, loudness="none", peaks="none"
        )

    played = [ours_on(sound) for sound in sounds]
    null = max(
        null_db(sound.dry, play(0.0))
        for play, sound in zip(played, sounds, strict=True)
    )
    ours = {
        share: [
            reach(play, sound, weights, share, LARGEST_AMOUNT)
            for play, sound in zip(played, sounds, strict=True)
        ]
        for share in SHARES
    }
    rows = []
    corpus = effect.provenance.get("corpus", {}).get("name", "")
    for name, tool in tools.items():
        players = [player(tool, sound.dry) for sound in sounds]
        pairs = list(zip(players, sounds, strict=True))
        tool_null = max(null_db(sound.dry, play(0.0)) for play, sound in pairs)
        for share in SHARES:
            theirs = [reach(play, sound, weights, share, 1.0) for play, sound in pairs]
            both = sum(bool(a and b) for a, b in zip(ours[share], theirs, strict=True))
            reached = [f"{sum(map(bool, found))}" for found in (ours[share], theirs)]
            cells = [
                compare(ours[share], theirs, side)
                if both and side != split(effect.quality.name)[0]
                else ""
                for side in (*SIDES, *WORDS)
            ]
            nulls = ", ".join(
                "exact" if value == -np.inf else f"{value:.0f} dB"
                for value in (null, tool_null)
            )
            asked = f"{effect.quality.name}, {corpus}"
            rows.append(
                [
                    asked,
                    str(share),
                    name,
                    ", ".join([*reached, str(both)]),
                    *cells,
                    nulls,
                ]
            )
            print(f"  {rows[-1]}", file=sys.stderr)
    return rows


def head() -> list[str]:
    """Return the head of the table, with units."""
    units = {"natural log": "log"}
    return [
        "asked for", "share", "tool", "reached by ours, tool, both",
        "level dB", "bass dB", "peaks dB", "hiss dB",
        *(f"{name} {units.get(word.unit, word.unit)}" for name, word in WORDS.items()),
        "null at 0",
    ]  # fmt: skip


def main(effects: list[str], files: list[str]) -> None:
    """Print the table."""
    if importlib.util.find_spec("librosa") is None:
        sys.exit("error: librosa is missing, the tools need it: pip install librosa")
    chosen = [tools_of(path) for path in effects]
    sounds = []
    for path in files:
        dry, rate = read_middle(path)
        sounds.append(Sound(np.float32(dry), rate, measured(np.float32(dry), rate)))
    rows = [row for effect, tools in chosen for row in rows_of(effect, tools, sounds)]
    print(f"{len(sounds)} sounds\n")
    print_table(head(), rows)


if __name__ == "__main__":
    words = arguments(__doc__, 2)
    named = [word for word in words if pathlib.Path(word).suffix == ".json"]
    if not named or len(named) == len(words):
        sys.exit(__doc__)
    main(named, [word for word in words if word not in named])
