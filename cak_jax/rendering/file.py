"""Render one sound file into another through an effect, in bounded memory.

The gain that matches the loudness, and the peak, are known only at the end of a sound.
So there are two passes: the first measures, the second writes. The result of the first
pass is kept in memory if it is short. A longer sound is rendered again, because that
costs less than keeping hours of sound on a disk.
"""

import contextlib
import dataclasses
import os
import pathlib
import time
import zlib
from collections.abc import Callable, Generator, Iterator

import numpy as np

from cak_jax.audio import metadata, sound_file
from cak_jax.audio.formats import (
    FLOAT_TYPES,
    AudioError,
    AudioInfo,
    exact_dtype,
    to_float,
)
from cak_jax.audio.truncation import shortfall
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import blocks, published
from cak_jax.rendering.blocks import Pair
from cak_jax.rendering.knob import Knob
from cak_jax.rendering.loudness import Match, decibels
from cak_jax.rendering.settings import RenderSettings

# Samples over all channels at the higher of the two rates, 1 GB of float64. A limit,
# because a small file may hold a very long sound.
MAX_PUBLISHED = 1 << 27
# Samples over all channels that are kept between the passes, 128 MB of float64.
KEPT_SAMPLES = 1 << 24
# Said where arithmetic on the samples overflows.
TOO_LOUD = "is too loud to render: its samples are far above full scale"

