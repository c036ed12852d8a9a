"""Identity at control 0, as the paper reports it and as sound.

    python experiments/identity_table.py EFFECT.json FIGURE.png SOUND...

First table: gate, factor on the pattern, and mean and largest |y - x| of normalised
spectrograms, over all sounds and test signals. Second: what comes out at control 0 of
the published application (mode "published") and of ours (mode "residual"), in native
sample rate and channels: bit for bit the input or not, else residual in dB of the
input. SOUNDs are used for their middle 20 s.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from command_line import arguments
from signals import decibels, excerpt, name_of, signal_set
from tables import beside_published, print_table

from cak_jax.audio import sound_file
from cak_jax.effect.gate import amount
from cak_jax.model import cak, spectral
from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import rms
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

CONTROLS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
RATE = 44100
SECONDS = 2.0
COLOURS = (VERMILLION, BLUE)


def material(paths) -> dict[str, tuple[np.ndarray, int]]:
    """Return `[channels, samples]` and sample rate by name, real sounds first."""
    real = {name_of(path): excerpt(path) for path in paths}
    if len(real) < len(paths):
        sys.exit(f"two of the sounds share a name: {', '.join(paths)}; rename one")
    made = signal_set(SECONDS, RATE).items()
    return real | {name: (sound[None], RATE) for name, sound in made}


def gate(effect, control: float) -> float:
    return float(cak.soft_gate(control, effect.threshold, effect.temperature))


def differences(effect, sounds: dict) -> np.ndarray:
    """Return mean and largest |y - x| per control, `[control, 2]`.

    By the transform's own formula, `c * gate(c) * scale` times the pattern, on
    normalised spectrograms of the channels' mean; no clipping.
    """
    found = []
    for sound, rate in sounds.values():
        mono = sound.mean(axis=0).astype(np.float32)
        mono = sound_file.resample(mono, rate, effect.spectrogram.sample_rate)
        magnitude = jnp.abs(spectral.stft(mono, effect.spectrogram))
        x = spectral.normalise(magnitude, effect.normalization)
        found.append([difference(effect, x, c) for c in CONTROLS])
    table = np.array(found)
    return np.stack([table[..., 0].mean(axis=0), table[..., 1].max(axis=0)], axis=-1)


def difference(effect, x: jax.Array, control: float) -> tuple[float, float]:
    """Return mean and largest |y - x| of one spectrogram."""
    y, _ = cak.transform(
        x,
        jnp.float32(control),
        kernel=jnp.array(effect.kernel),
        bias=jnp.float32(effect.bias),
        scale=jnp.float32(effect.scale),
        threshold=effect.threshold,
        temperature=effect.temperature,
    )
    change = jnp.abs(y - x)
    return float(change.mean()), float(change.max())


def at_zero(effect, sound: np.ndarray, rate: int, mode: str) -> float:
    """Return the residual at control 0 in dB of the input, minus infinity for none."""
    wet = in_memory.render(effect, sound, rate, 0.0, mode=mode)
    # Equal as numbers is not enough: minus zero has other bits than zero.
    if wet.dtype == sound.dtype and wet.tobytes() == sound.tobytes():
        return -np.inf
    return float(decibels(rms(wet - sound)) - decibels(rms(sound)))


def written(residual: float) -> str:
    return "bit-exact" if residual == -np.inf else f"{residual:.1f} dB"


def draw(effects: dict, changes: dict, residuals: dict):
    """Draw gate and factor, |y - x|, and the residuals at control 0."""
    figure = make_figure(14.0, 5.0)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.5))
    fine = np.linspace(0, 1, 201)
    (first, *_) = effects.values()
    left.plot(fine, [gate(first, c) for c in fine], color=GREEN)
    labels = list(zip(effects, COLOURS, strict=True))
    for name, colour in labels:
        factors = [amount(effects[name], c) for c in fine]
        left.plot(fine, factors, color=colour)
        middle.plot(CONTROLS, changes[name][:, 0], "o-", color=colour, markersize=4)
        middle.plot(CONTROLS, changes[name][:, 1], "o:", color=colour, markersize=4)
    left.set(xlabel="control", ylabel="gate(c), and c gate(c) scale")
    style_axes(left, "Gate, factor")
    label_lines(left, [("gate", GREEN), *labels])
    middle.set(xlabel="control", ylabel="|y \N{MINUS SIGN} x|: mean, dotted largest")
    style_axes(middle, "Change of x")
    label_lines(middle, labels)
    places = -np.arange(len(residuals))
    floor = -100.0
    for shift, name, colour in ((0.2, "published", VERMILLION), (-0.2, "ours", BLUE)):
        values = [row[f"{name}, published mode"] for row in residuals.values()]
        widths = np.maximum(values, floor) - floor
        right.barh(places + shift, widths, 0.36, left=floor, color=colour)
    exact = all(
        value == -np.inf
        for row in residuals.values()
        for key, value in row.items()
        if key.endswith("residual mode")
    )
    right.set_yticks(places, labels=list(residuals))
    right.set_xlim(floor, 0)
    ours = "bit-exact for all of them" if exact else "not exact: see the table"
    right.set_xlabel(f"residual of the published application (dB of the input)\n"
                     f"residual mode: {ours}")  # fmt: skip
    style_axes(right, "Control 0")
    right.grid(False, axis="y")
    right.tick_params(axis="y", colors=MUTED)
    label_lines(right, labels)
    return figure


def main(path: str, target: str, *paths: str) -> None:
    """Measure, print, draw."""
    effects = beside_published(path)
    sounds = material(paths)
    changes = {name: differences(effect, sounds) for name, effect in effects.items()}
    head, rows = ["control"], [[f"{control:g}"] for control in CONTROLS]
    for name, effect in effects.items():
        head += [f"{name}: {part}" for part in ("gate", "factor")]
        head += [f"{part} of abs(y - x)" for part in ("mean", "largest")]
        for row, control, change in zip(rows, CONTROLS, changes[name], strict=True):
            row += [f"{gate(effect, control):.4f}", amount(effect, control), *change]
    print_table(head, rows)
    print()
    residuals = {
        sound: {
            f"{key}, {mode} mode": at_zero(effect, *pair, mode)
            for key, effect in zip(("published", "ours"), effects.values(), strict=True)
            for mode in ("published", "residual")
        }
        for sound, pair in sounds.items()
    }
    columns = list(next(iter(residuals.values())))
    print_table(
        ["at control 0", *columns],
        [[sound, *map(written, row.values())] for sound, row in residuals.items()],
    )
    save(draw(effects, changes, residuals), target, dpi=80)


if __name__ == "__main__":
    main(*arguments(__doc__, 2))
