"""From checked values to sounds and pictures; without Gradio.

The result is `cak_jax.render` of the uploaded sound, written as 24-bit WAV beside the
dry sound at the same loudness.
"""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import numpy as np

from cak_jax.apps.page.request_checks import RequestError
from cak_jax.audio import sound_file
from cak_jax.audio.formats import AudioError
from cak_jax.effect import text_code
from cak_jax.effect.effect import (
    Effect,
    describe,
    from_document,
    save_effect,
    to_document,
)
from cak_jax.effect.morph import morph
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import in_memory, residual
from cak_jax.rendering.loudness import (
    decibels,
    fitting_gain,
    level_in_words,
    matching_gain,
    rms,
)
from cak_jax.rendering.settings import RATES, RenderSettings
from cak_jax.report import kernel_figure, sound_figures, style
from cak_jax.runtime.text import printable

MOST_CHANNELS = 8
# Samples of all channels: 256 MB of float32.
MOST_SAMPLES = 1 << 26
# Samples of all channels at the effect's rate times the overlap of its frames. Ten
# minutes of stereo at 48 kHz with the usual overlap of four are half of it.
MOST_WORK = 1 << 29
LOUDEST = 1.0 - 2.0**-23  # the largest level of 24 bits
# 120 dB above full scale: a file with larger samples holds no sound.
LARGEST_SAMPLE = 1e6
DPI = 110
# A spectrogram picture has at most 1000 frames of 2048 samples.
PICTURE_FRAMES, PICTURE_FFT = 1000, 2048
SILENCE = 1e-5
HEARD = 0.1  # dB; a smaller difference of loudness is not heard


@dataclasses.dataclass(frozen=True)
class Sound:
    """An uploaded sound; its name is the file's, without folders and suffix."""

    samples: np.ndarray  # [channels, samples] float32
    sample_rate: int
    name: str
    notes: tuple[str, ...] = ()  # what is odd about the file

    @property
    def seconds(self) -> float:
        """The length of the sound."""
        return self.samples.shape[1] / self.sample_rate


class Pair(NamedTuple):
    """24-bit WAV files of a sound and what an effect makes of it, equally loud."""

    dry: pathlib.Path
    wet: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Rendered:
    """What the page shows of a rendering.

    Attributes:
      sounds: to compare.
      pictures: PNG files: what changes, before and after, waveform, kernel.
      effect_file: the effect that was applied.
      facts: short sentences.
    """

    sounds: Pair
    pictures: tuple[pathlib.Path, ...]
    effect_file: pathlib.Path
    facts: tuple[str, ...]


