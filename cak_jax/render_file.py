"""Render one sound file into another through an effect."""

import dataclasses
import os
import pathlib
import time
import zlib

import numpy as np

from cak_jax import audio, metadata, render
from cak_jax.effect import Effect


@dataclasses.dataclass(frozen=True)
class FileSettings:
    """How files are rendered.

    Attributes:
      control: the raw knob, 0 to 10.
      amount: what the control was calculated from, 0 to 1; None if from nothing.
      mode, channels, loudness: as in `render.render`.
      dither: of `dither.KINDS`, where the output's samples are integers.
    """

    control: float
    amount: float | None = None
    mode: str = "residual"
    channels: str = "linked"
    loudness: str = "rms"
    dither: str = "tpdf"


@dataclasses.dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
      output: the file.
      sample_rate, channels, frames: samples per second, their columns and rows.
      format, subtype: soundfile's names.
      loudness_gain_db: what matched the loudness; None where it is not known.
      clip_gain_db: what kept integer samples below full scale; 0 if none.
      seconds: taken, not of sound.
      notes: what did not go as one would expect, one line each.
    """

    output: pathlib.Path
    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str
    loudness_gain_db: float | None
    clip_gain_db: float
    seconds: float
    notes: tuple[str, ...]


def render_file(
    effect: Effect,
    source: pathlib.Path,
    target: pathlib.Path,
    format: str,
    subtype: str,
    settings: FileSettings,
    *,
    overwrite: bool = False,
) -> Report:
    """Render one file; its metadata come along.

    Args:
      effect: what to apply.
      source: the input.
      target: the output, in a folder that exists.
      format, subtype: of the output, in soundfile's names.
      settings: how.
      overwrite: replace an output that exists.

    Raises:
      ValueError, OSError: the file is left undone, nothing is written.
    """
    started = time.monotonic()
    kept = metadata.carry(source, format, audio.tags(source))
    samples, found = audio.read(source)
    # Float files may hold numbers whose squares overflow: seen below, in one line.
    with np.errstate(over="ignore", invalid="ignore"):
        wet = render.render(
            effect,
            audio.to_float(samples),
            found.sample_rate,
            settings.control,
            mode=settings.mode,
            loudness=settings.loudness,
            channels=settings.channels,
        )
    if not np.isfinite(wet).all():
        raise ValueError("is too loud to render: its samples are far above full scale")
    wet, clip_gain = keep_below_full_scale(wet, subtype)
    layout = (found.sample_rate, format, subtype, overwrite)
    seed = dither_seed(source)
    audio.write(
        target, wet, *layout, dither=settings.dither, seed=seed, finish=kept.attach
    )
    return Report(
        output=target,
        sample_rate=found.sample_rate,
        channels=wet.shape[0],
        frames=wet.shape[1],
        format=format,
        subtype=subtype,
        loudness_gain_db=None,
        clip_gain_db=clip_gain,
        seconds=time.monotonic() - started,
        notes=kept.notes,
    )


def dither_seed(source: pathlib.Path) -> int:
    """Return a number of a file's name: the same file sounds the same every time.

    Files that are mixed later, such as the tracks of one song, differ in it, so that
    their noises do not add up as one.
    """
    return zlib.crc32(os.fsencode(source.name))


def keep_below_full_scale(wet: np.ndarray, subtype: str) -> tuple[np.ndarray, float]:
    """Scale what an integer format could not hold by one gain; return it in dB."""
    if subtype in ("FLOAT", "DOUBLE") or wet.size == 0:
        return wet, 0.0
    peak = float(np.abs(wet).max())
    if peak <= 1.0:
        return wet, 0.0
    gain = 1.0 / peak
    return wet * gain, float(20 * np.log10(gain))
