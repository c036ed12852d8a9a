"""How an effect is rendered, apart from the knob: names, ranges and one checked object.

The command line, the page and the live player take their choices and ranges from here.
Nothing here loads JAX.
"""

import dataclasses
import math
from typing import Any

from cak_jax.effect.schema import EffectError
from cak_jax.model.spectrogram_settings import LIMIT_FLOOR_DB

MODES = ("residual", "published")
LOUDNESS = ("lufs", "rms", "none")
CHANNELS = ("linked", "independent")
PEAKS = ("ceiling", "gain", "none")
LIMITS = ("dry", "none")
FLIPS = ("none", "time", "frequency", "both")

# Smallest and largest value of the knob and of the fields of `RenderSettings`.
KNOB = (0.0, 10.0)
# In units of the range of an effect's quality.
AIM = (0.0, 2.0)
MIX = (0.0, 1.0)
# Of the limit, dBFS.
FLOOR = (-200.0, 0.0)
TILT = (-1.0, 1.0)
# Up to kernels of 33 frames or bins, because a stream's latency grows with each frame.
SIZE = (1, 16)
# The most frames or bins that spacing and size may put between the kernel's cells
# together, because a stream keeps twice as many frames and lags behind by as many: at
# 2048 samples a frame, hop 512, that is 0.8 s and a third of one core.
MOST_APART = 64
# Of the ceiling for peaks, dBFS.
CEILING_DB = -1.0
# Seconds, the time constant of a stream's running loudness match.
MATCH_SECONDS = (0.0, 600.0)
# Hz. From 1000, because a short file at a far lower rate becomes a very long sound at
# the effect's rate.
RATES = (1000, 768000)
MAX_CHANNELS = 64


def check_number(name: str, value: Any, low: float, high: float) -> float:
    """Return a number of Python, NumPy or JAX from `low` to `high` as a float.

    Raises:
      EffectError: another type, NaN, or out of range; the message begins with `name`.
    """
    # Not isinstance of int and float, because NumPy's and JAX's scalars are neither.
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        raise EffectError(f"{name} must be a number, got {type(value).__name__}")
    if getattr(getattr(value, "dtype", None), "kind", "f") not in "fiu":
        raise EffectError(f"{name} must be a number, got {value.dtype}")
    try:
        number = float(value)
    except (OverflowError, TypeError):
        number = math.inf
    if not low <= number <= high:  # false for NaN, too
        raise EffectError(f"{name} must be between {low:g} and {high:g}: {number:g}")
    return number


def is_whole(value: Any) -> bool:
    """Say whether a value is a whole number of Python, NumPy or JAX."""
    return hasattr(value, "__index__") and not isinstance(value, bool)


def check_whole(name: str, value: Any, most: int) -> int:
    """Return a whole number from 1 to `most` as an int, or raise `EffectError`."""
    if not is_whole(value):
        raise EffectError(f"{name} must be a whole number, got {value!r}")
    return int(check_number(name, value, 1, most))


def check_sample_rate(sample_rate: Any) -> int:
    """Return a sample rate as an int, or raise `EffectError`."""
    if not is_whole(sample_rate) or not RATES[0] <= sample_rate <= RATES[1]:
        raise EffectError(
            f"sample_rate must be a whole number from 1000 to 768000, got "
            f"{sample_rate!r}"
        )
    return int(sample_rate)


