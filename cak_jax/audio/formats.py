"""Sound formats: names, headers, first bytes, and how samples are stored.

`sound_file` calls `sniff` before any decoder sees a file. Samples become integers with
`encode`, which rounds them, with dither or without.
"""

import dataclasses
import importlib.util
import os
import shlex
import stat
from collections.abc import Callable

import numpy as np

from cak_jax.audio.streams.kinds import MORE, identify
from cak_jax.audio.streams.source import Source
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.files import StrPath
from cak_jax.runtime.text import printable

SUFFIXES = frozenset(
    (
        *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc"),
        *(".flac", ".ogg", ".oga", ".opus", ".mp3", ".caf", ".au", ".snd"),
        *(".voc", ".nist", ".sph", ".bw64", ".mp2"),
        # Through PyAV; phones, browsers and other programs write them.
        *(".m4a", ".m4b", ".mp4", ".3gp", ".aac", ".wma", ".wv", ".tta", ".amr"),
        *(".webm", ".mka"),
    )
)
"""Name endings, in lower case, of the files that count as sound files."""

_INTEGER_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
FLOAT_TYPES = {"FLOAT": "float32", "DOUBLE": "float64"}
_WIDE = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
_LOSSLESS = {
    "WAV": (".wav", ("PCM_U8", *_WIDE)),
    "WAVEX": (".wav", ("PCM_U8", *_WIDE)),
    "RF64": (".rf64", ("PCM_U8", *_WIDE)),
    "W64": (".w64", ("PCM_U8", *_WIDE)),
    "AIFF": (".aiff", ("PCM_S8", "PCM_U8", *_WIDE)),
    "FLAC": (".flac", ("PCM_S8", "PCM_16", "PCM_24")),
    "CAF": (".caf", ("PCM_S8", *_WIDE)),
    "AU": (".au", ("PCM_S8", *_WIDE)),
}
"""Container -> file suffix, and the sample types that it stores exactly."""
DITHERS = ("tpdf", "none")
# Containers that count as one format, because metadata and channels stay in them.
_ALIKE = {"wav": ("WAV", "WAVEX", "RF64")}
# Returns the noise of the next `[frames, channels]`, in steps.
Noise = Callable[[tuple[int, ...]], np.ndarray]


class AudioError(InputError):
    """A sound file cannot be read or written; one line that names the file.

    Attributes:
      reason: the message without the file's name.
    """

    def __init__(self, path: StrPath, reason: str):
        """Make the message from the file's name and the reason."""
        super().__init__(f"{printable(path)}: {reason}")
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """The header of a sound file.

    Attributes:
      sample_rate: Hz.
      frames: samples per channel as declared, None if unknown; may be wrong or huge.
      format, subtype: soundfile's names, such as "WAV" and "PCM_24".
      notes: one line for each thing that is odd about the file, such as "is cut short".
    """

    sample_rate: int
    channels: int
    frames: int | None
    format: str
    subtype: str
    notes: tuple[str, ...] = ()


def exact_dtype(header: AudioInfo) -> str:
    """Return the sample type that holds the samples of such a file exactly."""
    if header.subtype in _INTEGER_BITS or header.subtype.startswith("ALAC"):
        return "int32"
    return FLOAT_TYPES.get(header.subtype, "float32")


def to_float(samples: np.ndarray) -> np.ndarray:
    """Return float64 at full scale 1: left-justified int32 times 2**-31, exact."""
    if samples.dtype == np.int32:
        return samples * 2.0**-31
    return samples.astype(np.float64)


def mono(block: np.ndarray) -> np.ndarray:
    """Return the mean of the channels: `[n, channels]` to `[n]`, same type."""
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def output_format(header: AudioInfo) -> tuple[str, str, str]:
    """Choose the format of a file that is made from another one.

    Returns:
      `(format, subtype, suffix)`: those of the file itself if they are lossless and
      can be written; WAV with samples of its type if only the container cannot be
      written; otherwise 24-bit WAV.
    """
    if writable(header.format, header.subtype, header.channels):
        return header.format, header.subtype, _LOSSLESS[header.format][0]
    subtype = header.subtype.replace("ALAC_", "PCM_")
    if subtype in ("PCM_16", "PCM_32", *FLOAT_TYPES):
        return "WAV", subtype, ".wav"
    return "WAV", "PCM_24", ".wav"


FORMATS = {"wav": "WAV", "flac": "FLAC", "aiff": "AIFF"}
DEPTHS = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}
"""Choices of people -> soundfile's names."""


def suffix_of(format: str) -> str:
    """Return the suffix of a format that can be written."""
    return _LOSSLESS[format][0]


def is_lossy(header: AudioInfo) -> bool:
    """Say whether a file's samples are not those that were encoded."""
    exact = header.subtype in _INTEGER_BITS or header.subtype in FLOAT_TYPES
    return not exact and not header.subtype.startswith("ALAC")


