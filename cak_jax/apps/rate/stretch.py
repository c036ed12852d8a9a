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
from cak_jax.rendering.loudness import integrated, rms

SECONDS, RATE = 15.0, 44100
# Clips of a file that are searched for the loudest: 10 minutes.
SEARCHED = 40
FADE_SECONDS = 0.01
# The loudness that all files are played at, in LUFS: that of broadcasts (EBU R 128).
LOUDNESS = -23.0
PEAK = 0.99
# 40 dB; a file that needs more is nearly silent, and its noise would be played.
LARGEST_GAIN = 100.0


def playable(source: Source) -> bytes:
    """Return the WAV file that is played for a file of the folder.

    Raises:
      AudioError: the file is damaged or silent.
    """
    sound = loudest_clip(source)
    level = integrated(sound[None], RATE)
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
