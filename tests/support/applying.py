"""A small effect, and the command line called with it; no tests here."""

import dataclasses
import os
import re
from pathlib import Path

import numpy as np
import soundfile
from support.plain_render import KNOB_TABLE
from support.sounds import SPECTROGRAM, put, sound

from cak_jax.commands import apply
from cak_jax.effect.effect import Effect, Quality, save_effect
from cak_jax.model.spectrogram_settings import Normalization

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
# The same with all that version 2 of the file adds.
HEARD = dataclasses.replace(
    EFFECT,
    name="heard",
    spacing=(4, 3),
    quality=Quality("-attack", "natural log", 0.75),
    knob=KNOB_TABLE,
)
# A bias above 0 fills gaps, which makes sounds noisier.
SMALL_FILLER = Effect(
    "filler",
    ((0.02, 0.05, 0.02), (0.05, -0.3, 0.05), (0.02, 0.05, 0.02)),
    0.3,
    1.0,
    spectrogram=SPECTROGRAM,
    normalization=Normalization(10.0, 0.85, 0.02, 3.0),
    quality=Quality("spectral_flatness", "dB", 12.0),
)

KINDS = {
    "a.wav": {"subtype": "PCM_24"},
    "kick/b.flac": {"format": "FLAC", "subtype": "PCM_16"},
    "kick/d.wav": {"subtype": "FLOAT"},
    "kick/deep/c.aiff": {"format": "AIFF", "subtype": "PCM_16"},
}


def drum_folder() -> Path:
    """Make a folder of four sounds in the current one; its name."""
    for seed, (name, kind) in enumerate(KINDS.items()):
        put(Path("drums"), name, sound(0.1, 8000, 2, seed), 8000, **kind)
    return Path("drums")


def outputs(folder) -> list[str]:
    """List all files below a folder, sorted."""
    return sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())


def effect_file(folder: Path, effect: Effect = EFFECT) -> str:
    """Write an effect into a folder of its own, beside the sounds."""
    folder = folder / "effects"
    folder.mkdir(exist_ok=True)
    save_effect(effect, folder / "effect.json")
    return str(folder / "effect.json")


def run(effect: str, *inputs, control="0.8", **options) -> int:
    """Call `cak apply`; `dry_run=True` is the flag `--dry-run` alone."""
    given = {name.replace("_", "-"): value for name, value in options.items()}
    flags = [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in given.items()
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


def unmatched(text: str) -> str:
    """Return printed lines without the gains that matched the loudness."""
    text = re.sub(r"\(loudness matched by [-+.\d]+ dB; ", "(", text)
    return re.sub(r"  \(loudness matched by [-+.\d]+ dB\)", "", text)


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