def choose_format(
    header: AudioInfo, format: str | None = None, depth: str | None = None
) -> tuple[str, str]:
    """Return format and subtype of an output, as somebody chose them or not.

    Args:
      header: of the input, whose kind is kept where nothing is chosen.
      format, depth: keys of `FORMATS` and `DEPTHS`, or None.

    Raises:
      AudioError: the format cannot hold that depth, or so many channels.
    """
    container, subtype, _ = output_format(header)
    if format is not None and container not in _ALIKE.get(format, ()):
        container = FORMATS[format]
    if depth is not None:
        subtype = DEPTHS[depth]
        if format is None and not writable(container, subtype, header.channels):
            container = "WAV"
    elif not writable(container, subtype, header.channels):
        subtype = "PCM_24"
    if not writable(container, subtype, header.channels):
        held = f"{header.channels} channels of {subtype}"
        raise AudioError(
            "", f"{container} cannot hold {held}: take another --format or --depth"
        )
    return container, subtype


def writable(format: str, subtype: str, channels: int) -> bool:
    """Say whether `sound_file.write` stores this combination without loss."""
    most = 8 if format == "FLAC" else 1024
    # libsndfile 1.2.2 counts the pad byte after an odd number of bytes as a sample.
    if format == "AIFF" and _INTEGER_BITS.get(subtype) == 8 and channels % 2:
        return False
    return subtype in _LOSSLESS.get(format, ("", ()))[1] and 0 < channels <= most


def check_target(
    path: StrPath, format: str, subtype: str, channels: int, overwrite: bool
) -> None:
    """Check that a new file of this kind can be written at a path.

    Raises:
      AudioError: the folder is missing, the path is taken, or the format does not
        store these samples.
    """
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise AudioError(path, "its folder does not exist: create it first")
    if os.path.isdir(path):
        raise AudioError(path, "is a folder: name a file")
    if os.path.lexists(path) and not overwrite:
        raise AudioError(path, "exists already: choose another name or overwrite")
    if not writable(format, subtype, channels):
        kind = f"{channels} channels of {format}/{subtype}"
        raise AudioError(path, f"cannot hold {kind}: use WAV/PCM_24")


def check_size(path: StrPath, format: str, subtype: str, samples: int) -> None:
    """Raise `AudioError` if a format cannot count so many samples over all channels."""
    # 32 MiB below 4 GiB, because metadata takes less than that.
    bits = {"FLOAT": 32, "DOUBLE": 64}.get(subtype) or _INTEGER_BITS[subtype]
    if format in ("WAV", "WAVEX", "AIFF", "AU") and samples * bits // 8 > (1 << 32) - (
        1 << 25
    ):
        raise AudioError(path, f"is too long for {format} (4 GB): split it")


def encode(samples: np.ndarray, subtype: str, noise: Noise | None = None) -> np.ndarray:
    """Turn float samples of any shape into what libsndfile stores without rounding.

    Args:
      samples: full scale 1.
      subtype: soundfile's name of the sample type.
      noise: returns, for a shape, the noise to add before rounding, in steps. Samples
        that are whole steps already, and floats, get no noise.

    Returns:
      float32 or float64 for the float types, else left-justified int32: rounded to
      the type's steps, half to even, and clipped at full scale.
    """
    bits = _INTEGER_BITS.get(subtype)
    if bits is None:
        return np.ascontiguousarray(samples, FLOAT_TYPES[subtype])
    limit = 1 << (bits - 1)
    # float64, because in float32 the greatest 32-bit level rounds up and wraps around.
    exact = samples.astype(np.float64) * limit
    level = np.rint(exact)
    if noise is not None:
        level = np.where(level == exact, level, np.rint(exact + noise(exact.shape)))
    level = level.clip(-limit, limit - 1)
    return np.ascontiguousarray(level.astype(np.int64) << (32 - bits), np.int32)


def make_dither(kind: str, seed: int) -> Noise | None:
    """Return the noise that is added before rounding, None for "none".

    "tpdf" is triangular noise of plus and minus one step. The error of noise and
    rounding together then has mean 0 and a power of 1/6 + 1/12 = 1/4 step squared for
    every sound (Lipshitz, Wannamaker, Vanderkooy 1992). Values are drawn frame by
    frame, so the length of the blocks changes nothing.

    Raises:
      ValueError: `kind` is none of `DITHERS`.
    """
    if kind not in DITHERS:
        raise ValueError(f"dither must be one of {', '.join(DITHERS)}, got {kind!r}")
    generator = np.random.Generator(np.random.PCG64(seed))

    def noise(shape: tuple[int, ...]) -> np.ndarray:
        pairs = generator.random((*shape, 2))
        return pairs[..., 0] - pairs[..., 1]

    return noise if kind == "tpdf" else None


def sniff(descriptor: int, path: StrPath) -> None:
    """Raise `AudioError` unless an open, regular file begins like a sound file."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(path, "is not a regular file")
    try:
        head = os.read(descriptor, 64)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})") from error
    if not head:
        raise AudioError(path, "is not an audio file (it is empty)")
    kind = identify(Source(descriptor)).name
    if not kind:
        start = ascii(head[:8].decode("latin-1"))
        raise AudioError(path, f"is not an audio file (it begins with {start})")
    if kind in MORE and not importlib.util.find_spec("av"):
        name = printable(os.path.basename(os.fspath(path)))
        raise AudioError(
            path,
            f'is {MORE[kind]}: pip install "cak-jax[formats]" to read it, or convert '
            f"it: ffmpeg -i {shlex.quote(name)} {shlex.quote(name + '.wav')}",
        )
