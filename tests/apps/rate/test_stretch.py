"""What is played: the loudest clip, at the loudness that pyloudnorm measures."""

import io

import numpy as np
import pyloudnorm
import pytest
import soundfile
from support.sounds import grain, put, sound

from cak_jax.apps.rate import stretch
from cak_jax.audio.formats import AudioError
from cak_jax.data import scan
from cak_jax.rendering.loudness import rms

RATE = stretch.RATE


def source(folder):
    [only], _ = scan.find_sources(str(folder))
    return only


def played(folder):
    return soundfile.read(io.BytesIO(stretch.playable(source(folder))))


@pytest.mark.parametrize("gain", [0.03, 0.1, 1.0])
@pytest.mark.parametrize("tilt", [0, 1, 2])
def test_all_are_equally_loud(tmp_path, gain, tilt):
    noise = np.fft.rfft(np.random.default_rng(tilt).normal(size=3 * RATE))
    noise /= 1 + np.arange(len(noise)) / [60, 600, 1e9][tilt]
    noise = np.fft.irfft(noise)
    put(tmp_path, "x.wav", gain * 0.1 * noise / noise.std(), RATE)
    samples, rate = played(tmp_path)
    level = pyloudnorm.Meter(rate).integrated_loudness(samples)
    assert rate == RATE and len(samples) == 3 * RATE
    assert level == pytest.approx(stretch.LOUDNESS, abs=0.2)


def test_long_pauses_do_not_count(tmp_path):
    stroke = grain(1, 1.0, RATE)
    levels = []
    for seconds in (1, 5):
        pause = np.zeros(seconds * RATE, np.float32)
        put(tmp_path, "x.wav", np.concatenate([stroke, pause, stroke]), RATE)
        levels.append(np.abs(played(tmp_path)[0]).max())
    assert levels[1] == pytest.approx(levels[0], rel=0.0116)  # 0.1 dB


def test_a_peak_stays_below_full_scale(tmp_path):
    click = np.zeros(RATE)
    click[RATE // 2] = 0.5
    put(tmp_path, "x.wav", click + 1e-4, RATE)
    samples, _ = played(tmp_path)
    assert np.abs(samples).max() == pytest.approx(stretch.PEAK, abs=1e-3)


def test_the_loudest_clip_of_a_long_file(tmp_path):
    """The third of four clips, mono and at 44.1 kHz, with a short fade."""
    rate = 8000
    long = np.concatenate([n * sound(15, rate, 2, seed=n) for n in (1, 2, 4, 3)])
    put(tmp_path, "x.wav", long / 8, rate)
    clip = stretch.loudest_clip(source(tmp_path))
    assert len(clip) == 15 * RATE
    third = long[30 * rate : 45 * rate].mean(axis=1) / 8
    assert rms(clip) == pytest.approx(rms(third), rel=1e-2)
    assert clip[0] == 0 and clip[-1] == 0


def test_short_files_are_played_without_padding(tmp_path):
    put(tmp_path, "x.wav", sound(0.05), 8000)
    samples, rate = played(tmp_path)
    assert len(samples) == round(0.05 * rate) and np.abs(samples).max() > 0.1


@pytest.mark.parametrize(
    ("samples", "words"),
    [(np.zeros(800), "silent"), (np.full(800, np.nan), "NaN")],
    ids=["silence", "nan"],
)
def test_what_cannot_be_rated_is_said(tmp_path, samples, words):
    put(tmp_path, "x.wav", samples)
    with pytest.raises(AudioError, match=words):
        stretch.playable(source(tmp_path))
