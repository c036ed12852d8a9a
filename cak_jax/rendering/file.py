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
from typing import TYPE_CHECKING

import numpy as np

from cak_jax.audio import metadata, sound_file
from cak_jax.audio.formats import (
    FLOAT_TYPES,
    AudioError,
    AudioInfo,
    exact_dtype,
    to_float,
)
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import blocks
from cak_jax.rendering.blocks import Pair
from cak_jax.rendering.ceiling import CEILING, Ceiling, is_high, same_samples
from cak_jax.rendering.knob import Aim, Knob
from cak_jax.rendering.loudness import Match, decibels
from cak_jax.rendering.settings import RenderSettings

if TYPE_CHECKING:  # because it loads JAX
    from cak_jax.rendering.aim import Found

# A rendered sound `[channels, n]`, and which of its samples are those of the dry one.
Changed = tuple[np.ndarray, np.ndarray]
# Samples over all channels at the higher of the two rates, 1 GB of float64. A limit,
# because a small file may hold a very long sound.
MAX_PUBLISHED = 1 << 27
# Samples over all channels that are kept between the passes, 128 MB of float64.
KEPT_SAMPLES = 1 << 24


@dataclasses.dataclass(frozen=True)
class Report:
    """The file that was written, and how.

    Attributes:
      sample_rate: Hz.
      frames: samples per channel.
      format, subtype: soundfile's names.
      loudness_gain_db: the gain that matched the loudness; None in mode published,
        whose own match is part of the sound.
      ceiling_gain_db: the smallest gain of the ceiling, 0 where nothing reached it.
      clip_gain_db: the one gain of peaks "gain", or the one that kept integer samples
        of the dry sound below full scale; 0 for none.
      seconds: that the rendering took.
      aim: what was found for an aim; None for a knob.
      notes: one line for each unexpected thing.
    """

    output: pathlib.Path
    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str
    loudness_gain_db: float | None
    ceiling_gain_db: float
    clip_gain_db: float
    seconds: float
    aim: "Found | None"
    notes: tuple[str, ...]


def render_file(
    effect: Effect,
    source: pathlib.Path,
    target: pathlib.Path,
    format: str,
    subtype: str,
    knob: Knob | Aim,
    settings: RenderSettings,
    *,
    dither: str = "tpdf",
    overwrite: bool = False,
    may_be_float: bool = False,
    progress: Callable[[float], None] = lambda seconds: None,
) -> Report:
    """Render one file of any length, and copy its metadata.

    Args:
      target: the output, in a folder that exists.
      format, subtype: of the output, in soundfile's names.
      knob: not an array. For an aim the sound is read once more.
      dither: one of `formats.DITHERS`, for integer outputs.
      may_be_float: whether to write 32-bit float where an integer output would have
        to be turned down.
      progress: called with the seconds of sound done so far, counted over two passes.

    Raises:
      InputError, OSError: the input cannot be rendered; no output is left.
    """
    started = time.monotonic()
    kept = metadata.carry(source, format, sound_file.tags(source))
    header, odd = sound_file.info(source), dict[str, None]()
    rate, channels = header.sample_rate, header.channels

    def read() -> Iterator[np.ndarray]:
        return _samples(source, header, odd)

    found = None
    if isinstance(knob, Aim):
        from cak_jax.rendering.aim import find_amount

        found = find_amount(
            effect, read(), rate, channels, knob, settings, lambda: progress(0.0)
        )
        knob = Knob(found.amount, "amount")
    rendering = Rendering(
        effect,
        read,
        rate,
        channels,
        knob,
        settings,
        lambda samples: progress(samples / rate),
    )
    rendering.measure()
    if may_be_float and rendering.peak > 1.0:
        subtype = "FLOAT"
    clip_gain = rendering.peak_gain
    leave = settings.peaks == "none" and settings.mode == "residual"
    clipped = subtype not in FLOAT_TYPES and rendering.peak > 1.0
    if clipped and not leave:
        clip_gain = clip_gain / rendering.peak
    writing = sound_file.create(
        target,
        rate,
        channels,
        format,
        subtype,
        overwrite,
        finish=kept.attach,
        dither=dither,
        # The same file gets the same noise every time. Files that are mixed later get
        # different noises, which do not add up coherently.
        seed=zlib.crc32(os.fsencode(source.name)),
    )
    with writing as append, contextlib.closing(rendering.blocks(clip_gain)) as parts:
        for part in parts:
            append(part)
    notes = [*kept.notes]
    notes += [f"the input {note}" for note in odd]
    gain_db = float(decibels(rendering.gain))
    if clipped and leave:
        over = float(decibels(rendering.peak))
        notes.append(f"clipped: peaks were up to {over:.1f} dB above full scale")
    if rendering.gain_was_cut:
        notes.append(f"loudness not matched: the gain ends at {gain_db:+.0f} dB")
    return Report(
        output=target,
        sample_rate=rate,
        channels=channels,
        frames=rendering.samples,
        format=format,
        subtype=subtype,
        loudness_gain_db=None if settings.mode == "published" else gain_db,
        ceiling_gain_db=float(decibels(rendering.lowest)),
        clip_gain_db=float(decibels(clip_gain)),
        seconds=time.monotonic() - started,
        aim=found,
        notes=tuple(notes),
    )


