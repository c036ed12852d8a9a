"""Render as one JAX program, differentiable in audio and knob.

The arithmetic is that of `blocks`, over the whole sound at once. Only the resampler is
another: it is traceable, and exact for frequencies that both rates can hold.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import share
from cak_jax.effect.schema import EffectError
from cak_jax.model import cak
from cak_jax.rendering import (
    ceiling,
    k_weighting,
    loudness,
    residual,
    weighted_power,
)
from cak_jax.rendering.knob import Knob
from cak_jax.rendering.settings import KNOB, RenderSettings, check_shape

# Silence after a sound, because the resampler treats the sound as periodic.
GUARD_SECONDS = 0.1


def render(
    effect: Effect,
    audio: jax.Array,
    sample_rate: int,
    knob: Knob,
    settings: RenderSettings,
) -> jax.Array:
    """Render JAX audio; `in_memory.render` calls this.

    Args:
      audio: `[samples]` or `[channels, samples]` float.
      sample_rate: of `audio`, Hz.
      knob: a number, or an array `[frame]` of NumPy or JAX.
      settings: how to render; mode "residual".

    Returns:
      Audio of the shape and type of `audio`.

    Raises:
      EffectError: an argument is none of these; traced values are not checked.
    """
    if settings.mode != "residual":
        raise EffectError("JAX arrays are rendered with mode residual")
    if not isinstance(knob.value, float | np.ndarray | jax.Array):
        kind = type(knob.value).__name__
        raise EffectError(
            f"with JAX arrays the knob must be a number or [frame], got a {kind}"
        )
    audio, turn = jnp.asarray(audio), jnp.asarray(knob.value)
    check_shape(audio)
    if not jnp.issubdtype(audio.dtype, jnp.floating):
        raise EffectError(f"audio must be float, got {audio.dtype}")
    if turn.ndim > 1 or turn.size == 0 or turn.dtype == bool:
        raise EffectError(f"the knob must be a number or [frame], got {turn.shape}")
    for name, value in (("audio", audio), ("the knob", turn)):
        _check_concrete(name, value)
    if audio.size == 0:
        return audio
    turn = turn.astype(jnp.float32)
    if knob.unit == "amount":
        strength = share(effect, turn)
    else:
        strength = cak.strength(turn, effect.threshold, effect.temperature)
    wet = _render(
        jnp.atleast_2d(audio).astype(jnp.float32),
        strength,
        residual.numbers_of(effect, settings),
        jnp.float32(effect.scale),
        layout=residual.layout_of(effect, settings),
        sample_rate=sample_rate,
        match=settings.loudness,
        peaks=settings.peaks,
    )
    return jnp.asarray(wet).reshape(audio.shape).astype(audio.dtype)


def _check_concrete(name: str, value: jax.Array) -> None:
    if isinstance(value, jax.core.Tracer):
        return
    if not np.isfinite(value).all():
        raise EffectError(f"{name} holds NaN or infinite values")
    low, high = KNOB
    if name == "the knob" and not ((value >= low) & (value <= high)).all():
        raise EffectError(f"the knob must be between {low:g} and {high:g}")


@functools.partial(jax.jit, static_argnames=("layout", "sample_rate", "match", "peaks"))
def _render(
    dry: jax.Array,
    strength: jax.Array,
    numbers: residual.Numbers,
    scale: jax.Array,
    *,
    layout: residual.Layout,
    sample_rate: int,
    match: str,
    peaks: str,
) -> jax.Array:
    rate = layout.spectrogram.sample_rate
    analysed = resample(dry, sample_rate, rate)
    added = whole(analysed, strength * scale, numbers, layout)
    added = resample(added, rate, sample_rate)
    missing = max(0, dry.shape[-1] - added.shape[-1])
    added = jnp.pad(added, ((0, 0), (0, missing)))[:, : dry.shape[-1]]
    wet = dry + added
    wet = wet * _gain(dry, wet, sample_rate, match)
    if peaks == "ceiling":
        wet = ceiling.whole(wet, dry, sample_rate)
    if peaks == "gain":
        changed = jnp.any(wet != dry, axis=0)
        loudest = jnp.max(jnp.where(changed, jnp.abs(wet), 0.0))
        wet = wet / jnp.maximum(1.0, loudest)
    return jnp.asarray(wet)


def whole(
    audio: jax.Array,
    factors: jax.Array,
    numbers: residual.Numbers,
    layout: residual.Layout,
) -> jax.Array:
    """Return the residual of a sound at the effect's own sample rate.

    Args:
      audio: `[channels, samples]` float32.
      factors: `c * gate(c) * scale`, scalar or `[frame]`.

    Returns:
      `[channels, samples]`.
    """
    settings, samples = layout.spectrogram, audio.shape[-1]
    hop, frames = settings.hop_length, settings.frames(samples)
    hops = -(-samples // hop)
    start, stop = residual.segment_span(0, hops, layout)
    segment = jnp.pad(audio, ((0, 0), (-start, stop - samples)))
    index = np.arange(-layout.overlap, hops + layout.overlap)
    # Clipped, so that frames before the first and after the last repeat its factor.
    place = np.clip(index, 0, max(0, factors.size - 1))
    added = residual.block(
        segment,
        factors.ravel()[place],
        jnp.float32(residual.existing(0, hops, frames, layout)),
        jnp.asarray(residual.block_power(0, hops, frames, layout)),
        numbers,
        layout=layout,
    )
    return jnp.asarray(added[:, :samples])


def resample(audio: jax.Array, from_rate: int, to_rate: int) -> jax.Array:
    """Change the sample rate of a sound: cut or pad its spectrum.

    Args:
      audio: `[..., n]`.
      from_rate, to_rate: Hz.

    Returns:
      `[..., m]`, where `m` is `n * to_rate / from_rate`, rounded.
    """
    if from_rate == to_rate:
        return audio
    common = np.gcd(from_rate, to_rate)
    up, down = to_rate // common, from_rate // common
    samples = audio.shape[-1]
    guard = int(GUARD_SECONDS * from_rate)
    blocks = -(-(samples + guard) // down)
    padded = [(0, 0)] * (audio.ndim - 1) + [(0, blocks * down - samples)]
    spectrum = jnp.fft.rfft(jnp.pad(audio, padded))
    bins = blocks * up // 2 + 1
    missing = max(0, bins - spectrum.shape[-1])
    width = [(0, 0)] * (audio.ndim - 1) + [(0, missing)]
    spectrum = jnp.pad(spectrum[..., :bins], width)
    resampled = jnp.fft.irfft(spectrum, n=blocks * up) * (up / down)
    return jnp.asarray(resampled[..., : round(samples * to_rate / from_rate)])


def _gain(dry: jax.Array, wet: jax.Array, sample_rate: int, match: str) -> Any:
    """Return the gain of `loudness.Match` for whole sounds."""
    if match == "none":
        return 1.0
    if match == "rms":
        before, after = (jnp.sum(jnp.square(sound)) for sound in (dry, wet))
    else:
        sounds = [_loudness(sound, sample_rate) for sound in (dry, wet)]
        (gated, plain), (wet_gated, wet_plain) = sounds
        heard = (gated > 0.0) & (wet_gated > 0.0)
        before = jnp.where(heard, gated, plain)
        after = jnp.where(heard, wet_gated, wet_plain)
    silent = (before == 0.0) | (after == 0.0)
    ratio = jnp.where(silent, 1.0, before) / jnp.where(silent, 1.0, after)
    return jnp.clip(jnp.sqrt(ratio), loudness.SMALLEST_GAIN, loudness.LARGEST_GAIN)


def _loudness(audio: jax.Array, rate: int) -> tuple[jax.Array, jax.Array]:
    """Return mean weighted powers as `k_weighting.Subblocks` does, gated and plain."""
    weights = jnp.float32(k_weighting.channel_weights(len(audio)))
    power = weights @ weighted_powers(audio, rate)
    plain = jnp.mean(power)
    length, several = k_weighting.SUBBLOCK_SECONDS * rate, k_weighting.BLOCK_SUBBLOCKS
    ends = np.round(np.arange(1, len(power) / length + 1) * length).astype(int)
    ends = ends[ends <= len(power)]
    if len(ends) < several:
        return jnp.float32(0.0), plain
    place = np.searchsorted(ends, np.arange(ends[-1]), side="right")
    energies = jax.ops.segment_sum(power[: ends[-1]], place, len(ends))
    count = len(ends) - several + 1
    blocks = sum(energies[i : i + count] for i in range(several)) / (several * length)

    def mean_above(gate: jax.Array) -> jax.Array:
        above = blocks > gate
        total = jnp.sum(jnp.where(above, blocks, 0.0))
        return total / jnp.maximum(1, jnp.sum(above))

    absolute = jnp.float32(k_weighting.power_of(k_weighting.ABSOLUTE_GATE))
    relative = mean_above(absolute) * 10 ** (k_weighting.RELATIVE_GATE / 10)
    return mean_above(jnp.maximum(absolute, relative)), plain


def weighted_powers(audio: jax.Array, sample_rate: int) -> jax.Array:
    """Return the squares of `[channels, samples]`, K-weighted."""
    channels, samples = audio.shape
    spans = -(-samples // weighted_power.SPAN)
    missing = spans * weighted_power.SPAN - samples
    loudest = k_weighting.LOUDEST_SAMPLE
    padded = jnp.pad(jnp.clip(audio, -loudest, loudest), ((0, 0), (0, missing)))
    found = weighted_power.tables(sample_rate)

    def step(memory: jax.Array, span: jax.Array) -> tuple[jax.Array, jax.Array]:
        power, memory = weighted_power.span_power(span, memory, found)
        return memory, power

    start = jnp.zeros((channels, weighted_power.STATE), jnp.float32)
    parts = padded.reshape(channels, spans, weighted_power.SPAN).swapaxes(0, 1)
    powers = jax.lax.scan(step, start, parts)[1]
    return jnp.asarray(powers.swapaxes(0, 1).reshape(channels, -1)[:, :samples])
