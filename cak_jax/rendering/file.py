"""Render one sound file into another through an effect, in bounded memory.

The gain that matches the loudness, and the peak, are known only at the end of a sound.
So a sound is rendered twice: the first pass measures, the second writes. The result of
the first pass is kept where it is short; rendering again costs less than keeping hours
of sound on a disk.
"""

import contextlib
import dataclasses
import os
import pathlib
import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from cak_jax.audio import metadata, sound_file
from cak_jax.audio.formats import FLOAT_TYPES, AudioError, exact_dtype
from cak_jax.audio.truncation import shortfall
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import blocks, published
from cak_jax.rendering.knob import Knob
from cak_jax.rendering.loudness import Match, decibels
from cak_jax.rendering.settings import RenderSettings

# Samples over all channels at the higher of the two rates, 1 GB of float64: a small
# file may hold a very long sound.
MAX_PUBLISHED = 1 << 27
# Samples over all channels that are kept between the passes: 128 MB of float64.
KEPT_SAMPLES = 1 << 24

Read = Callable[[], Iterator[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
      output: the file.
      sample_rate, channels, frames: samples per second, their columns and rows.
      format, subtype: soundfile's names.
      loudness_gain_db: what matched the loudness; None in mode published, which
        does so by itself.
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


class TooLoudError(EffectError):
    """Samples so far above full scale that arithmetic on them overflows."""

    def __init__(self):
        super().__init__("is too loud to render: its samples are far above full scale")


class ChangedError(EffectError):
    """A sound that was not the same the second time it was read."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is known of a rendering after the first pass.

    Attributes:
      samples: per channel.
      gain: that matches the loudness; exactly 1 where nothing changed.
      gain_was_cut: whether it would have been beyond what is allowed.
      peak: the largest sample after the gain.
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
    """Render one file, however long; its metadata come along.

    Args:
      effect: what to apply.
      source: the input.
      target: the output, in a folder that exists.
      format, subtype: of the output, in soundfile's names.
      knob: where it stands.
      settings: how.
      dither: of `formats.DITHERS`, where the output's samples are integers.
      overwrite: replace an output that exists.
      progress: called with the seconds of sound gone through, of two passes.

    Raises:
      ValueError, OSError: the file is left undone, nothing is written.
    """
    started = time.monotonic()
    kept = metadata.carry(source, format, sound_file.tags(source))
    found, cut = sound_file.info(source), shortfall(source)
    rate = found.sample_rate
    rendering = _rendering(effect, source, found, knob, settings, progress)
    measured = rendering.measure()
    clip_gain = 1.0
    if subtype not in FLOAT_TYPES and measured.peak > 1.0:
        clip_gain = 1.0 / measured.peak
    layout = (rate, found.channels, format, subtype, overwrite)
    finishing = {"dither": dither, "seed": dither_seed(source)}
    with (
        sound_file.create(target, *layout, finish=kept.attach, **finishing) as append,
        contextlib.closing(rendering.blocks(clip_gain)) as parts,
    ):
        for part in parts:
            append(part)
    is_published = settings.mode == "published"
    notes = (*kept.notes, *_missing(cut, found, measured.samples))
    if measured.gain_was_cut:
        level = _gain_db(measured.gain)
        notes += (f"loudness not matched: the gain ends at {level:+.0f} dB",)
    return Report(
        output=target,
        sample_rate=rate,
        channels=found.channels,
        frames=measured.samples,
        format=format,
        subtype=subtype,
        loudness_gain_db=None if is_published else _gain_db(measured.gain),
        clip_gain_db=_gain_db(clip_gain),
        seconds=time.monotonic() - started,
        notes=notes,
    )


def _missing(cut: str, found: sound_file.AudioInfo, samples: int) -> Iterator[str]:
    """Say what an input lacks of what it declares."""
    if cut:
        yield f"the input {cut}"
    # Of MP3 the length is a guess where no encoder wrote it down.
    elif found.format != "MP3" and samples < found.frames:
        yield f"the input declares {found.frames} samples and holds {samples}"


def _gain_db(gain: float) -> float:
    return 0.0 if gain == 1.0 else float(decibels(gain))


def _rendering(
    effect: Effect,
    source: pathlib.Path,
    found: sound_file.AudioInfo,
    knob: Knob,
    settings: RenderSettings,
    progress: Callable[[float], None],
) -> "Rendering | _Published":
    def read() -> Iterator[np.ndarray]:
        for block in sound_file.blocks(source, dtype=exact_dtype(found)):
            # A row per channel in memory, too: all that follows goes along rows.
            samples = sound_file.to_float(np.ascontiguousarray(block.T))
            if not np.isfinite(samples).all():
                raise AudioError(source, "holds NaN or infinite samples")
            yield samples

    if settings.mode == "published":
        return _Published(effect, read, found, knob)
    return Rendering(
        effect,
        read,
        found.sample_rate,
        found.channels,
        knob,
        settings,
        lambda samples: progress(samples / found.sample_rate),
    )


class _Published:
    """The published application's rendering, which needs the whole sound at once."""

    def __init__(
        self, effect: Effect, read: Read, found: sound_file.AudioInfo, knob: Knob
    ):
        self._effect, self._read, self._found = effect, read, found
        self._knob = knob

    def measure(self) -> Measured:
        parts = [np.zeros((self._found.channels, 0)), *self._whole()]
        dry = np.concatenate(parts, axis=1)
        if not dry.size:
            self._wet = dry
            return Measured(0, 1.0, False, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            self._wet = published.render(
                self._effect, dry, self._found.sample_rate, self._knob
            )
            peak = float(np.abs(self._wet).max(initial=0.0))
        if not np.isfinite(peak):
            raise TooLoudError
        # Its own match of RMS and its tanh are part of the sound.
        return Measured(self._wet.shape[-1], 1.0, False, peak)

    def _whole(self) -> Iterator[np.ndarray]:
        rate = self._found.sample_rate
        own = max(rate, self._effect.spectrogram.sample_rate)
        most, samples = MAX_PUBLISHED * rate // own // self._found.channels, 0
        for block in self._read():
            samples += block.shape[-1]
            if samples > most:
                raise ValueError(
                    "is too long for mode published, which needs it in memory as a "
                    f"whole: split it into parts of {most / rate / 60:.3g} minutes"
                )
            yield block

    def blocks(self, gain: float) -> Iterator[np.ndarray]:
        return blocks.slices(self._wet if gain == 1.0 else self._wet * gain)


def dither_seed(source: pathlib.Path) -> int:
    """Return a number of a file's name: the same file sounds the same every time.

    Files that are mixed later, such as the tracks of one song, differ in it, so that
    their noises do not add up as one.
    """
    return zlib.crc32(os.fsencode(source.name))


class Rendering:
    """One sound through an effect, mode "residual"."""

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
          effect: what to apply.
          read: gives the sound from its beginning, `[channels, n]` float blocks.
          sample_rate: of the sound, Hz.
          channels: of the sound.
          knob: where it stands.
          settings: how.
          progress: called with the samples per channel gone through, of two passes.
        """
        self._arguments = effect, sample_rate, channels, knob, settings
        self._read, self._progress = read, progress
        self._kept: list[np.ndarray] | None = []
        self._done = 0

    def measure(self) -> Measured:
        """Go through the sound once.

        Raises:
          EffectError: it is too loud, or not what the loudness match can do.
        """
        _, sample_rate, channels, _, settings = self._arguments
        match = Match(settings.loudness, sample_rate, channels)
        samples, peak = 0, 0.0
        # Float files may hold numbers whose squares overflow: seen below, in one line.
        with np.errstate(over="ignore", invalid="ignore"):
            for dry, wet in self._run():
                match.add(dry, wet)
                samples += wet.shape[-1]
                # Not max(peak, ...): that would lose a NaN.
                peak = float(np.maximum(peak, np.abs(wet).max(initial=0.0)))
                self._keep(wet, samples * channels)
            gain, was_cut = match.gain()
        if not np.isfinite(peak * gain):
            raise TooLoudError
        self._samples, self._gain = samples, gain
        return Measured(samples, gain, was_cut, peak * gain)

    def blocks(self, gain: float = 1.0) -> Iterator[np.ndarray]:
        """Yield the sound `[channels, n]`, its loudness matched, times `gain`.

        Raises:
          EffectError: the sound has changed since it was measured.
        """
        kept, given = self._kept, 0
        parts = (wet for _, wet in self._run()) if kept is None else iter(kept)
        gain = self._gain * gain
        for wet in parts:
            given += wet.shape[-1]
            if kept is not None:
                self._advance(wet)
            yield wet if gain == 1.0 else wet * gain
        if given != self._samples:
            raise ChangedError("was changed while it was rendered: try again")

    def _run(self):
        effect, sample_rate, channels, knob, settings = self._arguments
        for dry, wet in blocks.changed(
            effect, self._read(), sample_rate, channels, knob, settings
        ):
            self._advance(wet)
            yield dry, wet

    def _advance(self, wet):
        self._done += wet.shape[-1]
        self._progress(self._done)

    def _keep(self, wet: np.ndarray, so_far: int) -> None:
        if self._kept is None:
            return
        if so_far > KEPT_SAMPLES:
            self._kept = None
        else:
            self._kept.append(wet)
