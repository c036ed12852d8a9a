"""What is known of sound files without decoding: names, headers, first bytes.

Also how samples are stored: the exact types, and the conversions to and from float.
`audio` calls `sniff` before any decoder sees a file.
"""

import dataclasses
import os
import stat
from collections.abc import Callable

import numpy as np

from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable

SUFFIXES = frozenset(
    (
        *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc"),
        *(".flac", ".ogg", ".oga", ".opus", ".mp3", ".caf", ".au", ".snd"),
        *(".voc", ".nist", ".sph"),
    )
)
"""Name endings, in lower case, that a folder scan takes for sound files."""

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
"""Container -> file suffix and the sample types in it that can be written exactly."""
DITHERS = ("tpdf", "none")
_SMALL = ("WAV", "WAVEX", "AIFF", "AU")

_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b"ID3")
_MAGIC += (b"caff", b".snd", b"Creative Voice File", b"NIST_1A")


class AudioError(InputError):
    """A sound file cannot be read or written; one line that names the file.

    Attributes:
      reason: the message without the file's name.
    """

    def __init__(self, path: str | os.PathLike, reason: str):
        """Name the file, then say what is wrong."""
        super().__init__(f"{printable(path)}: {reason}")
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """What a file's header says.

    Attributes:
      sample_rate: samples per second and channel.
      channels: number of channels.
      frames: declared samples per channel; may be wrong, zero or huge.
      format, subtype: soundfile's names, such as "WAV" and "PCM_24".
    """

    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str


def exact_dtype(found: AudioInfo) -> str:
    """Name the sample type that holds what a file of this kind holds, exactly."""
    if found.subtype in _INTEGER_BITS or found.subtype.startswith("ALAC"):
        return "int32"
    return FLOAT_TYPES.get(found.subtype, "float32")


def to_float(samples: np.ndarray) -> np.ndarray:
    """Return float64 at full scale 1: left-justified int32 times 2**-31, exact."""
    if samples.dtype == np.int32:
        return samples * 2.0**-31
    return samples.astype(np.float64)


def mono(block: np.ndarray) -> np.ndarray:
    """Return the mean of the channels: `[n, channels]` to `[n]`, same type."""
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def output_format(found: AudioInfo) -> tuple[str, str, str]:
    """Choose `(format, subtype, suffix)` of a file made from one like this.

    The same container and subtype where it is lossless and can be written,
    otherwise 24-bit WAV.
    """
    if writable(found.format, found.subtype, found.channels):
        return found.format, found.subtype, _LOSSLESS[found.format][0]
    return "WAV", "PCM_24", ".wav"


def writable(format: str, subtype: str, channels: int) -> bool:
    """Say whether `audio.write` can store this combination without loss."""
    most = 8 if format == "FLAC" else 1024
    # libsndfile 1.2.2 counts the pad byte after an odd number of bytes as a sample.
    if format == "AIFF" and _INTEGER_BITS.get(subtype) == 8 and channels % 2:
        return False
    return subtype in _LOSSLESS.get(format, ("", ()))[1] and 0 < channels <= most


def check_target(path, format, subtype, channels, overwrite) -> None:
    """Refuse a path that a new file of this kind cannot take."""
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


def check_size(path, format: str, subtype: str, samples: int) -> None:
    """Refuse more samples, over all channels, than a format can count the bytes of."""
    # What stands beside the samples is bounded to less than the difference to 4 GiB.
    bits = {"FLOAT": 32, "DOUBLE": 64}.get(subtype) or _INTEGER_BITS[subtype]
    if format in _SMALL and samples * bits // 8 > (1 << 32) - (1 << 25):
        raise AudioError(path, f"is too long for {format} (4 GB): split it")


def encode(
    samples: np.ndarray, subtype: str, noise: Callable[..., np.ndarray] | None = None
) -> np.ndarray:
    """Turn float samples of any shape into what libsndfile stores without rounding.

    Args:
      samples: full scale 1.
      subtype: soundfile's name of the sample type.
      noise: gives, for a shape, what is added before rounding, in steps. Samples that
        are whole steps already need no rounding and get none of it; nor do floats.

    Returns:
      float32 or float64 for the float types, else left-justified int32: rounded to
      the type's steps, half to even, and clipped at full scale.
    """
    bits = _INTEGER_BITS.get(subtype)
    if bits is None:
        return np.ascontiguousarray(samples, FLOAT_TYPES[subtype])
    limit = 1 << (bits - 1)
    # float64: in float32 the greatest 32-bit level would round up and wrap around.
    exact = samples.astype(np.float64) * limit
    level = np.rint(exact)
    if noise is not None:
        level = np.where(level == exact, level, np.rint(exact + noise(exact.shape)))
    level = level.clip(-limit, limit - 1)
    return np.ascontiguousarray(level.astype(np.int64) << (32 - bits), np.int32)


class Dither:
    """Triangular noise of plus and minus one step, TPDF, to add before rounding.

    With it the whole error, noise and rounding, has mean 0 and a power of 1/6 + 1/12
    = 1/4 step squared whatever the sound is (Lipshitz, Wannamaker, Vanderkooy 1992).
    Values are drawn frame by frame: how a sound is cut into blocks changes nothing.

    Args:
      seed: equal seeds give equal noise.
    """

    def __init__(self, seed: int):
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the noise of the next `[frames, channels]`, in steps."""
        pairs = self._generator.random((*shape, 2))
        return pairs[..., 0] - pairs[..., 1]


def make_dither(kind: str, seed: int) -> Dither | None:
    """Return the noise of a kind, None for "none".

    Raises:
      ValueError: for another kind.
    """
    if kind not in DITHERS:
        raise ValueError(f"dither must be one of {', '.join(DITHERS)}, got {kind!r}")
    return Dither(seed) if kind == "tpdf" else None


def sniff(descriptor: int, path: str | os.PathLike) -> None:
    """Refuse whatever is not a regular file that begins like a sound file."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(path, "is not a regular file")
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        head = os.read(descriptor, 64)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})") from error
    if not head:
        raise AudioError(path, "is not an audio file (it is empty)")
    if not head.startswith(_MAGIC) and not _is_mpeg(head):
        start = ascii(head[:8].decode("latin-1"))
        raise AudioError(path, f"is not an audio file (it begins with {start})")


def _is_mpeg(head: bytes) -> bool:
    """Say whether four bytes are a frame header of MPEG audio, layer II or III."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    layer, rates = head[1] & 0x06, head[2]
    # A UTF-16 byte order mark looks like layer I, which nobody has.
    return layer in (2, 4) and rates & 0xF0 != 0xF0 and rates & 0x0C != 0x0C
