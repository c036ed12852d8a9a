"""The residual, what an effect adds to a sound, as pure functions.

    r = limit(istft((inv(n') - inv(n)) * X / |X|)),    X / |X| := 1 where X = 0

`model/limit.py` holds what is added below the dry sound, if that is asked for. A mix
below 1 multiplies each bin's change in dB: `mixed` has the formula.

Spectra are `[channel, frame, freq]` here, the order in which the FFT makes and takes
them, so that nothing is transposed. All is differentiable; silence has gradient 0.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.model import cak, spectral
from cak_jax.model.arrays import Array, array_module, complex_of, without_gradient
from cak_jax.model.limit import Segments, floor_power, limit, segments_of
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.rendering.settings import RenderSettings

# Hz, where the tilt's slope begins and ends.
LOWEST, HIGHEST = 50.0, 16000.0
# dBFS of a sine. The mix counts the change of a bin that is emptied down to here,
# because half the way to nothing would be nothing, too.
MIX_FLOOR_DB = -90.0


class Numbers(NamedTuple):
    """An effect's numbers as arrays, with flip and tilt applied.

    Attributes:
      kernel: `[3, 3]`, flipped.
      weights: the tilt's factor on the amount, `[freq]`.
      mix: 0 to 1.
      floor: of the limit, mean square.
    """

    kernel: Array
    bias: Array
    weights: Array
    mix: Array
    floor: Array
    constants: Normalization


@dataclasses.dataclass(frozen=True)
class Layout:
    """What fixes shapes and control flow; JAX compiles one program for each layout.

    Attributes:
      size: frames and bins between the kernel's cells: spacing times size.
      linked: whether the channels share one gain map.
      mixed: whether the mix is below 1.
      limited: whether what is added is held below the dry sound.
    """

    spectrogram: SpectrogramSettings
    size: tuple[int, int] = (1, 1)
    linked: bool = True
    mixed: bool = False
    limited: bool = True

    @property
    def look(self) -> int:
        """Frames before and after a frame that its pattern depends on."""
        return self.size[0]

    @property
    def segments(self) -> Segments:
        """How the limit cuts the sound."""
        return segments_of(self.spectrogram)

    @property
    def aside(self) -> int:
        """Hops before and after a block whose residual the limit reads."""
        return int(self.limited)

    @property
    def overlap(self) -> int:
        """Frames before and after a block of hops that are synthesised for it.

        They are those that reach into it, and into the hops `aside`; with very short
        windows they are more, so that a block reads the dry sound of the limit's hold.
        """
        settings, segments = self.spectrogram, self.segments
        hop, half = settings.hop_length, settings.n_fft // 2
        reaching = -(-half // hop) + self.aside
        if not self.limited:
            return reaching
        before = segments.history + segments.length
        return max(reaching, -(-(before - half) // hop) - self.look)

    @property
    def reach(self) -> int:
        """Frames before and after a block of hops that `block` reads."""
        return self.overlap + self.look


def flip(kernel: Sequence[Sequence[float]], how: str) -> np.ndarray:
    """Return the kernel `[3, 3]`, mirrored in "time", "frequency", "both" or "none"."""
    flipped = np.array(kernel, np.float64)
    if how in ("frequency", "both"):
        flipped = flipped[::-1]
    if how in ("time", "both"):
        flipped = flipped[:, ::-1]
    return flipped


def tilt_weights(settings: SpectrogramSettings, tilt: float) -> np.ndarray:
    """Return the tilt's factor on the amount, `[freq]` in [0, 1].

    `RenderSettings` has the formula.

    >>> tilt_weights(SpectrogramSettings(32000, 4, 2), -1.0).tolist()
    [1.0, 0.12016..., 0.0]
    """
    hertz = np.arange(settings.bins) * settings.sample_rate / settings.n_fft
    place = np.log2(np.maximum(hertz, LOWEST) / LOWEST) / np.log2(HIGHEST / LOWEST)
    place = np.clip(place, 0.0, 1.0)
    return np.asarray(1.0 - tilt * (1.0 - place) if tilt >= 0 else 1.0 + tilt * place)


def numbers_of(effect: Effect, settings: RenderSettings) -> Numbers:
    """Return an effect's numbers with a flip and a tilt applied."""
    # In NumPy, because a program would have to be compiled for each `jnp.float32`.
    return Numbers(
        kernel=np.float32(flip(effect.kernel, settings.flip)),
        bias=np.float32(effect.bias),
        weights=np.float32(tilt_weights(effect.spectrogram, settings.tilt)),
        mix=np.float32(settings.mix),
        floor=np.float32(floor_power(settings.floor)),
        constants=Normalization._make(map(np.float32, effect.normalization)),
    )


def layout_of(effect: Effect, settings: RenderSettings) -> Layout:
    """Return the layout of the program that renders an effect.

    Raises:
      EffectError: spacing times size is too large; see `RenderSettings.apart`.
    """
    apart = settings.apart(effect.spacing)
    linked, mixed = settings.channels == "linked", settings.mix < 1.0
    limited = settings.limit == "dry"
    return Layout(effect.spectrogram, apart, linked, mixed, limited)


