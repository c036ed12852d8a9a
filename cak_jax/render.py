"""Apply an effect to audio.

`residual` (default) never takes the dry path out of the time domain:

    y = x + istft((inv(n') - inv(n)) * X / |X|)

so that control 0 gives the input back bit for bit, at any sample rate and channel
count. `published` is what the published application does, for comparison.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax import audio as audio_lib, cak, published, spectral
from cak_jax.effect import Effect, EffectError, amount
from cak_jax.level import fit, rms_gain

MODES = ("residual", "published")
LOUDNESS = ("rms", "none")
CHANNELS = ("linked", "independent")

MAX_CONTROL = 10.0
MAX_CHANNELS = 64
# Frames per block: large enough that the overlap costs little, small enough that a
# short file does not pay for a long one.
BLOCK_FRAMES = 256


def check_control(control: float) -> float:
    """Return the control as a float, or raise `EffectError`."""
    if isinstance(control, bool) or not isinstance(
        control, int | float | np.integer | np.floating
    ):
        raise EffectError(f"control must be a number, got {type(control).__name__}")
    if not 0.0 <= control <= MAX_CONTROL:
        raise EffectError(f"control must be between 0 and {MAX_CONTROL:g}: {control}")
    return float(control)


def _check_sample_rate(sample_rate) -> int:
    whole = isinstance(sample_rate, int | np.integer)
    if isinstance(sample_rate, bool) or not whole or not 1000 <= sample_rate <= 768000:
        raise EffectError(
            "sample_rate must be a whole number from 1000 to 768000, got "
            f"{sample_rate!r}"
        )
    return int(sample_rate)


def _check_choice(name, value, choices):
    if value not in choices:
        raise EffectError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def _check_audio(audio) -> np.ndarray:
    audio = np.asarray(audio)
    if audio.ndim not in (1, 2):
        raise EffectError(
            f"audio must be [samples] or [channels, samples], got {audio.shape}"
        )
    if audio.ndim == 2 and audio.shape[0] > max(MAX_CHANNELS, audio.shape[1]):
        raise EffectError(
            f"audio must be [channels, samples], got {audio.shape}; transpose it "
            "(soundfile gives [samples, channels])"
        )
    if audio.dtype not in (np.float32, np.float64):
        raise EffectError(
            f"audio must be float32 or float64 in [-1, 1], got {audio.dtype}"
        )
    if not np.isfinite(audio).all():
        raise EffectError("audio holds NaN or infinite samples")
    return audio


def render(
    effect: Effect,
    audio: np.ndarray,
    sample_rate: int,
    control: float,
    *,
    mode: str = "residual",
    loudness: str = "rms",
    channels: str = "linked",
) -> np.ndarray:
    """Render audio through an effect.

    Args:
      effect: what to apply.
      audio: `[samples]` or `[channels, samples]`, float32 or float64, full scale 1.
      sample_rate: of `audio`, Hz.
      control: the raw knob, 0 to 10 (training sees 0 to 0.9); 0 is identity.
      mode: "residual", or "published" for the published application's processing.
      loudness: "rms" scales the result to the input's RMS; "none" does not.
        `published` always matches RMS, as the application does.
      channels: "linked" derives one gain map from the channels' mean magnitude and
        keeps the stereo image; "independent" treats each channel alone.

    Returns:
      Audio of the same shape and dtype. With mode "residual" and control 0 it
      equals the input bit for bit.

    Raises:
      EffectError: for an argument that is none of the above.
    """
    control = check_control(control)
    _check_choice("mode", mode, MODES)
    _check_choice("loudness", loudness, LOUDNESS)
    _check_choice("channels", channels, CHANNELS)
    audio = _check_audio(audio)
    sample_rate = _check_sample_rate(sample_rate)
    dry = np.atleast_2d(audio)
    if dry.size == 0:
        return audio.copy()
    if mode == "published":
        wet = published.render(effect, dry, sample_rate, control)
    else:
        wet = _residual(effect, dry, sample_rate, control, loudness, channels)
    return wet.reshape(audio.shape).astype(audio.dtype, copy=False)


def _residual(effect, dry, sample_rate, control, loudness, channels):
    if amount(effect, control) == 0.0:
        return dry.copy()
    rate = effect.spectrogram.sample_rate
    analysed = audio_lib.resample(dry.astype(np.float32), sample_rate, rate)
    change = residual(effect, analysed, control, channels)
    change = fit(audio_lib.resample(change, rate, sample_rate), dry.shape[-1])
    wet = dry + change
    return wet * rms_gain(dry, wet) if loudness == "rms" else wet


def residual(
    effect: Effect, audio: np.ndarray, control: float, channels: str = "linked"
) -> np.ndarray:
    """Return what the effect adds, at the effect's own sample rate.

    Works in blocks with exact overlap: the result does not depend on the block size
    beyond float rounding, and the working memory not on the length.

    Args:
      effect: what to apply.
      audio: `[channels, samples]` float32 at `effect.spectrogram.sample_rate`.
      control: the raw knob.
      channels: as in `render`.

    Returns:
      `[channels, samples]` float32, to be added to `audio`.
    """
    settings = effect.spectrogram
    samples = audio.shape[-1]
    hop, block = settings.hop_length, BLOCK_FRAMES * settings.hop_length
    margin = _margin(settings)
    blocks = -(-samples // block)
    tail = blocks * block - samples
    padded = np.pad(audio.astype(np.float32), ((0, 0), (margin, margin + tail)))
    numbers = {
        "kernel": jnp.asarray(effect.kernel, jnp.float32),
        "bias": jnp.float32(effect.bias),
        "amount": jnp.float32(amount(effect, control)),
        "normalization": effect.normalization.arrays(),
    }
    total = jnp.int32(settings.frames(samples))
    result = np.empty((audio.shape[0], blocks * block), np.float32)
    for index in range(blocks):
        start = index * block
        segment = padded[:, start : start + block + 2 * margin]
        result[:, start : start + block] = _residual_block(
            segment,
            jnp.int32(start // hop),
            total,
            numbers,
            settings=settings,
            linked=channels == "linked",
        )
    return result[:, :samples]


def _margin(settings: spectral.SpectrogramSettings) -> int:
    """Samples before and after a block that its output depends on.

    Half a window for the frames that overlap the block, one frame more for the
    kernel's reach, and half a window for those frames' own samples.
    """
    return settings.n_fft + settings.hop_length


@functools.partial(jax.jit, static_argnames=("settings", "linked"))
def _residual_block(segment, first_frame, frames, numbers, *, settings, linked):
    """Render one block, `[channel, block + 2 margin]` to `[channel, block]`.

    `first_frame` is the frame centred on the block's first sample; frames outside
    [0, frames) do not exist and count as the zeros of the kernel's padding.
    """
    reach = settings.n_fft // 2 // settings.hop_length + 1
    spectrum = spectral.stft_uncentred(segment, settings)
    index = first_frame - reach + jnp.arange(spectrum.shape[-1])
    exists = (index >= 0) & (index < frames)
    magnitude = jnp.abs(spectrum)
    if linked:
        magnitude = jnp.mean(magnitude, axis=0, keepdims=True)
    constants = numbers["normalization"]
    x = jnp.where(exists[None, None, :], spectral.normalise(magnitude, constants), 0.0)
    pattern = cak.detect(x, numbers["kernel"], numbers["bias"])
    y = jnp.clip(x + pattern * numbers["amount"], 0.0, 1.0)
    change = spectral.denormalise(y, constants) - spectral.denormalise(x, constants)
    silent = magnitude == 0.0
    unit = jnp.where(silent, 1.0, spectrum / jnp.where(silent, 1.0, magnitude))
    # The outermost frames lent their neighbours what the kernel reads, no more.
    change = (change * unit * exists[None, None, :])[..., 1:-1]
    return _overlap(change, exists[1:-1], settings)


def _overlap(spectrum, exists, settings):
    frames = jnp.fft.irfft(jnp.swapaxes(spectrum, -1, -2), n=settings.n_fft)
    window = jnp.asarray(spectral.hann(settings.n_fft))
    audio = spectral.overlap_add(frames * window[None, None, :], settings)
    power = exists[:, None] * jnp.square(window)[None, :]
    power = spectral.overlap_add(power, settings)
    audio = audio / jnp.where(power > 1e-30, power, 1.0)[None, :]
    return audio[:, settings.n_fft : -settings.n_fft]