# Starts to read a sound from its beginning, in blocks `[channels, n]`.
Read = Callable[[], Iterator[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Report:
    """The file that was written, and how.

    Attributes:
      output: the file.
      sample_rate, channels: of the sound, Hz.
      frames: samples per channel.
      format, subtype: soundfile's names.
      loudness_gain_db: the gain that matched the loudness; None in mode published,
        whose own match is part of the sound.
      clip_gain_db: the gain that kept integer samples below full scale; 0 for none.
      seconds: that the rendering took.
      notes: one line for each unexpected thing.
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


@dataclasses.dataclass(frozen=True)
class Measured:
    """The result of the first pass.

    Attributes:
      samples: per channel.
      gain: the gain that matches the loudness; exactly 1 where nothing changed.
      gain_was_cut: whether the gain was limited to its allowed range.
      peak: the largest absolute sample after the gain.
    """

    samples: int
    gain: float
    gain_was_cut: bool
    peak: float


def render_file(
    effect: Effect,
    source: pathlib.Path,
    target: pathlib.Path,
    format: str,
    subtype: str,
    knob: Knob,
    settings: RenderSettings,
    *,
    dither: str = "tpdf",
    overwrite: bool = False,
    progress: Callable[[float], None] = lambda seconds: None,
) -> Report:
    """Render one file of any length, and copy its metadata.

    Args:
      effect: the effect to apply.
      source: the input.
      target: the output, in a folder that exists.
      format, subtype: of the output, in soundfile's names.
      knob: the knob; not an array.
      settings: how to render.
      dither: one of `formats.DITHERS`, for integer outputs.
      overwrite: replace an output that exists.
      progress: called with the seconds of sound done so far, counted over two passes.

    Raises:
      InputError, OSError: the input cannot be rendered; no output is left.
    """
    started = time.monotonic()
    kept = metadata.carry(source, format, sound_file.tags(source))
    header, damage = sound_file.info(source), shortfall(source)
    kind = Published if settings.mode == "published" else Rendering
    rendering = kind(
        effect,
        _reader(source, header),
        header.sample_rate,
        header.channels,
        knob,
        settings,
        lambda samples: progress(samples / header.sample_rate),
    )
    measured = rendering.measure()
    clip_gain = 1.0
    if subtype not in FLOAT_TYPES and measured.peak > 1.0:
        clip_gain = 1.0 / measured.peak
    writing = sound_file.create(
        target,
        header.sample_rate,
        header.channels,
        format,
        subtype,
        overwrite,
        finish=kept.attach,
        dither=dither,
        seed=dither_seed(source),
    )
    with writing as append, contextlib.closing(rendering.blocks(clip_gain)) as parts:
        for part in parts:
            append(part)
    notes = (*kept.notes, *_missing(damage, header, measured.samples))
    if measured.gain_was_cut:
        level = _gain_db(measured.gain)
        notes += (f"loudness not matched: the gain ends at {level:+.0f} dB",)
    return Report(
        output=target,
        sample_rate=header.sample_rate,
        channels=header.channels,
        frames=measured.samples,
        format=format,
        subtype=subtype,
        loudness_gain_db=None if kind is Published else _gain_db(measured.gain),
        clip_gain_db=_gain_db(clip_gain),
        seconds=time.monotonic() - started,
        notes=notes,
    )


def _missing(damage: str, header: AudioInfo, samples: int) -> Iterator[str]:
    """Yield a note if an input holds less sound than it declares."""
    if damage:
        yield f"the input {damage}"
    # Not for MP3, whose length is a guess if its encoder did not store it.
    elif header.format != "MP3" and samples < header.frames:
        yield f"the input declares {header.frames} samples and holds {samples}"


def _gain_db(gain: float) -> float:
    return 0.0 if gain == 1.0 else float(decibels(gain))


def _reader(source: pathlib.Path, header: AudioInfo) -> Read:
    def read() -> Iterator[np.ndarray]:
        for block in sound_file.blocks(source, dtype=exact_dtype(header)):
            # Contiguous, because all steps that follow go along the rows.
            samples = to_float(np.ascontiguousarray(block.T))
            if not np.isfinite(samples).all():
                raise AudioError(source, "holds NaN or infinite samples")
            yield samples

    return read


def dither_seed(source: pathlib.Path) -> int:
    """Return a seed for dither noise, made of the file's name.

    The same file gets the same noise every time. Files that are mixed later, such as
    the tracks of one song, get different noises, which do not add up coherently.
    """
    return zlib.crc32(os.fsencode(source.name))


class Rendering:
    """One sound through an effect in mode "residual", in two passes."""

    def __init__(
        self,
        effect: Effect,
        read: Read,
        sample_rate: int,
        channels: int,
        knob: Knob,
        settings: RenderSettings,
        progress: Callable[[int], None] = lambda samples: None,
    ):
        """Prepare; nothing is read yet.

        Args:
          effect: the effect to apply.
          read: starts to read the sound, `[channels, n]` float blocks.
          sample_rate: of the sound, Hz.
          channels: of the sound.
          knob: the knob.
          settings: how to render.
          progress: called with the samples per channel done so far, counted over two
            passes.
        """
        self._arguments = effect, sample_rate, channels, knob, settings
        self._read, self._progress = read, progress
        self._kept: list[np.ndarray] | None = []
        self._done = 0

    def measure(self) -> Measured:
        """Do the first pass.

        Raises:
          EffectError: the sound is too loud, or its loudness cannot be measured.
        """
        _, sample_rate, channels, _, settings = self._arguments
        match = Match(settings.loudness, sample_rate, channels)
        samples, peak = 0, 0.0
        # Without warnings, because an overflow is detected below.
        with np.errstate(over="ignore", invalid="ignore"):
            for dry, wet in self._run():
                match.add(dry, wet)
                samples += wet.shape[-1]
                # Not max(peak, ...), because that can lose a NaN.
                peak = float(np.maximum(peak, np.abs(wet).max(initial=0.0)))
                if samples * channels > KEPT_SAMPLES:
                    self._kept = None
                if self._kept is not None:
                    self._kept.append(wet)
            gain, was_cut = match.gain()
        if not np.isfinite(peak * gain):
            raise EffectError(TOO_LOUD)
        self._samples, self._gain = samples, gain
        return Measured(samples, gain, was_cut, peak * gain)

    def blocks(self, gain: float = 1.0) -> Generator[np.ndarray]:
        """Yield the rendered sound `[channels, n]`, loudness matched, times `gain`.

        Raises:
          EffectError: the sound has changed since the first pass.
        """
        kept, count = self._kept, 0
        parts = (wet for _, wet in self._run()) if kept is None else iter(kept)
        gain = self._gain * gain
        for wet in parts:
            count += wet.shape[-1]
            if kept is not None:
                self._advance(wet)
            yield wet if gain == 1.0 else wet * gain
        if count != self._samples:
            raise EffectError("was changed while it was rendered: try again")

    def _run(self) -> Generator[Pair]:
        effect, sample_rate, channels, knob, settings = self._arguments
        for dry, wet in blocks.changed(
            effect, self._read(), sample_rate, channels, knob, settings
        ):
            self._advance(wet)
            yield dry, wet

    def _advance(self, wet: np.ndarray) -> None:
        self._done += wet.shape[-1]
        self._progress(self._done)


class Published(Rendering):
    """One sound through an effect in mode "published", as a whole in memory."""

    def measure(self) -> Measured:
        """Render the sound.

        Raises:
          EffectError: the sound is too long, or too loud.
        """
        effect, sample_rate, channels, knob, _ = self._arguments
        dry = np.concatenate([np.zeros((channels, 0)), *self._whole()], axis=1)
        if not dry.size:
            self._wet = dry
            return Measured(0, 1.0, False, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            self._wet = published.render(effect, dry, sample_rate, knob)
            peak = float(np.abs(self._wet).max(initial=0.0))
        if not np.isfinite(peak):
            raise EffectError(TOO_LOUD)
        # Gain 1, because its RMS match and its tanh are part of the sound.
        return Measured(self._wet.shape[-1], 1.0, False, peak)

    def _whole(self) -> Iterator[np.ndarray]:
        effect, rate, channels, _, _ = self._arguments
        highest = max(rate, effect.spectrogram.sample_rate)
        most, samples = MAX_PUBLISHED * rate // highest // channels, 0
        for block in self._read():
            samples += block.shape[-1]
            if samples > most:
                raise EffectError(
                    "is too long for mode published, which needs it in memory as a "
                    f"whole: split it into parts of {most / rate / 60:.3g} minutes"
                )
            yield block

    def blocks(self, gain: float = 1.0) -> Generator[np.ndarray]:
        """Yield the rendered sound `[channels, n]` times `gain`."""
        return blocks.slices(self._wet if gain == 1.0 else self._wet * gain)