def check_shape(audio: Any) -> None:
    """Raise `EffectError` unless audio is `[samples]` or `[channels, samples]`."""
    if audio.ndim not in (1, 2):
        raise EffectError(
            f"audio must be [samples] or [channels, samples], got {audio.shape}"
        )
    if audio.ndim == 2 and audio.shape[0] > max(MAX_CHANNELS, audio.shape[1]):
        raise EffectError(
            f"audio must be [channels, samples], got {audio.shape}; transpose it "
            "(soundfile gives [samples, channels])"
        )


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise `EffectError` unless `value` is one of `choices`."""
    if value not in choices:
        raise EffectError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


@dataclasses.dataclass(frozen=True)
class RenderSettings:
    """How an effect is rendered.

    Attributes:
      mode: "residual" adds the residual to the untouched dry sound; "published" does
        what the published application does, which has none of the fields below, always
        matches RMS and has a ceiling of its own.
      channels: "linked" applies one gain map, of the channels' mean magnitude, to all
        channels, which keeps the stereo image; "independent" treats each channel alone.
      mix: 0 to 1, of the dry and the rendered sound: each bin's change in dB is
        multiplied by it, before the loudness is matched.
      loudness: "lufs" (ITU-R BS.1770, gated) and "rms" give the result the input's
        loudness by one constant gain; "none" does not.
      peaks: "ceiling" keeps the true peak below -1 dBFS by a gain that falls before a
        peak and is back within 100 ms (`rendering/ceiling.py`); "gain" turns the whole
        sound down where it would pass full scale; "none" leaves peaks as they are. All
        leave samples alone that are those of the dry sound.
      limit: "dry" holds what is added below the dry sound of the last 2 ms
        (`model/limit.py`): nothing sounds before a stroke or in silence; "none" does
        not.
      floor: -200 to 0, dBFS of the dry sound; below it what is added falls twice as
        fast as the sound, so that a recording's noise is not raised.
      size: whole factor on the frames and bins between the kernel's cells, `(time,
        frequency)` or one number for both: with `h, v` the products of size and the
        effect's spacing, 64 at most,
        `D(x)[f, t] = bias + sum k[i, j] x[f + v (i-1), t + h (j-1)]`.
      flip: mirrors the kernel in "time" (`k[i, 2-j]`), "frequency" (`k[2-i, j]`) or
        "both".
      tilt: -1 to 1; the amount at frequency f is multiplied by `1 - tilt (1 - p)`
        for tilt above 0, `1 + tilt p` below, with `p = log2(f / 50) / log2(16000 /
        50)` clipped to [0, 1]: at 1 only the top keeps its full amount, at -1 only
        the bottom.

    Raises:
      EffectError: one line that names the field and its range.
    """

    mode: str = "residual"
    channels: str = "linked"
    mix: float = 1.0
    loudness: str = "lufs"
    peaks: str = "ceiling"
    limit: str = "dry"
    floor: float = LIMIT_FLOOR_DB
    size: tuple[int, int] | int = (1, 1)
    flip: str = "none"
    tilt: float = 0.0

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, MODES)
        check_choice("channels", self.channels, CHANNELS)
        check_choice("loudness", self.loudness, LOUDNESS)
        check_choice("peaks", self.peaks, PEAKS)
        check_choice("limit", self.limit, LIMITS)
        check_choice("flip", self.flip, FLIPS)
        set_field = object.__setattr__
        set_field(self, "mix", check_number("mix", self.mix, *MIX))
        set_field(self, "floor", check_number("floor", self.floor, *FLOOR))
        set_field(self, "tilt", check_number("tilt", self.tilt, *TILT))
        set_field(self, "size", _pair(self.size))
        if self.limit == "none" and self.floor != LIMIT_FLOOR_DB:
            raise EffectError("floor is of the limit dry; limit none has no floor")
        if self.mode != "published":
            return
        plain = RenderSettings()
        for name in ("mix", "limit", "floor", "size", "flip", "tilt"):
            if getattr(self, name) != getattr(plain, name):
                raise EffectError(
                    f"{name} is for mode residual; the published application has none"
                )

    def apart(self, spacing: tuple[int, int]) -> tuple[int, int]:
        """Return the frames and bins between the cells of an effect with this spacing.

        Args:
          spacing: bins and frames, as `Effect.spacing`.

        Raises:
          EffectError: spacing times size is more than `MOST_APART`.
        """
        (h, v), (bins, frames) = self.sizes, spacing
        for axis, cells, size in (("frames", frames, h), ("bins", bins, v)):
            if cells * size > MOST_APART:
                raise EffectError(
                    f"spacing times size must be at most {MOST_APART} {axis}: the "
                    f"effect's spacing is {cells} and size is {size}; use a smaller "
                    "size"
                )
        return h * frames, v * bins

    @property
    def sizes(self) -> tuple[int, int]:
        """`size` as `(time, frequency)`."""
        return _pair(self.size)


def _pair(size: Any) -> tuple[int, int]:
    pair = size if isinstance(size, tuple | list) else (size, size)
    whole = len(pair) == 2 and all(map(is_whole, pair))
    if not whole or not all(SIZE[0] <= s <= SIZE[1] for s in pair):
        raise EffectError(
            f"size must be a whole number from {SIZE[0]} to {SIZE[1]}, or two of them "
            f"(time, frequency), got {size!r}"
        )
    return int(pair[0]), int(pair[1])