def magnitudes(spectrum: Array, linked: bool) -> Array:
    """Return `|X|`, or its mean over channels `[1, frame, freq]` where linked."""
    xp = array_module(spectrum)
    square = xp.square(spectrum.real) + xp.square(spectrum.imag)
    # Two wheres, because the square root's gradient at 0 is infinite.
    sounding = square > 0.0
    magnitude = xp.where(sounding, xp.sqrt(xp.where(sounding, square, 1.0)), 0.0)
    if not linked or len(magnitude) == 1:
        return magnitude
    # A sum of slices, because XLA's reduction over the first axis is 20 times slower.
    total = magnitude[:1]
    for channel in range(1, len(magnitude)):
        total = total + magnitude[channel : channel + 1]
    return total / len(magnitude)


def normalised(magnitude: Array, exists: Array, constants: Normalization) -> Array:
    """Return normalised magnitudes; 0 in frames outside the sound.

    Args:
      magnitude: from `magnitudes`.
      exists: 1 for frames of the sound, 0 for those before and after, `[frame]`.
    """
    xp = array_module(magnitude, *constants)
    sounding = magnitude > 0.0
    safe = xp.where(sounding, magnitude, 1.0)
    x = spectral.normalise(safe, constants, spectral.fast_power)
    # A constant for silence, because the power's gradient at 0 is infinite.
    silence = spectral.normalise(xp.float32(0.0), constants, spectral.fast_power)
    return xp.where(sounding, x, silence) * exists[None, :, None]


def change(
    spectrum: Array,
    magnitude: Array,
    x: Array,
    factors: Array,
    exists: Array,
    numbers: Numbers,
    layout: Layout,
) -> Array:
    """Return the spectrum of the residual.

    Args:
      spectrum: of the sound, `[channel, frame, freq]` complex.
      magnitude: from `magnitudes`.
      x: normalised magnitude, from `normalised`.
      factors: `c * gate(c) * scale` per frame of the result, `[frame - 2 look]`.
      exists: 1 for frames of the sound, 0 for those before and after, `[frame]`.

    Returns:
      `[channel, frame - 2 look, freq]` complex. The outermost frames are only read by
      the kernel.
    """
    xp = array_module(spectrum, factors, *numbers.constants)
    h, v = layout.size
    pattern = cak.detect(x, numbers.kernel.T, numbers.bias, spacing=(h, v))
    inside = slice(h, x.shape[-2] - h)
    pattern, x = pattern[:, inside], x[:, inside]
    spectrum, magnitude = spectrum[:, inside], magnitude[:, inside]
    amount = factors[None, :, None] * numbers.weights[None, None, :]
    y = xp.clip(cak.apply_pattern(x, pattern, amount), 0.0, 1.0)

    def inverse(n: Array) -> Array:
        return spectral.denormalise(n, numbers.constants, power=spectral.fast_power)

    added = (inverse(y) - inverse(x)) * exists[None, inside, None]
    if layout.mixed:
        added = mixed(magnitude, added, numbers.mix, layout.spectrogram.n_fft)
    # At factor 0 the residual is exactly 0, but the gradient is kept.
    still = xp.where(factors == 0.0, xp.float32(1.0), xp.float32(0.0))[None, :, None]
    added = added - without_gradient(added) * still
    silent = magnitude == 0.0
    gain = added / xp.where(silent, 1.0, magnitude)
    real = xp.where(silent, added, spectrum.real * gain)
    return complex_of(real, spectrum.imag * gain)


def mixed(magnitude: Array, added: Array, mix: Array, n_fft: int) -> Array:
    """Return what is added so that each bin's change in dB is multiplied by the mix.

    With `X' = max(|X|, floor)` and `W' = max(|X| + added, floor)`:

        X' ((W' / X') ** mix - 1)

    Args:
      magnitude: `|X|`.
      added: to it, at mix 1.
      mix: 0 to 1.
      n_fft: of the spectrum.
    """
    floor = n_fft / 4 * 10 ** (MIX_FLOOR_DB / 20)
    xp = array_module(magnitude, added, mix)
    before = xp.maximum(magnitude, floor)
    after = xp.maximum(magnitude + added, floor)
    return before * xp.expm1(mix * xp.log(after / before))


def analyse(segment: Array, settings: SpectrogramSettings) -> Array:
    """Return the spectrum `[channel, frame, freq]` of `[channel, samples]`."""
    frames = spectral.frame(segment, settings)
    xp = array_module(frames)
    return xp.fft.rfft(frames * xp.asarray(spectral.hann(settings.n_fft))[None, None])


def synthesise(spectrum: Array, settings: SpectrogramSettings) -> Array:
    """Overlap and add; return `[channel, samples]` before division by window power."""
    xp = array_module(spectrum)
    frames = xp.fft.irfft(spectrum, n=settings.n_fft)
    window = xp.asarray(spectral.hann(settings.n_fft))[None, None]
    return spectral.overlap_add(frames * window, settings)


