"""What keeps peaks, pre-echo and hiss down: trials beside the limit that is built in.

    python experiments/limit_trials.py loop=LOOP.flac speech=speech.wav ...

Renders the middle 4 s of every sound through every shipped effect at half and full turn
and prints the means of `sound_table` over sounds and effects, of the loudness-matched
sound before the ceiling, for:

`none`, what the effect adds and nothing else; `limit`, as the package renders;
`limit 3.6 ms`, with a longer hold; `no floor` and `floor -50`, with another floor than
-60 dBFS; `gain 12 dB`, no bin of the spectrogram raised by
more; `skirt`, no bin raised that lies under the window's leakage of a louder one;
`phase 1` and `phase 2`, so many steps of Griffin and Lim towards the wanted magnitudes,
from the dry phase; `phase 1 + limit`.
"""

import collections
import math

import jax.numpy as jnp
import numpy as np
import scipy.signal
import sound_table
from command_line import arguments
from own_effects import read_middle

from cak_jax.effect import locate
from cak_jax.effect.effect import load_effect
from cak_jax.effect.gate import share
from cak_jax.model import cak, limit, spectral
from cak_jax.model.spectrogram_settings import LIMIT_FLOOR_DB
from cak_jax.rendering.loudness import matching_gain

SECONDS = 4.0
AMOUNTS = (0.5, 1.0)
MEASURED = ("peak", "crest", "hiss", "bass", "pre-echo", "distance")
GAIN_DB, LONG_HOLD = 12.0, 0.0036
# Bins aside from a louder one, and its leakage there under a Hann window, dB.
ASIDE = np.arange(3, 25)
LEAKAGE_DB = -31.5 - 60 * np.log10(ASIDE / 2.5)


def analyse(sound, settings):
    return np.asarray(spectral.stft(jnp.float32(sound), settings))


def synthesise(values, settings, samples):
    return np.asarray(spectral.istft(jnp.complex64(values), settings, samples))


def held(dry, added, settings, hold_seconds=limit.HOLD_SECONDS, floor=LIMIT_FLOOR_DB):
    """Return what is added held below the dry sound, both `[samples]`."""
    length = limit.segments_of(settings).length
    hold = round(hold_seconds * settings.sample_rate / length)
    segments = limit.Segments(length, hold)
    end = length - len(dry) % length + length
    return np.asarray(
        limit.limit(
            jnp.pad(jnp.float32(added), (length, end))[None],
            jnp.pad(jnp.float32(dry), (segments.history + length, end))[None],
            jnp.float32(limit.floor_power(floor)),
            segments,
        )
    )[0, : len(dry)]


def magnitudes(effect, x, amount):
    """Return the magnitude that the effect asks for, `[freq, frame]`."""
    constants, magnitude = effect.normalization, np.abs(x)
    n = spectral.normalise(jnp.float32(magnitude), constants)
    kernel, bias = jnp.float32(effect.kernel), jnp.float32(effect.bias)
    pattern = cak.detect(n, kernel, bias, spacing=effect.spacing)
    factor = jnp.float32(share(effect, amount) * effect.scale)
    y = jnp.clip(cak.apply_pattern(n, pattern, factor), 0.0, 1.0)
    change = spectral.denormalise(y, constants) - spectral.denormalise(n, constants)
    return np.maximum(magnitude + np.asarray(change), 0.0)


def skirt(magnitude, after):
    """Return `after` with no bin raised that lies under the leakage of a louder one."""
    most = np.zeros_like(magnitude)
    wide = np.pad(magnitude, ((ASIDE[-1], ASIDE[-1]), (0, 0)))
    for aside, leakage in zip(ASIDE, 10 ** (LEAKAGE_DB / 20), strict=True):
        for start in (ASIDE[-1] - aside, ASIDE[-1] + aside):
            most = np.maximum(most, leakage * wide[start : start + len(magnitude)])
    return np.where((after > magnitude) & (magnitude < most), magnitude, after)


def trials(effect, dry, amount):
    """Yield names and wet sounds, before loudness is matched."""
    settings, samples = effect.spectrogram, len(dry)
    x = analyse(dry, settings)
    magnitude, after = np.abs(x), magnitudes(effect, x, amount)
    phase = np.where(magnitude > 0, x / np.maximum(magnitude, 1e-30), 1.0)

    def added(wanted):
        return synthesise((wanted - magnitude) * phase, settings, samples)

    plain = added(after)
    yield "none", dry + plain
    yield "limit", dry + held(dry, plain, settings)
    yield "limit 3.6 ms", dry + held(dry, plain, settings, LONG_HOLD)
    yield "no floor", dry + held(dry, plain, settings, floor=-200.0)
    yield "floor -50", dry + held(dry, plain, settings, floor=-50.0)
    gained = np.minimum(after, magnitude * 10 ** (GAIN_DB / 20))
    yield "gain 12 dB", dry + added(np.where(magnitude > 0, gained, after))
    yield "skirt", dry + added(skirt(magnitude, after))
    wet = dry + plain
    for step in (1, 2):
        turned = analyse(wet, settings)
        wet = synthesise(after * np.exp(1j * np.angle(turned)), settings, samples)
        yield f"phase {step}", wet
        if step == 1:
            yield "phase 1 + limit", dry + held(dry, wet - dry, settings)


def measure(dry, wet, rate):
    """Return the values of `MEASURED` of the wet sound at the dry one's loudness."""
    wet = wet * matching_gain(dry, wet, rate)
    peak = 20 * np.log10(sound_table.true_peak(wet) / sound_table.true_peak(dry))
    bass, hiss, whole = sound_table.frame_powers(dry, rate)
    wet_bass, wet_hiss, _ = sound_table.frame_powers(wet, rate)
    quiet = np.argsort(whole, kind="stable")[: max(1, len(whole) // 10)]
    power, rise, silence = sound_table.power, sound_table.rise, sound_table.SILENCE
    return [
        peak,
        peak - rise(power(dry), power(wet)),
        rise(hiss[quiet].mean() + silence, wet_hiss[quiet].mean() + silence),
        rise(bass.sum(), wet_bass.sum()),
        sound_table.pre_echo(dry, wet, rate),
        sound_table.distance(dry, wet),
    ]


def main():
    sounds = dict(word.split("=", 1) for word in arguments(__doc__, 1))
    found = collections.defaultdict(list)
    for path in sounds.values():
        middle, rate = read_middle(path)
        middle = middle[: round(SECONDS * rate)]
        for name in locate.names():
            effect = load_effect(name)
            own = effect.spectrogram.sample_rate
            common = math.gcd(own, rate)
            dry = scipy.signal.resample_poly(middle, own // common, rate // common)
            for amount in AMOUNTS:
                for trial, wet in trials(effect, np.float32(dry), amount):
                    found[trial, amount].append(measure(dry, wet, own))
    print("| amount | trial |", " | ".join(MEASURED), "|")
    print("| --- " * (2 + len(MEASURED)) + "|")
    for amount in AMOUNTS:
        for trial, at in found:
            if at == amount:
                means = np.nanmean(found[trial, at], axis=0)
                cells = " | ".join(f"{value:.1f}" for value in means)
                print(f"| {amount} | {trial} | {cells} |")


if __name__ == "__main__":
    main()
