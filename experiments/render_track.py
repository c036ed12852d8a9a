"""Render one sound at several controls; measure and draw what came out.

    python experiments/render_track.py EFFECT.json SOUND FIGURE.png [SECONDS]

Prints a row per control: whether the output is the input bit for bit, level of the
residual, RMS, peak, crest factor, spectral centroid and flatness, and the log-spectral
distance to the dry sound; in the residual mode and, at the end, the published one.
"""

import numpy as np
from command_line import arguments

from cak_jax.audio import sound_file
from cak_jax.audio.formats import to_float
from cak_jax.data import descriptors
from cak_jax.effect.effect import load_effect
from cak_jax.model import spectral
from cak_jax.rendering import in_memory
from cak_jax.report import sound_figures, style

CONTROLS = (0.0, 0.3, 0.6, 1.0)


def decibels(value):
    return 20 * np.log10(np.maximum(value, 1e-12))


def magnitudes(sound: np.ndarray, settings) -> np.ndarray:
    return np.abs(spectral.stft(sound.astype(np.float32), settings))


def distance(dry: np.ndarray, wet: np.ndarray) -> float:
    """Return the log-spectral distance in dB, 80 dB below the dry peak ignored."""
    floor = dry.max() * 1e-4
    square = (decibels(np.maximum(wet, floor)) - decibels(np.maximum(dry, floor))) ** 2
    return float(np.sqrt(square.mean(axis=0)).mean())


def measure(dry: np.ndarray, wet: np.ndarray, settings) -> list[str]:
    """Return the cells of one row for `[channels, samples]` dry and wet."""
    mono = wet.mean(axis=0).astype(np.float32)
    found = descriptors.describe_audio(mono, settings)
    same = "yes" if np.array_equal(dry, wet) else "no"
    residual = np.sqrt(np.mean((wet - dry) ** 2)) / np.sqrt(np.mean(dry**2))
    apart = distance(magnitudes(dry.mean(axis=0), settings), magnitudes(mono, settings))
    return [
        same,
        "none" if same == "yes" else f"{decibels(residual):.1f}",
        f"{decibels(np.sqrt(np.mean(wet**2))):.1f}",
        f"{decibels(np.abs(wet).max()):.1f}",
        f"{decibels(float(found['crest_factor'])):.1f}",
        f"{float(found['spectral_centroid']):.0f}",
        f"{10 * np.log10(float(found['spectral_flatness']) + 1e-12):.1f}",
        f"{apart:.1f}",
    ]


def main(name: str, sound: str, target: str, seconds: str = "") -> None:
    """Print the table and draw the figure; `seconds` limits the sound to its middle."""
    effect = load_effect(name)
    samples, found = sound_file.read(sound)
    dry = to_float(samples)
    if seconds:
        length = round(float(seconds) * found.sample_rate)
        start = max(0, (dry.shape[1] - length) // 2)
        dry = dry[:, start : start + length]
    settings = effect.spectrogram
    rows, wets = [], []
    for mode in ("residual", "published"):
        for control in CONTROLS:
            wet = in_memory.render(effect, dry, found.sample_rate, control, mode=mode)
            rows.append([mode, f"{control:g}", *measure(dry, wet, settings)])
            if mode == "residual":
                wets.append(wet)
    head = ["mode", "control", "bit-exact", "residual dB", "RMS dBFS", "peak dBFS"]
    head += ["crest dB", "centroid Hz", "flatness dB", "distance dB"]
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    print("\n".join("| " + " | ".join(row) + " |" for row in rows))
    maps = [decibels(magnitudes(w.mean(axis=0), settings) + 1e-5) for w in [dry, *wets]]
    figure = sound_figures.spectrograms(
        maps[0], maps[2:], CONTROLS[1:], found.sample_rate, settings.hop_length
    )
    style.save(figure, target, dpi=90)


if __name__ == "__main__":
    main(*arguments(__doc__, 3, 4))
