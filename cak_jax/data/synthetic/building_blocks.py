"""Building blocks of the synthetic corpus: pitches, onsets, damped modes, noise.

No loop runs over samples: sums of damped sinusoids are matrix products, plucked strings
are filtered in the frequency domain, and a note is drawn once for all of its onsets.
"""

from collections.abc import Callable

import numpy as np

SCALES = (
    (0, 2, 4, 7, 9),
    (0, 3, 5, 7, 10),
    (0, 2, 3, 7, 8),
    (0, 2, 4, 6, 8, 10),
    (0, 1, 5, 7, 8),
)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw one number in `[low, high]`, uniform on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_pitches(
    rng: np.random.Generator, low: float, high: float, count: int, sample_rate: int
) -> np.ndarray:
    """Draw `[count]` pitches in Hz of one scale, within two octaves of a root.

    The root is in `[low, high]`; every pitch stays below 0.4 of the sample rate.
    """
    root = log_uniform(rng, low, high)
    scale = np.array(SCALES[rng.integers(len(SCALES))])
    steps = rng.choice(scale, count) + 12 * rng.integers(0, 2, count)
    return np.minimum(root * 2.0 ** (steps / 12), 0.4 * sample_rate)


def cosine(cycles: np.ndarray) -> np.ndarray:
    """Return `cos(2 pi cycles)` in float32, exact for large phases."""
    # Whole cycles are removed in float64, because float32 loses the phase in seconds.
    turn = (cycles - np.floor(cycles)).astype(np.float32)
    wave: np.ndarray = np.cos(np.float32(2 * np.pi) * turn)
    return wave


def swell(samples: int, rate: float) -> np.ndarray:
    """Return a raised cosine from 0 up to 1, `rate` cycles a sample: `[samples]`."""
    return 0.5 - 0.5 * cosine(np.arange(samples) * rate)


def draw_onsets(
    rng: np.random.Generator, samples: int, sample_rate: int, rate: float
) -> np.ndarray:
    """Draw onsets in samples on a loose grid of `rate` steps a second; one is 0."""
    step = sample_rate / rate
    grid = np.arange(0, samples, step)
    grid = grid[rng.random(grid.size) < 0.7]
    loose = grid + rng.normal(0, 0.03 * step, grid.size)
    inside = loose[(loose > 0) & (loose < samples)]
    return np.concatenate([[0], inside.astype(np.int64)])


def place(
    total: np.ndarray, sound: np.ndarray, onsets: np.ndarray, gains: np.ndarray
) -> None:
    """Add `gain * sound` to `total` at each onset, up to the end of `total`."""
    for onset, gain in zip(onsets, gains, strict=True):
        stop = min(total.size, onset + sound.size)
        total[onset:stop] += np.float32(gain) * sound[: stop - onset]


def play_notes(
    rng: np.random.Generator,
    notes: list[np.ndarray],
    samples: int,
    sample_rate: int,
    rate: float,
) -> np.ndarray:
    """Play a random one of `notes` at a random loudness at each of `draw_onsets`."""
    onsets = draw_onsets(rng, samples, sample_rate, rate)
    total = np.zeros(samples, np.float32)
    choice = rng.integers(0, len(notes), onsets.size)
    gains = rng.uniform(0.4, 1.0, onsets.size)
    for index, note in enumerate(notes):
        place(total, note, onsets[choice == index], gains[choice == index])
    return total


def damped_modes(
    frequencies: np.ndarray,
    decays: np.ndarray,
    amplitudes: np.ndarray,
    samples: int,
    sample_rate: int,
) -> np.ndarray:
    """Sum damped modes `Re(a exp(-6.9 t / d + 2 pi i f t))`: `[samples]` float32.

    Args:
      frequencies: `[mode]` Hz; those above 0.45 of the sample rate stay silent.
      decays: `[mode]` seconds until 60 dB down.
      amplitudes: `[mode]`; complex for a phase at the start.
      samples, sample_rate: length, and samples per second.
    """
    # exp(s (m B + k)) = exp(s m B) exp(s k), so one matrix product gives all samples.
    block = 512
    rate = (-6.9078 / decays + 2j * np.pi * frequencies) / sample_rate
    heard = np.where(frequencies < 0.45 * sample_rate, amplitudes, 0.0)
    count = -(-samples // block)
    coarse = heard * np.exp(np.outer(np.arange(count) * block, rate))
    fine = np.exp(np.outer(rate, np.arange(block)))
    left = np.concatenate([coarse.real, -coarse.imag], axis=1).astype(np.float32)
    right = np.concatenate([fine.real, fine.imag], axis=0).astype(np.float32)
    return (left @ right).ravel()[:samples]


def shape_noise(
    rng: np.random.Generator,
    samples: int,
    sample_rate: int,
    gain: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Filter white noise by `gain(frequency in Hz)`: `[samples]` float32."""
    spectrum = np.fft.rfft(rng.standard_normal(samples, np.float32))
    frequency = np.fft.rfftfreq(samples, 1 / sample_rate).astype(np.float32)
    return np.fft.irfft(spectrum * gain(frequency), samples).astype(np.float32)


def string_note(
    rng: np.random.Generator,
    pitch: float,
    ring: float,
    damping: float,
    brightness: float,
    rate: int,
) -> np.ndarray:
    """Pluck one Karplus-Strong string.

    The loop is `y[n] = x[n] + g ((1-d) y[n-P+d] + d y[n-P+d-1])`. At low frequencies
    its delay is the period P. It is computed in the frequency domain, where delays need
    not be whole samples.

    Args:
      rng: source of the noise burst that plucks the string.
      pitch, ring: Hz, and seconds until 60 dB down.
      damping: d in (0, 0.5]; more makes high frequencies decay faster.
      brightness: corner frequency of the burst in multiples of the pitch.
      rate: samples per second; the note is `[round(ring * rate)]` float32.
    """
    period = rate / pitch
    samples = 1 << int(np.ceil(np.log2(1.5 * ring * rate + period)))
    burst = np.zeros(samples, np.float32)
    width = max(2, int(period))
    burst[:width] = rng.uniform(-1, 1, width)
    angle = np.linspace(0, np.pi, samples // 2 + 1)
    turn = np.exp(-1j * angle)
    decay = 10 ** (-3 * period / (ring * rate))
    loop = decay * np.exp(-1j * angle * (period - damping))
    loop *= 1 - damping + damping * turn
    thumb = 1 / (1 + (angle * period / (2 * np.pi * brightness)) ** 2)
    spectrum = thumb * np.fft.rfft(burst) / (1 - loop)
    # The loop also resonates at 0 Hz, but a string has nothing below its fundamental.
    spectrum[angle < np.pi / period] = 0
    note = np.fft.irfft(spectrum, samples).astype(np.float32)
    note = note[: round(ring * rate)]
    return note * np.linspace(1, 0, note.size, dtype=np.float32) ** 0.25
