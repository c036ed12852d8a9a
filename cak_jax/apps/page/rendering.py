"""From checked values to sound and pictures; without Gradio.

What comes out is `render.render` of the sound that was uploaded, written as 24-bit WAV
beside the dry sound at the same loudness.
"""

import dataclasses
import pathlib

import numpy as np

from cak_jax.apps.page import pictures
from cak_jax.apps.page.request_checks import RequestError
from cak_jax.audio import sound_file
from cak_jax.audio.formats import AudioError
from cak_jax.effect import text_code
from cak_jax.effect.effect import Effect, from_document, save_effect, to_document
from cak_jax.effect.morph import morph
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import decibels, fitting_gain, rms
from cak_jax.rendering.settings import RATES, RenderSettings
from cak_jax.report import style
from cak_jax.runtime.text import printable

MOST_CHANNELS = 8
# Over all channels: 256 MB of float32.
MOST_SAMPLES = 1 << 26
# Samples at the effect's rate times the overlap of its frames: ten minutes of stereo
# at 48 kHz with the usual overlap of four, twice.
MOST_WORK = 1 << 29
LOUDEST = 1.0 - 2.0**-23  # the greatest level of 24 bits
# Beyond this a float file holds no sound, and its squares are not finite.
LARGEST_SAMPLE = 1e6


@dataclasses.dataclass(frozen=True)
class Sound:
    """An uploaded sound.

    Attributes:
      samples: `[channels, samples]` float32.
      sample_rate: Hz.
      name: of the file, without folders and suffix.
    """

    samples: np.ndarray
    sample_rate: int
    name: str

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.samples.shape[1] / self.sample_rate


@dataclasses.dataclass(frozen=True)
class Rendered:
    """What the page shows of a rendering.

    Attributes:
      dry, wet: 24-bit WAV files, equally loud.
      spectrograms, waveform, kernel: PNG files.
      effect_file: that was applied, morph and all.
      facts: what was done, in short sentences.
    """

    dry: pathlib.Path
    wet: pathlib.Path
    spectrograms: pathlib.Path
    waveform: pathlib.Path
    kernel: pathlib.Path
    effect_file: pathlib.Path
    facts: tuple[str, ...]


def read_sound(path: pathlib.Path, longest: float) -> Sound:
    """Decode an uploaded sound, no more of it than is allowed.

    Args:
      path: any file.
      longest: seconds.

    Raises:
      RequestError, AudioError: too long, of too many channels, no sound, or damaged;
        without a path of this machine.
    """
    try:
        found = sound_file.info(path)
        rate, channels = found.sample_rate, found.channels
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
        # What a header declares may be wrong, so that it is counted as well.
        if found.frames > most:
            raise _too_long(most / rate)
        blocks, count = [], 0
        for block in sound_file.blocks(path):
            count += len(block)
            if count > most:
                raise _too_long(most / rate)
            blocks.append(block)
    except AudioError as error:
        raise RequestError(f"the sound {error.reason}") from None
    if not count:
        raise RequestError("the sound is empty: choose another file")
    samples = np.ascontiguousarray(np.concatenate(blocks).T)
    # false for NaN, too
    if not np.abs(samples).max() <= LARGEST_SAMPLE:
        raise RequestError(
            "the sound holds samples that are no numbers, or far beyond full scale: "
            "mend or export it again"
        )
    return Sound(samples, rate, printable(path.stem))


def _too_long(seconds: float) -> RequestError:
    return RequestError(
        f"the sound is too long: {seconds / 60:.3g} minutes of this kind can be "
        "rendered here; cut it, or use cak apply, which takes any length"
    )


def make_effect(first: dict, second: dict | None = None, share: float = 0.0) -> Effect:
    """Return the effect of one checked document, or that between two.

    Args:
      first, second: checked documents.
      share: of the second, 0 to 1.
    """
    effect = from_document(first)
    if second is None or share == 0.0:
        return effect
    return morph([effect, from_document(second)], [1.0 - share, share])


