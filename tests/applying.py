"""A small effect, and the command line called with it; no tests here."""

import os
from pathlib import Path

import numpy as np
import soundfile
from sounds import SPECTROGRAM

from cak_jax import apply
from cak_jax.effect import Effect, save_effect
from cak_jax.spectral import Normalization

KERNEL = ((0.05, 0.1, -0.02), (0.12, 0.3, 0.07), (-0.04, 0.11, 0.06))
EFFECT = Effect(
    "small",
    KERNEL,
    -0.03,
    0.8,
    0.3,
    5.0,
    SPECTROGRAM,
    Normalization(10.0, 0.85, 0.02, 3.0),
)


def effect_file(folder: Path, effect: Effect = EFFECT) -> str:
    """Write an effect into a folder of its own, beside the sounds."""
    folder = folder / "effects"
    folder.mkdir(exist_ok=True)
    save_effect(effect, folder / "effect.json")
    return str(folder / "effect.json")


def run(effect: str, *inputs, control="0.8", **options) -> int:
    """Call `python -m cak_jax.apply`; `overwrite=True` is the flag alone."""
    flags = [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in options.items()
    ]
    names = [os.fspath(path) for path in inputs]
    return apply.main([f"--effect={effect}", f"--control={control}", *flags, *names])


def said(capsys) -> str:
    """Return the one line of error that was printed, and nothing else was."""
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert out == "" and line.startswith("error: ")
    return line.removeprefix("error: ")


def load(path) -> tuple[np.ndarray, soundfile._SoundFileInfo]:
    """Return `[n, channels]`, as exact as soundfile gives it, and the header."""
    info = soundfile.info(path)
    exact = "float64" if info.subtype in ("FLOAT", "DOUBLE") else "int32"
    return soundfile.read(path, dtype=exact, always_2d=True)[0], info


def shown(info) -> tuple:
    return info.samplerate, info.channels, info.frames, info.format, info.subtype


def snapshot(folder: Path) -> dict[bytes, tuple]:
    """Every regular file below a folder: its bytes and its time."""
    found = {}
    for top, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(top, name)
            if os.path.isfile(path):
                stamp = os.stat(path).st_mtime_ns
                found[path] = Path(os.fsdecode(path)).read_bytes(), stamp
    return found