def read_sound(path: pathlib.Path, longest: float) -> Sound:
    """Decode an uploaded sound of at most `longest` seconds.

    Raises:
      RequestError: it is too long, has too many channels, or is no sound or a damaged
        one. The message names no path of this machine.
    """
    try:
        header = sound_file.info(path)
        rate, channels = header.sample_rate, header.channels
        if not RATES[0] <= rate <= RATES[1]:
            raise RequestError(
                f"the sound declares {rate} samples a second: from {RATES[0]} to "
                f"{RATES[1]} can be rendered"
            )
        if channels > MOST_CHANNELS:
            raise RequestError(
                f"the sound has {channels} channels: at most {MOST_CHANNELS} can be "
                "rendered here"
            )
        most = int(min(longest * rate, MOST_SAMPLES // channels))
        # The header may be wrong, so the decoded frames are counted as well.
        if (header.frames or 0) > most:
            raise _too_long(most / rate)
        blocks, count, notes = [], 0, list[str]()
        for block in sound_file.blocks(path, note=notes.append):
            count += len(block)
            if count > most:
                raise _too_long(most / rate)
            blocks.append(block)
    except AudioError as error:
        raise RequestError(f"the sound {error.reason}") from None
    if not count:
        raise RequestError("the sound is empty: choose another file")
    samples = np.ascontiguousarray(np.concatenate(blocks).T)
    # The comparison is false for NaN, too.
    if not np.abs(samples).max() <= LARGEST_SAMPLE:
        raise RequestError(
            "the sound holds samples that are no numbers, or far beyond full scale: "
            "mend or export it again"
        )
    return Sound(samples, rate, printable(path.stem), tuple(notes))


def _too_long(seconds: float) -> RequestError:
    return RequestError(
        f"the sound is too long: {seconds / 60:.3g} minutes of this kind can be "
        "rendered here; cut it, or use cak apply, which takes any length"
    )


def make_effect(first: dict, second: dict | None = None, share: float = 0.0) -> Effect:
    """Return the effect of a checked document, or the morph of two.

    `share` is the weight of the second, 0 to 1.
    """
    effect = from_document(first)
    if second is None or share == 0.0:
        return effect
    return morph([effect, from_document(second)], [1.0 - share, share])


def apply(
    effect: Effect, sound: Sound, amount: float, settings: RenderSettings
) -> np.ndarray:
    """Return a sound through an effect, `[channels, samples]` float32.

    Raises:
      RequestError: rendering would keep the machine busy for too long.
      EffectError: it cannot be rendered.
    """
    form = effect.spectrogram
    samples = sound.seconds * form.sample_rate * len(sound.samples)
    work = samples * form.n_fft / form.hop_length
    if work > MOST_WORK:
        raise RequestError(
            f"this effect can take {sound.seconds * MOST_WORK / work:.0f} seconds of "
            "this kind of sound here: cut it, or use cak apply"
        )
    wet = in_memory.render(
        effect, sound.samples, sound.sample_rate, amount=amount, **vars(settings)
    )
    if not np.isfinite(wet).all():
        raise EffectError(
            "the numbers of this effect make no sound (infinite samples): choose "
            "another effect, or turn the knob down"
        )
    return wet


def write(
    effect: Effect,
    sound: Sound,
    amount: float,
    settings: RenderSettings,
    folder: pathlib.Path,
) -> Rendered:
    """Render with `apply`, and write sounds and pictures into an empty folder."""
    wet = apply(effect, sound, amount, settings)
    name = file_stem(f"{sound.name}__{effect.name}_a{round(100 * amount):03d}")
    sounds, gains = write_pair(sound, wet, folder, name)
    dry_db, wet_db = spectra(sound.samples), spectra(wet)
    rate = sound.sample_rate
    hop = sound.samples.shape[1] / dry_db.shape[1]
    figures = (
        sound_figures.difference(dry_db, wet_db, rate, hop),
        sound_figures.spectrograms(dry_db, [wet_db], [amount], rate, hop, "Amount"),
        sound_figures.waveform(sound.samples, wet, rate),
        draw_kernel(effect, settings),
    )
    pictures = tuple(
        style.save(figure, folder / f"picture{number}.png", dpi=DPI)
        for number, figure in enumerate(figures)
    )
    effect_file = folder / f"{file_stem(effect.name)}.json"
    save_effect(effect, effect_file)
    return Rendered(
        sounds, pictures, effect_file, facts(effect, sound, wet, amount, gains)
    )


def write_pair(
    sound: Sound, wet: np.ndarray, folder: pathlib.Path, name: str
) -> tuple[Pair, tuple[float, float]]:
    """Write a sound and what an effect made of it; return files and gains of both.

    Both are equally loud. Rendering matches the loudness; where its ceiling or the
    limit of its gain leaves a difference, the dry sound gets the loudness of the wet.
    """
    match = matching_gain(wet, sound.samples, sound.sample_rate)
    if abs(decibels(match)) < HEARD:
        match = 1.0
    # One gain for both, so that they stay equally loud.
    gain = fitting_gain(match * sound.samples, wet, ceiling=LOUDEST)
    pair, gains = Pair(folder / "dry.wav", folder / f"{name}.wav"), (match * gain, gain)
    for path, samples, factor in zip(pair, (sound.samples, wet), gains, strict=True):
        write_sound(path, samples, sound.sample_rate, factor)
    return pair, gains


def write_sound(
    path: pathlib.Path, samples: np.ndarray, sample_rate: int, gain: float
) -> None:
    """Write `[channels, samples]` as 24-bit WAV, dithered."""
    samples = samples * np.float32(gain)
    sound_file.write(path, samples, sample_rate, "WAV", "PCM_24", dither="tpdf")


def facts(
    effect: Effect,
    sound: Sound,
    wet: np.ndarray,
    amount: float,
    gains: tuple[float, float] = (1.0, 1.0),
) -> tuple[str, ...]:
    """Return short sentences about a rendering; gains are of the dry and the wet."""
    channels = {1: "mono", 2: "stereo"}.get(len(wet), f"{len(wet)} channels")
    levels = [
        level_in_words(rms(part) * gain)
        for part, gain in zip((sound.samples, wet), gains, strict=True)
    ]
    apart, gain = gains[0] / gains[1], gains[1]
    sentences = [
        f"{sound.name} through {printable(effect.name)} at amount {amount:.2f}",
        *describe(effect),
        f"{sound.seconds:.2f} s, {sound.sample_rate} Hz, {channels}",
        f"level dry {levels[0]}, with the effect {levels[1]}",
        f"peak {level_in_words(float(np.abs(wet).max()) * gain)}",
        *(f"the sound {note}" for note in sound.notes),
    ]
    if apart != 1.0:
        sentences.append(
            f"dry turned by {decibels(apart):+.1f} dB, to be as loud as the effect"
        )
    if gain != 1.0:
        sentences.append(f"both turned down by {-decibels(gain):.1f} dB to fit 24 bits")
    if np.array_equal(wet, sound.samples):
        sentences.append("the sound is unchanged, sample by sample")
    return tuple(sentences)


def code_of(effect: Effect) -> str:
    """Return an effect's text code; "" if no code can hold its numbers."""
    try:
        return text_code.encode(to_document(effect))
    except EffectError:
        return ""


def file_stem(text: str) -> str:
    """Return a file name that every system can store.

    >>> file_stem("a/b c__bright_a050")
    'a_b c__bright_a050'
    """
    kept = (c if c.isascii() and (c.isalnum() or c in " -_") else "_" for c in text)
    return "".join(kept).strip()[-100:]


def draw_kernel(effect: Effect, settings: RenderSettings) -> Any:
    """Draw an effect's kernel as it is applied, with the settings' flip and size."""
    kernel = residual.flip(effect.kernel, settings.flip)
    apart = settings.apart(effect.spacing)[::-1]
    return kernel_figure.kernel(kernel, effect.spectrogram, apart)


def spectra(samples: np.ndarray) -> np.ndarray:
    """Return the levels of a spectrogram picture: frames spread evenly over any length.

    It takes `[channels, samples]`, at least one sample, and returns `[freq, frame]` in
    dB, the mean power of the channels.
    """
    half, length = PICTURE_FFT // 2, samples.shape[1]
    count = min(PICTURE_FRAMES, -(-length // (half // 2)))
    starts = ((np.arange(count) + 0.5) * length / count).astype(int)
    index = starts[:, None] + np.arange(PICTURE_FFT)[None]
    window = np.hanning(PICTURE_FFT + 1)[:-1].astype(np.float32)
    power = np.zeros((count, half + 1))
    for channel in samples:
        frames = np.pad(channel, half)[index] * window
        power += np.square(np.abs(np.fft.rfft(frames))) / len(samples)
    return decibels(np.sqrt(power.T), floor=SILENCE)
