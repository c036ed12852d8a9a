"""Render audio in memory: the public call `cak_jax.render`.

Mode "residual" (the default) adds to the dry sound, which stays in the time domain:

    y = ceiling((x + limit(istft((inv(n') - inv(n)) * X / |X|))) * gain)

The limit holds what is added below the dry sound. So control 0 and mix 0 return the
input bit for bit, at any sample rate and channel count. Mode "published" does what the
published application does, for comparison.
"""

import warnings
from typing import Any

import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.model.arrays import array_module
from cak_jax.rendering import blocks
from cak_jax.rendering.ceiling import same_samples, tame
from cak_jax.rendering.knob import Aim, Knob, Value, make_knob
from cak_jax.rendering.loudness import Match
from cak_jax.rendering.settings import RenderSettings, check_sample_rate, check_shape


def render(
    effect: Effect,
    audio: Any,
    sample_rate: int,
    control: Value | None = None,
    *,
    amount: Value | None = None,
    aim: float | None = None,
    compiled: bool | None = None,
    **options: Any,
) -> Any:
    """Render audio through an effect.

    Args:
      effect: the effect to apply.
      audio: `[samples]` or `[channels, samples]`, float32 or float64, full scale 1.
        With a JAX array, here or as the knob, rendering is one JAX program: `jax.jit`,
        `jax.grad` and `jax.vmap` can trace it in audio and knob.
      sample_rate: of `audio`, Hz.
      control: the raw knob, 0 (identity) to 10; training uses 0 to 0.9. A number, a
        `Curve`, an `Oscillator`, a `Follower`, or an array `[frame]` with one value
        for each frame of the effect's spectrogram; later frames repeat the last value.
      amount: instead of `control`, the even knob, the gate inverted: equal turns give
        equal change, of the effect's quality where it has a knob table, else of the
        spectrogram. 1 is the effect as it was learned.
      aim: instead of both, how far the quality that the effect names shall move in this
        sound, as a share of its range, 0 to 2. The amount is searched by rendering at
        most 12 times (`rendering/aim.py`). A warning says what was reached if that is
        not the aim. Not with JAX arrays.
      compiled: whether a NumPy array is rendered by a program of JAX, else by NumPy,
        whose results are the same to 1e-6. None: by JAX if it is longer than 30 s,
        counted over all channels. For many sounds of 3 s or more True is faster.
      **options: fields of `RenderSettings`.

    Returns:
      Audio of the same library, shape and dtype. With mode "residual" it equals the
      input bit for bit where the knob or the mix is 0.

    Raises:
      EffectError: an argument is none of these; values inside a traced program are not
        checked.
    """
    try:
        settings = RenderSettings(**options)
    except TypeError as error:
        unknown = str(error).split("'")[1::2]
        raise EffectError(f"render has no option {', '.join(unknown)}") from None
    sample_rate = check_sample_rate(sample_rate)
    if aim is not None:
        knob = _aimed(effect, audio, sample_rate, control, amount, Aim(aim), settings)
    else:
        knob = make_knob(control, amount)
    if array_module(audio, knob.value) is not np:
        from cak_jax.rendering import traced

        return traced.render(effect, audio, sample_rate, knob, settings)
    audio = _check_audio(audio)
    dry = np.atleast_2d(audio)
    if dry.size == 0:
        return audio.copy()
    if settings.mode == "published":
        from cak_jax.rendering import published

        wet = published.render(effect, dry, sample_rate, knob)
        return wet.reshape(audio.shape).astype(audio.dtype, copy=False)
    result, start = np.empty_like(dry), 0
    is_dry = np.empty(dry.shape[-1], bool)
    match = Match(settings.loudness, sample_rate, len(dry))
    if compiled is None:
        compiled = not blocks.is_short(dry.shape[-1], sample_rate, len(dry))
    for part, wet in blocks.changed(
        effect, blocks.slices(dry), sample_rate, len(dry), knob, settings, compiled
    ):
        match.add(part, wet)
        span = slice(start, start + wet.shape[-1])
        result[:, span], is_dry[span] = wet, same_samples(part, wet)
        start = span.stop
    gain, _ = match.gain()
    if gain != 1.0:
        np.multiply(result, gain, out=result)
        is_dry[:] = False
    tame(result, is_dry, sample_rate, settings.peaks, compiled)
    return result.reshape(audio.shape)


def _aimed(
    effect: Effect,
    audio: Any,
    sample_rate: int,
    control: Value | None,
    amount: Value | None,
    aim: Aim,
    settings: RenderSettings,
) -> Knob:
    if control is not None or amount is not None:
        raise EffectError("control, amount and aim are one knob: give one of them")
    aim.quality_of(effect, settings)
    if array_module(audio) is not np:
        raise EffectError(
            "aim is searched on NumPy arrays, not on JAX arrays: give numpy.asarray of "
            "the audio, or amount"
        )
    dry = np.atleast_2d(_check_audio(audio))
    if dry.size == 0:
        return Knob(0.0, "amount")
    sound = blocks.slices(dry), sample_rate, len(dry)
    from cak_jax.rendering.aim import find_amount

    found = find_amount(effect, *sound, aim, settings)
    if not found.reached:
        warnings.warn(f"aim {aim.value:g} is not reached: {found}", stacklevel=3)
    return Knob(found.amount, "amount")


def _check_audio(audio: Any) -> np.ndarray:
    audio = np.asarray(audio)
    check_shape(audio)
    if audio.dtype not in (np.float32, np.float64):
        raise EffectError(
            f"audio must be float32 or float64 in [-1, 1], got {audio.dtype}"
        )
    if not np.isfinite(audio).all():
        raise EffectError("audio holds NaN or infinite samples")
    return np.asarray(audio)
