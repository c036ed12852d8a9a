"""What the shipped effects do to levels, peaks, strokes and pauses.

    espeak-ng -w speech.wav "Text"
    python experiments/sound_table.py loop=LOOP.flac orchestra=O.ogg speech=speech.wav

Renders the middle 8 s of every sound, its channels mixed, with every shipped effect at
four amounts, and prints a table of all, one of means over sounds, and the least and
most of each column. Of the loudness-matched sound, without the ceiling: `loudness`, its
change in LU (pyloudnorm); `peak`, of the true peak (16 times oversampled); `crest`, of
true peak over RMS; `bass`, of the energy below 250 Hz; `hiss`, of the energy above
4 kHz in the quietest tenth of the frames, counted from -100 dBFS; `pre-echo`, of the
energy in the 30 ms before a stroke, counted from 60 dB below the stroke, the median
over strokes; all in dB. `level` is the change of the RMS before the match; `distance`
the log-spectral distance to dry in dB; `half way` its share at mix 0.5, in per cent;
`true peak` that of the sound as it is played, in dBFS.
"""

import sys

import numpy as np
import pyloudnorm
import scipy.signal
from command_line import arguments
from own_effects import magnitude, read_middle

from cak_jax.effect import locate
from cak_jax.effect.effect import load_effect
from cak_jax.evaluation import spectral_distance
from cak_jax.model import spectral
from cak_jax.rendering.in_memory import render
from cak_jax.rendering.loudness import matching_gain

AMOUNTS = (0.25, 0.5, 0.75, 1.0)
COLUMNS = (
    *("loudness", "level", "peak", "crest", "bass", "hiss", "pre-echo"),
    *("distance", "half way", "true peak"),
)
BASS_HZ, HISS_HZ, WINDOW = 250.0, 4000.0, 2048
SILENCE = 1e-10  # power, -100 dBFS
SHORTEST_SECONDS = 0.4  # that a loudness takes
PRE_SECONDS, STROKE_SECONDS, APART_SECONDS = 0.03, 0.01, 0.06
RISE_DB, QUIETEST_DB, UNHEARD_DB = 15.0, -20.0, -60.0


def power(sound):
    """Return the mean square of samples, and silence for none."""
    return np.mean(np.square(sound)) if len(sound) else 0.0


def true_peak(sound):
    return np.abs(scipy.signal.resample_poly(sound, 16, 1)).max()


def frame_powers(sound, rate):
    """Return `[frame]` energies below 250 Hz and above 4 kHz, and the whole."""
    window = scipy.signal.get_window("hann", WINDOW)
    padded = np.pad(sound, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[:: WINDOW // 4]
    energy = np.square(np.abs(np.fft.rfft(frames * window))) / np.sum(window) ** 2
    frequency = np.fft.rfftfreq(WINDOW, 1 / rate)
    bass, hiss = frequency < BASS_HZ, frequency > HISS_HZ
    return energy[:, bass].sum(1), energy[:, hiss].sum(1), energy.sum(1)


def strokes(dry, rate):
    """Return the samples at which strokes begin."""
    step = round(STROKE_SECONDS * rate / 4)
    pre, post = round(PRE_SECONDS * rate), round(STROKE_SECONDS * rate)
    places = np.arange(pre, len(dry) - post, step)
    total = np.concatenate([[0.0], np.cumsum(np.square(dry, dtype=np.float64))])
    before = (total[places] - total[places - pre]) / pre
    after = (total[places + post] - total[places]) / post
    rise = 10 * np.log10((after + SILENCE) / (before + SILENCE))
    loud = 10 * np.log10((after + SILENCE) / (after.max() + SILENCE)) > QUIETEST_DB
    found = scipy.signal.find_peaks(
        np.where(loud, rise, 0.0),
        RISE_DB,
        distance=max(1, round(APART_SECONDS * rate / step)),
    )[0]
    starts = []
    for place in places[found]:
        part = np.abs(dry[place : place + post])
        starts.append(place + int(np.argmax(part > 0.1 * part.max())))
    return starts


def pre_echo(dry, wet, rate):
    """Return the median change of the energy before strokes, dB; NaN without any."""
    pre, post = round(PRE_SECONDS * rate), round(STROKE_SECONDS * rate)
    changes = []
    for start in strokes(dry, rate):
        least = power(dry[start : start + post]) * 10 ** (UNHEARD_DB / 10)
        before = slice(start - pre, start - round(0.001 * rate))
        ratio = (power(wet[before]) + least) / (power(dry[before]) + least)
        changes.append(10 * np.log10(ratio))
    return np.median(changes) if changes else np.nan


def rise(before, after):
    return 10 * np.log10((after + 1e-20) / (before + 1e-20))


def loudness(sound, rate):
    missing = max(0, round(SHORTEST_SECONDS * rate) - len(sound))
    return pyloudnorm.Meter(rate).integrated_loudness(np.pad(sound, (0, missing)))


def distance(dry, wet):
    settings = spectral.SpectrogramSettings()
    spectra = magnitude(dry, settings), magnitude(wet, settings)
    belongs = spectral_distance.membership(settings)
    return float(spectral_distance.spectral_distance(*spectra, belongs)[0])


def row(effect, dry, rate, amount):
    """Return the values of `COLUMNS`."""
    raw = render(effect, dry, rate, amount=amount, loudness="none", peaks="none")
    # One match for both: what is measured, and what is played.
    gain = matching_gain(dry, raw, rate)
    wet, played = raw * gain, render(effect, dry, rate, amount=amount)
    half = render(effect, dry, rate, amount=amount, mix=0.5, peaks="none")
    peak = 20 * np.log10(true_peak(wet) / true_peak(dry))
    bass, hiss, whole = frame_powers(dry, rate)
    wet_bass, wet_hiss, _ = frame_powers(wet, rate)
    quiet = np.argsort(whole, kind="stable")[: max(1, len(whole) // 10)]
    far = distance(dry, wet)
    return [
        loudness(wet, rate) - loudness(dry, rate),
        rise(power(dry), power(raw)),
        peak,
        peak - rise(power(dry), power(wet)),
        rise(bass.sum(), wet_bass.sum()),
        rise(hiss[quiet].mean() + SILENCE, wet_hiss[quiet].mean() + SILENCE),
        pre_echo(dry, wet, rate),
        far,
        100 * distance(dry, half) / far,
        20 * np.log10(true_peak(played)),
    ]


def main():
    words = arguments(__doc__, 1)
    sounds = dict(word.split("=", 1) for word in words)
    every = {}
    print("| effect | sound | amount |", " | ".join(COLUMNS), "|")
    print("| --- " * (3 + len(COLUMNS)) + "|")
    for name in locate.names():
        effect = load_effect(name)
        for sound, path in sounds.items():
            dry, rate = read_middle(path)
            for amount in AMOUNTS:
                values = row(effect, dry, rate, amount)
                every[name, sound, amount] = values
                print(f"| {name} | {sound} | {amount} |", cells(values), "|")
                sys.stdout.flush()
    print("\n| effect | amount |", " | ".join(COLUMNS), "|")
    print("| --- " * (2 + len(COLUMNS)) + "|")
    for name in locate.names():
        for amount in AMOUNTS:
            values = [every[name, sound, amount] for sound in sounds]
            print(f"| {name} | {amount} |", cells(np.nanmean(values, axis=0)), "|")
    for name, pick in (("least", np.nanmin), ("most", np.nanmax)):
        print(f"| {name} |  |", cells(pick(list(every.values()), axis=0)), "|")


def cells(values):
    return " | ".join(f"{value:.1f}" for value in values)


if __name__ == "__main__":
    main()