def check_work(effect: Effect, sound: Sound) -> None:
    """Refuse what would keep the machine busy for too long.

    Raises:
      RequestError: the sound is too long for this effect.
    """
    settings, channels = effect.spectrogram, len(sound.samples)
    samples = sound.seconds * settings.sample_rate * channels
    work = samples * settings.n_fft / settings.hop_length
    if work > MOST_WORK:
        raise RequestError(
            f"this effect can take {sound.seconds * MOST_WORK / work:.0f} seconds of "
            "this kind of sound here: cut it, or use cak apply"
        )


def apply(
    effect: Effect, sound: Sound, amount: float, settings: RenderSettings
) -> np.ndarray:
    """Return the sound through the effect, `[channels, samples]` float32.

    Raises:
      RequestError, EffectError: it cannot be rendered.
    """
    check_work(effect, sound)
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
    """Render, and write sounds and pictures.

    Args:
      effect, sound, amount, settings: what to render, and how.
      folder: an empty folder.

    Raises:
      RequestError, EffectError, AudioError: it cannot be rendered or written.
    """
    wet = apply(effect, sound, amount, settings)
    # One for both: they stay equally loud.
    gain = fitting_gain(sound.samples, wet, ceiling=LOUDEST)
    name = file_stem(f"{sound.name}__{effect.name}_a{round(100 * amount):03d}")
    files = {"dry": folder / "dry.wav", "wet": folder / f"{name}.wav"}
    for path, samples in zip(files.values(), (sound.samples, wet), strict=True):
        write_sound(path, samples, sound.sample_rate, gain)
    for kind, figure in pictures.draw(
        effect, sound.samples, wet, sound.sample_rate, amount, settings
    ).items():
        files[kind] = style.save(figure, folder / f"{kind}.png", dpi=pictures.DPI)
    files["effect_file"] = folder / f"{file_stem(effect.name)}.json"
    save_effect(effect, files["effect_file"])
    return Rendered(**files, facts=facts(effect, sound, wet, amount, gain))


def write_sound(path, samples: np.ndarray, sample_rate: int, gain: float) -> None:
    """Write `[channels, samples]` as 24-bit WAV, dithered."""
    # At gain 1 untouched: what the effect left alone stays as it is, to the bit.
    samples = samples if gain == 1.0 else samples * np.float32(gain)
    sound_file.write(path, samples, sample_rate, "WAV", "PCM_24", dither="tpdf")


def facts(effect, sound: Sound, wet: np.ndarray, amount: float, gain: float):
    """Return what was done, in short sentences."""
    channels = {1: "mono", 2: "stereo"}.get(len(wet), f"{len(wet)} channels")
    levels = [level_in_words(rms(part) * gain) for part in (sound.samples, wet)]
    said = [
        f"{printable(effect.name)} at amount {amount:.2f}",
        f"{sound.seconds:.2f} s, {sound.sample_rate} Hz, {channels}",
        f"level dry {levels[0]}, with the effect {levels[1]}",
        f"peak {level_in_words(float(np.abs(wet).max()) * gain)}",
    ]
    if gain != 1.0:
        said.append(f"both turned down by {-decibels(gain):.1f} dB to fit 24 bits")
    if np.array_equal(wet, sound.samples):
        said.append("the sound is unchanged, sample by sample")
    return tuple(said)


def code_of(effect: Effect) -> str:
    """Return an effect's text code; "" for one that no code can hold."""
    try:
        return text_code.encode(to_document(effect))
    except EffectError:
        return ""


def level_in_words(amplitude: float) -> str:
    """Return an amplitude in words.

    >>> level_in_words(0.5), level_in_words(0.0)
    ('-6.0 dBFS', 'silent')
    """
    if amplitude <= 0:
        return "silent"
    return f"{round(float(decibels(amplitude)), 1) + 0.0:.1f} dBFS"  # no -0.0


def file_stem(text: str) -> str:
    """Return a name as one that every system can store.

    >>> file_stem("a/b c__glass_a050")
    'a_b c__glass_a050'
    """
    kept = (c if c.isascii() and (c.isalnum() or c in " -_") else "_" for c in text)
    return "".join(kept).strip()[-100:]
