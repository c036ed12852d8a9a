"""The part of a file that is played: its loudest clip, as loud as those of the others.

The clips are those that a training takes: the mean of the channels, at most 15 s.
"""

import io
import wave

import numpy as np

from cak_jax.audio.formats import AudioError
from cak_jax.data import clips
from cak_jax.data.scan import Source
from cak_jax.data.settings import CorpusSettings
from cak_jax.rendering.loudness import rms

SECONDS, RATE = 15.0, 44100
# Clips of a file that are searched for the loudest: 10 minutes.
SEARCHED = 40
FADE_SECONDS = 0.01
# The loudness that all files are played at, in LUFS: that of broadcasts (EBU R 128).
LOUDNESS = -23.0
PEAK = 0.99
# 40 dB; a file that needs more is nearly silent, and its noise would be played.
LARGEST_GAIN = 100.0
_BLOCK_SECONDS, _GATE_DB = 0.4, -10.0


def playable(source: Source) -> bytes:
    """Return the WAV file that is played for a file of the folder.

    Raises:
      AudioError: the file is damaged or silent.
    """
    sound = loudest_clip(source)
    level = loudness(sound)
    gain = min(LARGEST_GAIN, 10 ** ((LOUDNESS - level) / 20))
    gain = min(gain, PEAK / float(np.abs(sound).max()))
    samples = np.rint(gain * sound * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def loudest_clip(source: Source) -> np.ndarray:
    """Return the loudest clip of a file without its padding, `[sample]` float32.

    Raises:
      AudioError: the file is damaged or silent.
    """
    settings = CorpusSettings(path="", held_out=0.0, max_clips=SEARCHED)
    fade = round(FADE_SECONDS * RATE)
    shape = clips.Shape(round(SECONDS * RATE), RATE, 0, "start")
    [cut] = clips.plan([source], settings, SECONDS)
    loudest, level, reason = None, 0.0, "silent"
    for clip in clips.cut_file(cut, shape):
        if clip.audio is None:
            reason = clip.note
            continue
        sound = clip.audio[slice(*clip.content)]
        if loudest is None or rms(sound) > level:
            loudest, level = sound, rms(sound)
    if loudest is None:
        raise AudioError(source.path, f"cannot be rated: {reason}")
    return np.asarray(loudest * clips.fade_gain(len(loudest), fade))


def loudness(sound: np.ndarray) -> float:
    """Return the loudness of one channel `[sample]` at 44.1 kHz, in LUFS.

    ITU-R BS.1770-4 but for two things: blocks of 0.4 s do not overlap, and the gate is
    relative to the loudest block, so that pauses between strokes do not count.
    """
    spectrum = np.fft.rfft(sound.astype(np.float64))
    weighted = np.fft.irfft(spectrum * _weighting(len(sound)), len(sound))
    blocks = max(1, len(weighted) // round(_BLOCK_SECONDS * RATE))
    powers = np.array([np.mean(part**2) for part in np.array_split(weighted, blocks)])
    audible = powers[powers >= powers.max() * 10 ** (_GATE_DB / 10)]
    return float(-0.691 + 10 * np.log10(max(audible.mean(), 1e-12)))


def _weighting(samples: int) -> np.ndarray:
    """Return the gain of the K-weighting at each bin of a transform.

    The two analogue filters that the standard's coefficients at 48 kHz come from: a
    shelf of 4 dB above 1.7 kHz, and a high pass at 38 Hz.
    """
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    s = 1j * np.tan(np.pi * np.minimum(frequency, 0.499 * RATE) / RATE)
    omega = np.tan(np.pi * 1681.974450955533 / RATE)
    s1 = s / omega
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    shelf = (high * s1**2 + band / q * s1 + 1) / (s1**2 + s1 / q + 1)
    s2, q = s / np.tan(np.pi * 38.13547087602444 / RATE), 0.5003270373238773
    return np.asarray(np.abs(shelf * s2**2 / (s2**2 + s2 / q + 1)))