def _samples(
    source: pathlib.Path, header: AudioInfo, odd: dict[str, None]
) -> Iterator[np.ndarray]:
    """Yield the samples; at their end, add what is odd about the file to `odd`."""
    kind = exact_dtype(header)
    for block in sound_file.blocks(source, dtype=kind, note=odd.setdefault):
        # Contiguous, because all steps that follow go along the rows.
        samples = to_float(np.ascontiguousarray(block.T))
        if not np.isfinite(samples).all():
            raise AudioError(source, "holds NaN or infinite samples")
        yield samples


def scaled(sound: np.ndarray, gain: float) -> np.ndarray:
    """Return a sound times a gain; the same array for a gain of 1."""
    return sound if gain == 1.0 else sound * gain


@dataclasses.dataclass
class Rendering:
    """One sound through an effect, in two passes: `measure`, then `blocks`.

    Attributes:
      read: starts to read the sound, `[channels, n]` float blocks.
      progress: called with the samples per channel done so far, counted over two
        passes.
      samples: per channel; this and the rest is known after `measure`.
      gain: the gain that matches the loudness; exactly 1 where nothing changed.
      gain_was_cut: whether the gain was limited to its allowed range.
      peak_gain: the one gain of peaks "gain".
      peak: the largest absolute sample of the sound that `blocks` yields. Where the
        ceiling acts, the ceiling itself, which that sample may stay below a little.
      lowest: the smallest gain of the ceiling; known after `blocks`.
    """

    effect: Effect
    read: Callable[[], Iterator[np.ndarray]]
    sample_rate: int
    channels: int
    knob: Knob
    settings: RenderSettings
    progress: Callable[[int], None] = lambda samples: None
    samples: int = dataclasses.field(default=0, init=False)
    gain: float = dataclasses.field(default=1.0, init=False)
    gain_was_cut: bool = dataclasses.field(default=False, init=False)
    peak_gain: float = dataclasses.field(default=1.0, init=False)
    peak: float = dataclasses.field(default=0.0, init=False)
    lowest: float = dataclasses.field(default=1.0, init=False)

    def measure(self) -> None:
        """Do the first pass.

        Raises:
          EffectError: the sound is too loud, its loudness cannot be measured, or it is
            too long for mode "published".
        """
        whole = self.settings.mode == "published"
        match = Match(self.settings.loudness, self.sample_rate, self.channels)
        self._kept: list[Changed] | None = []
        # The largest samples that are those of the dry sound, and others.
        peaks = np.zeros(2)
        # Without warnings, because an overflow is detected below.
        with np.errstate(over="ignore", invalid="ignore"):
            for dry, wet in self._published() if whole else self._residual():
                match.add(dry, wet)
                self.samples += wet.shape[-1]
                self.progress(self.samples)
                is_dry = same_samples(dry, wet)
                loudest = np.abs(wet).max(axis=0)
                own = np.array([(is_dry * loudest), (~is_dry * loudest)])
                # Not max(peak, ...), because that can lose a NaN.
                peaks = np.maximum(peaks, own.max(axis=1, initial=0.0))
                if self.samples * self.channels > KEPT_SAMPLES and not whole:
                    self._kept = None
                if self._kept is not None:
                    self._kept.append((wet, is_dry))
            self.gain, self.gain_was_cut = match.gain()
            peaks *= self.gain
        if not np.isfinite(peaks).all():
            raise EffectError(
                "is too loud to render: its samples are far above full scale"
            )
        if self.gain != 1.0:
            peaks = np.array([0.0, peaks.max()])
        how = "none" if whole else self.settings.peaks
        if how == "gain" and peaks[1] > 1.0:
            self.peak_gain = 1.0 / peaks[1]
            peaks *= self.peak_gain
        self._has_ceiling = how == "ceiling" and is_high(peaks[1])
        if self._has_ceiling:
            peaks[1] = min(peaks[1], CEILING)
        self.peak = float(peaks.max())

    def blocks(self, gain: float = 1.0) -> Generator[np.ndarray]:
        """Yield the rendered sound `[channels, n]`, as loud as asked, times `gain`.

        Raises:
          EffectError: the sound has changed since the first pass.
        """
        if not self._has_ceiling:
            yield from (scaled(wet, self.gain * gain) for wet, _ in self._changed())
            return
        compiled = not blocks.is_short(self.samples, self.sample_rate, self.channels)
        ceiling = Ceiling(self.sample_rate, self.channels, compiled=compiled)
        for wet, is_dry in self._changed():
            own = is_dry if self.gain == 1.0 else None
            part = ceiling.push(scaled(wet, self.gain), own)
            self.lowest = min(self.lowest, ceiling.lowest)
            yield scaled(part, gain)
        yield scaled(ceiling.finish(), gain)
        self.lowest = min(self.lowest, ceiling.lowest)

    def _changed(self) -> Iterator[Changed]:
        count, kept = 0, self._kept
        for wet, is_dry in self._again() if kept is None else kept:
            count += wet.shape[-1]
            self.progress(self.samples + count)
            yield wet, is_dry
        if count != self.samples:
            raise EffectError("was changed while it was rendered: try again")

    def _again(self) -> Iterator[Changed]:
        for dry, wet in self._residual():
            yield wet, same_samples(dry, wet)

    def _residual(self) -> Generator[Pair]:
        sound = self.read(), self.sample_rate, self.channels
        return blocks.changed(self.effect, *sound, self.knob, self.settings)

    def _published(self) -> Iterator[Pair]:
        highest = max(self.sample_rate, self.effect.spectrogram.sample_rate)
        most = MAX_PUBLISHED * self.sample_rate // highest // self.channels
        parts, samples = [np.zeros((self.channels, 0))], 0
        for block in self.read():
            samples += block.shape[-1]
            if samples > most:
                minutes = most / self.sample_rate / 60
                raise EffectError(
                    "is too long for mode published, which needs it in memory as a "
                    f"whole: split it into parts of {minutes:.3g} minutes"
                )
            parts.append(block)
        dry = np.concatenate(parts, axis=1)
        parts.clear()
        if dry.size:
            from cak_jax.rendering import published

            wet = published.render(self.effect, dry, self.sample_rate, self.knob)
            # Each part twice, so that the loudness is not matched again.
            yield from ((part, part) for part in blocks.slices(wet))
