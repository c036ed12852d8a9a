"""The sound families of the synthetic corpus.

Every family maps `(rng, samples, sample_rate)` to `[samples]` float32 at any level, and
sounds from the first sample on. It draws pitch, density, brightness and decay from wide
ranges, because training needs clips whose textures differ.
"""

from collections.abc import Callable

import numpy as np

from cak_jax.data.synthetic.building_blocks import (
    cosine,
    damped_modes,
    draw_pitches,
    log_uniform,
    place,
    play_notes,
    shape_noise,
    string_note,
    swell,
)

CHORDS = ((0, 7, 12), (0, 4, 7, 11), (0, 3, 7, 10), (0, 5, 7, 14), (0, 3, 6, 9))

Family = Callable[[np.random.Generator, int, int], np.ndarray]


def fm(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Play a line of two-operator frequency-modulated notes."""
    rate = log_uniform(rng, 0.3, 8.0)
    beat = np.arange(samples) * (rate / sample_rate)
    number = beat.astype(np.int64)
    within = (beat - number).astype(np.float32)
    pitch = draw_pitches(rng, 50.0, 900.0, number[-1] + 1, sample_rate)
    ratio = rng.choice([0.5, 1.0, 1.41, 2.0, 3.0, 3.5, 5.03, 7.1])
    # Carson's rule keeps the sidebands below Nyquist.
    room = (0.45 * sample_rate / pitch.max() - 1) / ratio - 1
    index = min(log_uniform(rng, 0.2, 9.0), max(0.0, room))
    cycles = np.cumsum(pitch[number]) / sample_rate
    fall = np.exp(np.float32(-rng.uniform(0, 6)) * within)
    wobble = 1 + rng.uniform(0, 0.5) * cosine(beat * rng.uniform(0.1, 0.9))
    depth = (index / (2 * np.pi)) * fall * wobble
    tone = cosine(cycles + depth * cosine(cycles * ratio))
    attack = np.minimum(1, within / np.float32(rng.uniform(0.01, 0.3)) + (number == 0))
    sound: np.ndarray = attack * fall ** np.float32(0.7) * (1 - within**24) * tone
    return sound


def grain(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Scatter short windowed tones, from sparse ticks to a dense cloud."""
    seconds = log_uniform(rng, 0.008, 0.12)
    length = max(8, int(seconds * sample_rate))
    count = 2 + int(samples / length * log_uniform(rng, 0.25, 3.0))
    spread = rng.uniform(0.05, 1.6)
    centre = log_uniform(rng, 150.0, 5000.0)
    frequency = centre * 2.0 ** rng.normal(0, spread, count)
    frequency = np.minimum(frequency, 0.4 * sample_rate).astype(np.float32)
    time = (np.arange(length) / sample_rate).astype(np.float32)
    phase = np.outer(frequency, time)
    if rng.random() < 0.4:
        ratio = rng.uniform(0.3, 2.7)
        phase += np.float32(rng.uniform(0.05, 0.3)) * cosine(phase * ratio)
    position = np.linspace(0, 1, length, dtype=np.float32)
    skew = np.float32(rng.uniform(0.25, 1.0))
    tones = cosine(phase) * np.sin(np.pi * position**skew) ** 2
    gains = 10 ** rng.uniform(-1, 0, count)
    onsets = np.concatenate([[0], rng.integers(0, samples, count - 1)])
    total = np.zeros(samples, np.float32)
    for tone, onset, gain in zip(tones, onsets, gains, strict=True):
        place(total, tone, np.array([onset]), np.array([gain]))
    return total


def pluck(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Pluck a few strings of one scale in a loose rhythm."""
    pitches = draw_pitches(rng, 65.0, 500.0, int(rng.integers(3, 7)), sample_rate)
    ring = log_uniform(rng, 0.3, 3.0)
    damping = log_uniform(rng, 0.03, 0.5)
    brightness = log_uniform(rng, 1.5, 30.0)
    notes = [
        string_note(rng, pitch, ring, damping, brightness, sample_rate)
        for pitch in pitches
    ]
    return play_notes(rng, notes, samples, sample_rate, log_uniform(rng, 2.0, 10.0))


def kick(rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Strike a bass drum: a falling sine with a click."""
    length = rng.uniform(0.15, 0.5)
    time = np.arange(int(length * sample_rate)) / sample_rate
    low, high = rng.uniform(38, 70), rng.uniform(120, 320)
    fall = rng.uniform(20, 60)
    cycles = low * time + (high - low) * (1 - np.exp(-fall * time)) / fall
    body = cosine(cycles) * np.exp(-4 * time / length)
    click = rng.standard_normal(time.size) * np.exp(-time * 600)
    return (body + rng.uniform(0, 0.4) * click).astype(np.float32)


def snare(rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Strike a snare drum: two modes of the head and the rattle of the wires."""
    samples = int(0.4 * sample_rate)
    time = np.arange(samples, dtype=np.float32) / sample_rate
    modes = rng.uniform(150, 240) * np.array([1.0, 1.6])
    head = damped_modes(
        modes, np.array([0.25, 0.2]), np.array([0.6, 0.4]), samples, sample_rate
    )
    corner = rng.uniform(800, 2500)
    wires = shape_noise(rng, samples, sample_rate, lambda f: f / (f + corner))
    return head + 0.7 * wires * np.exp(-time * rng.uniform(12, 40))


def hat(rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Strike a cymbal: high-passed noise, closed or open."""
    decay = log_uniform(rng, 0.02, 0.4)
    samples = int(max(0.05, decay) * sample_rate)
    time = np.arange(samples, dtype=np.float32) / sample_rate
    corner = min(rng.uniform(5000, 9000), 0.3 * sample_rate)
    hiss = shape_noise(
        rng, samples, sample_rate, lambda f: 1 / (1 + (corner / (f + 1)) ** 4)
    )
    return hiss * np.exp(-6.9 * time / decay)


def drum(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Loop a bar of kick, snare and hat, with swing and a few dropped strokes."""
    step = 60 / rng.uniform(70, 175) / 4 * sample_rate
    count = int(samples / step) + 1
    swing = rng.uniform(0, 0.33) * step
    onsets = (np.arange(count) * step + swing * (np.arange(count) % 2)).astype(int)
    busy = rng.uniform(0, 0.35)
    kicks, snares = rng.random(16) < busy, rng.random(16) < busy / 3
    kicks[[0, 8]] = snares[[4, 12]] = True
    hats = np.arange(16) % rng.choice([1, 2, 2, 4]) == 0
    total = np.zeros(samples, np.float32)
    parts = ((kick, kicks, 1.0), (snare, snares, 0.7), (hat, hats, 0.5))
    for strike, pattern, loudness in parts:
        played = np.resize(pattern, count) & (rng.random(count) < 0.93)
        played[0] = pattern[0]
        gains = loudness * rng.uniform(0.3, 1.0) * rng.uniform(0.6, 1.0, count)
        now = played & (onsets < samples)
        place(total, strike(rng, sample_rate), onsets[now], gains[now])
    return total


def noise(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Colour noise with a slope and resonances, and let it breathe."""
    slope = rng.uniform(-0.9, 0.4)
    resonances = [
        (log_uniform(rng, 100, 0.35 * sample_rate), log_uniform(rng, 0.02, 0.6))
        for _ in range(rng.integers(0, 4))
    ]

    def colour(frequency: np.ndarray) -> np.ndarray:
        gain = (np.maximum(frequency, 60.0) / 1000.0) ** slope
        for centre, width in resonances:
            gain = gain * (1 + 8 / (1 + ((frequency / centre - 1) / width) ** 2))
        return np.where(frequency < 30.0, 0.0, gain).astype(np.float32)

    hiss = shape_noise(rng, samples, sample_rate, colour)
    depth = rng.uniform(0, 0.9)
    fall = swell(samples, log_uniform(rng, 0.1, 12.0) / sample_rate)
    sound: np.ndarray = hiss * (1 - depth * fall ** rng.choice([1, 4]))
    return sound


def pad(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Hold a chord of detuned voices: each harmonic a narrow band of random phase.

    The spectrum is drawn whole and inverted once (P. Nasca's PADsynth), so that a
    chord of hundreds of beating partials costs one transform.
    """
    root = log_uniform(rng, 55.0, 330.0)
    width = log_uniform(rng, 0.002, 0.02)
    slope = rng.uniform(0.7, 2.2)
    amplitude = np.zeros(samples // 2 + 1)
    per_hertz = samples / sample_rate
    for semitones in CHORDS[rng.integers(len(CHORDS))]:
        pitch = root * 2.0 ** (semitones / 12)
        for harmonic in range(1, min(60, int(0.45 * sample_rate / pitch)) + 1):
            centre = pitch * harmonic * per_hertz
            spread = max(1.0, width * centre)
            first = max(1, int(centre - 3 * spread))
            bins = np.arange(first, min(amplitude.size, int(centre + 3 * spread) + 2))
            shape = np.exp(-(((bins - centre) / spread) ** 2)) / np.sqrt(spread)
            amplitude[bins] += harmonic**-slope * shape
    phase = np.exp(2j * np.pi * rng.random(amplitude.size))
    chord = np.fft.irfft(amplitude * phase, samples)
    fall = swell(samples, log_uniform(rng, 0.05, 1.0) / sample_rate)
    gain = 1 - rng.uniform(0, 0.8) * fall
    sound: np.ndarray = (chord / np.abs(chord).max()).astype(np.float32) * gain
    return sound


def bell(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Strike bells and bars, whose partials are no multiples of a fundamental."""
    partials = 1 + np.cumsum(rng.uniform(0.3, 1.6, 11))
    partials = np.concatenate([[1.0], partials])
    ring = log_uniform(rng, 0.3, 4.0)
    decays = ring / partials ** rng.uniform(0.2, 0.9)
    # Without random phases all partials would peak on the stroke: one huge click.
    phases = np.exp(2j * np.pi * rng.random(12))
    amplitudes = partials ** -rng.uniform(0.2, 1.4) * rng.uniform(0.3, 1, 12) * phases
    length = int(ring * sample_rate)
    notes = [
        damped_modes(pitch * partials, decays, amplitudes, length, sample_rate)
        for pitch in draw_pitches(rng, 130.0, 1200.0, 4, sample_rate)
    ]
    return play_notes(rng, notes, samples, sample_rate, log_uniform(rng, 1.0, 6.0))


def chirp(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Repeat a glide up or down, with few or many harmonics."""
    rate = log_uniform(rng, 0.25, 9.0)
    within = (np.arange(samples) * (rate / sample_rate)) % 1.0
    if rng.random() < 0.5:
        within = 1 - within
    low = log_uniform(rng, 60.0, 800.0)
    high = min(low * 2.0 ** rng.uniform(0.5, 4.5), 0.15 * sample_rate)
    cycles = np.cumsum(low * (max(high, low) / low) ** within) / sample_rate
    # Sines, not cosines: an odd wave stays free of DC when it is saturated.
    strengths = (1.0, rng.uniform(0, 0.8), rng.uniform(0, 0.6))
    tone = sum(a * cosine(n * cycles - 0.25) for n, a in enumerate(strengths, 1))
    open_for = rng.uniform(0.4, 1.0)
    edge = np.clip(np.minimum(within, 1 - within) * 40, 0, 1)
    level = np.where(within < open_for, edge, 0.05 * edge)
    level[: sample_rate // 50] = 1.0
    sound: np.ndarray = (tone * level).astype(np.float32)
    return sound


FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (fm, grain, pluck, drum, noise, pad, bell, chirp)
}