def inverse_power(
    start: int, stop: int, frames: int, settings: SpectrogramSettings
) -> np.ndarray:
    """Return 1 over the sum of squared windows, `[stop - start]` float32.

    It is 0 from the end of the last frame's hop on, where no sound is: hardly any
    window reaches there, and the quotient would be noise.

    Args:
      start, stop: samples of the sound.
      frames: count of frames of the whole sound.
    """
    hop, half = settings.hop_length, settings.n_fft // 2
    # Frames whose windows reach into the span.
    first, last = (start - half) // hop + 1, (stop + half - 1) // hop
    if first >= 0 and last < frames:
        # The common case: interior blocks share one cached array.
        compute: Callable[..., np.ndarray] = _inverse_power
    else:
        compute = _inverse_power.__wrapped__
        first, last = max(first, 0), min(last, frames - 1)
    return compute(start - first * hop, stop - first * hop, last - first + 1, settings)


@functools.lru_cache(maxsize=16)
def _inverse_power(
    start: int, stop: int, frames: int, settings: SpectrogramSettings
) -> np.ndarray:
    total = spectral.window_power(max(frames, 1), settings)
    offset = settings.n_fft // 2
    index = np.arange(start + offset, stop + offset)
    inside = (index >= 0) & (index < len(total)) & (frames > 0)
    power = np.where(inside, total[np.clip(index, 0, len(total) - 1)], 1.0)
    inside = index < offset + frames * settings.hop_length
    return np.asarray(np.where(inside, 1.0 / power, 0.0), np.float32)


def segment_span(first: int, hops: int, layout: Layout) -> tuple[int, int]:
    """Return the samples that `block` reads, `(start, stop)`.

    Args:
      first, hops: the first hop to render, and how many.
    """
    settings, reach = layout.spectrogram, layout.reach
    hop, half = settings.hop_length, settings.n_fft // 2
    return (first - reach) * hop - half, (first + hops - 1 + reach) * hop + half


def block_power(first: int, hops: int, frames: int, layout: Layout) -> np.ndarray:
    """Return `inverse_power` for `block`, `[(hops + 2 aside) * hop_length]`.

    Args:
      first, hops: the first hop to render, and how many.
      frames: count of frames of the whole sound.
    """
    hop, aside = layout.spectrogram.hop_length, layout.aside
    span = (first - aside) * hop, (first + hops + aside) * hop
    return inverse_power(*span, frames, layout.spectrogram)


def existing(first: int, hops: int, frames: int, layout: Layout) -> np.ndarray:
    """Say which frames that `block` reads are among the sound's `frames`, bool."""
    index = np.arange(first - layout.reach, first + hops + layout.reach)
    return (index >= 0) & (index < frames)


def block(
    segment: Array,
    factors: Array,
    exists: Array,
    inverse_power: Array,
    numbers: Numbers,
    *,
    layout: Layout,
) -> Array:
    """Return the residual of some hops of a sound; traceable.

    Args:
      segment: the samples of `segment_span`, `[channel, samples]`.
      factors: `c * gate(c) * scale`, `[hops + 2 overlap]`.
      exists: 1 for frames of the sound, else 0, `[hops + 2 overlap + 2 look]`.
      inverse_power: from `block_power`.

    Returns:
      `[channel, hops * hop_length]`.
    """
    settings = layout.spectrogram
    spectrum = analyse(segment, settings)
    magnitude = magnitudes(spectrum, layout.linked)
    x = normalised(magnitude, exists, numbers.constants)
    added = change(spectrum, magnitude, x, factors, exists, numbers, layout)
    hop, half = settings.hop_length, settings.n_fft // 2
    begin = (layout.overlap - layout.aside) * hop + half
    audio = synthesise(added, settings)[:, begin : begin + len(inverse_power)]
    audio = audio * inverse_power[None, :]
    if not layout.limited:
        return audio
    # From samples of the synthesised frames to samples of the segment.
    begin += layout.look * hop
    return held(audio, segment, begin, hop, numbers, layout)


def held(
    added: Array,
    dry: Array,
    begin: int,
    aside: int,
    numbers: Numbers,
    layout: Layout,
) -> Array:
    """Hold the residual below the dry sound.

    Args:
      added: `[channel, samples]`.
      dry: `[channel, more samples]`.
      begin: the place in `dry` of the first sample of `added`.
      aside: samples at either end of `added` that are not returned, whole segments.

    Returns:
      `[channel, samples - 2 aside]`.
    """
    segments = layout.segments
    spare = aside - segments.length
    first, samples = begin + spare, added.shape[-1] - 2 * spare
    return limit(
        added[:, spare : spare + samples],
        dry[:, first - segments.history : first + samples],
        numbers.floor,
        segments,
        linked=layout.linked,
    )
