"""Decode, resample and encode sound files.

Reading trusts nothing that a header declares. Only regular files whose first bytes
belong to a known sound format reach a decoder. Samples are read in order, without
seeking, until the decoder has no more. Inside `guarded()` another process decodes.
Verified with libsndfile 1.2.2 on WAV, RF64, W64, AIFF, FLAC, OGG (Vorbis, Opus), MP3,
CAF, AU, VOC and NIST, and with PyAV 18 on M4A, AAC, WMA, WavPack, TTA and WebM.
"""

import contextlib
import errno
import io
import os
import pathlib
import shutil
import uuid
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np

from cak_jax.audio.formats import (
    AudioError,
    AudioInfo,
    Noise,
    check_size,
    check_target,
    encode,
    exact_dtype,
    make_dither,
    sniff,
)
from cak_jax.audio.isolated_decoding import pool as decoder_pool
from cak_jax.audio.isolated_decoding.client import Link
from cak_jax.audio.isolated_decoding.decoder import Decoder, short
from cak_jax.audio.isolated_decoding.protocol import DecodeError
from cak_jax.audio.riff_chunks import clear_peak_time
from cak_jax.audio.truncation import CUT, shortfall
from cak_jax.runtime.files import StrPath

QUALITY = "VHQ"
BLOCK_FRAMES = 1 << 17
_MAX_BLOCK_SAMPLES = 1 << 20
# A disk with fewer bytes free counts as full when a write fails.
_FULL = 1 << 20


def info(path: StrPath) -> AudioInfo:
    """Read a file's header.

    Raises:
      AudioError: the file is not one that can be decoded.
    """
    with _opened(path) as file:
        return _info(path, file)


def tags(path: StrPath) -> dict[str, str]:
    """Return the tags of a file, such as title and artist; may be empty."""
    with _opened(path) as file:
        return file.tags()


def blocks(
    path: StrPath,
    frames: int = BLOCK_FRAMES,
    dtype: str = "float32",
    note: Callable[[str], None] = lambda text: None,
) -> Generator[np.ndarray, None, None]:
    """Yield the samples of a file in order, in blocks `[n, channels]`.

    Args:
      frames: the most frames in a block; fewer if there are many channels.
      dtype: "float32" or "float64" (full scale 1) or "int32" (left-justified).
      note: called at the end with each thing that was odd about the file: those of
        `AudioInfo.notes`, and what came out while it was decoded.

    Raises:
      AudioError: not a sound file, or damaged (possibly after some blocks).
    """
    with _opened(path) as file:
        count = 0
        for block in _blocks_of(file, frames, dtype):
            count += len(block)
            yield block
        header = _info(path, file)
        for text in header.notes:
            note(text)
        is_told = any(text.startswith(CUT) for text in header.notes)
        if header.frames is not None and count < header.frames and not is_told:
            note(f"declares {header.frames} samples and holds {count}")


def read(path: StrPath) -> tuple[np.ndarray, AudioInfo]:
    """Read a whole file without loss.

    Returns:
      `[channels, samples]` and the header. Integer formats give left-justified
      int32 (see `to_float`), DOUBLE float64, FLOAT and lossy formats float32.

    Raises:
      AudioError: not a sound file, or damaged.
    """
    with _opened(path) as file:
        header = _info(path, file)
        dtype = exact_dtype(header)
        parts = [np.zeros((0, header.channels), dtype)]
        parts.extend(_blocks_of(file, BLOCK_FRAMES, dtype))
    samples = np.empty((header.channels, sum(map(len, parts))), dtype)
    np.concatenate([part.T for part in parts], axis=1, out=samples)
    return samples, header


def write(
    path: StrPath,
    samples: np.ndarray,
    sample_rate: int,
    format: str = "WAV",
    subtype: str = "PCM_24",
    overwrite: bool = False,
    **finishing: Any,
) -> None:
    """Write a sound file; the samples of an integer file stay bit-exact.

    The file appears under its name only when it is complete.

    Args:
      samples: `[channels, samples]` float, full scale 1.
      sample_rate: samples per second.
      format, subtype: soundfile's names.
      finishing: the last arguments of `create`.

    Raises:
      AudioError: the samples hold NaN or infinity, the path exists and `overwrite` is
        false, the folder is missing, the format cannot store the samples, or the disk
        fails.
    """
    if samples.ndim != 2:
        raise ValueError(f"samples must be [channels, samples], got {samples.shape}")
    layout = (sample_rate, samples.shape[0], format, subtype)
    with create(path, *layout, overwrite, **finishing) as append:
        for start in range(0, samples.shape[1], BLOCK_FRAMES):
            append(samples[:, start : start + BLOCK_FRAMES])


@contextlib.contextmanager
def create(
    path: StrPath,
    sample_rate: int,
    channels: int,
    format: str = "WAV",
    subtype: str = "PCM_24",
    overwrite: bool = False,
    *,
    dither: str = "none",
    seed: int = 0,
    finish: Callable[[str], None] | None = None,
) -> Iterator[Callable[[np.ndarray], None]]:
    """Give a function that appends `[channels, n]` float blocks to a new file.

    When the `with` block ends well, the file takes its name; otherwise nothing is left
    of it. Raises what `write` raises.

    Args:
      dither: one of `formats.DITHERS`; integer formats only.
      seed: of the dither.
      finish: called with the path of the complete file before it takes its name.
    """
    import soundfile

    path = os.fsdecode(os.fspath(path))
    noise = make_dither(dither, seed)
    check_target(path, format, subtype, channels, overwrite)
    # Without the final name in it, which may already have the longest legal length.
    temporary = os.path.join(os.path.dirname(path), f".{uuid.uuid4().hex}.partial")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    layout = (sample_rate, channels, subtype, None, format)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(pathlib.Path(temporary).unlink, missing_ok=True)
        with _reported(path):
            descriptor = os.open(temporary, flags, 0o666)
            handle = soundfile.SoundFile(descriptor, "w", *layout)
        cleanup.callback(_close, handle)
        yield lambda block: _append(handle, path, block, subtype, noise)
        with _reported(path):
            handle.close()
            if not os.path.getsize(temporary):
                raise AudioError(path, f"holds no samples, which {format} cannot say")
            clear_peak_time(temporary)
            if finish is not None:
                finish(temporary)
            check_target(path, format, subtype, channels, overwrite)
            os.replace(temporary, path)


def encode_preview(samples: np.ndarray, sample_rate: int) -> bytes:
    """Return `[channels, samples]` float as the bytes of an MP3 file, for a page."""
    import soundfile

    file, rate = io.BytesIO(), 44100  # a rate that MP3 knows
    samples = np.clip(resample(samples, sample_rate, rate).T, -1, 1)
    soundfile.write(file, samples, rate, format="MP3")
    return file.getvalue()


def decode_preview(data: bytes) -> tuple[np.ndarray, int]:
    """Return samples `[channels, samples]` and rate of what `encode_preview` made."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.T), rate


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Change the sample rate of `[..., n]` float along the last axis.

    Returns:
      `[..., m]` of the same type; the input itself where the rates are equal.
    """
    import soxr

    if from_rate == to_rate or samples.shape[-1] == 0:
        return samples
    flat = samples.reshape(-1, samples.shape[-1])
    rows = [soxr.resample(row, from_rate, to_rate, QUALITY) for row in flat]
    return np.stack(rows).reshape(*samples.shape[:-1], -1)


def resampler(
    from_rate: int, to_rate: int, channels: int, dtype: str = "float32"
) -> Callable[..., np.ndarray]:
    """Return a function that resamples a sound block by block.

    The results, joined, equal `resample` of the blocks, joined. A result may be empty.

    Returns:
      `step(block, last=False)` of blocks `[channels, n]`; `last=True` ends the stream.
    """
    import soxr

    if from_rate == to_rate:
        return lambda block, last=False: block
    stream = soxr.ResampleStream(from_rate, to_rate, channels, dtype, QUALITY)

    def step(block: np.ndarray, last: bool = False) -> np.ndarray:
        frames = np.ascontiguousarray(block.T)
        return np.asarray(stream.resample_chunk(frames, last)).T

    return step


@contextlib.contextmanager
def _opened(path: StrPath) -> Iterator[Decoder | Link]:
    """Check a file with `sniff` and open it, in this process or in another."""
    # Without O_NONBLOCK, opening a FIFO waits until somebody writes to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise AudioError(path, f"cannot be opened ({error.strerror})") from error
    try:
        sniff(descriptor, path)
        pool = decoder_pool.current()
        with (
            pool.opened(descriptor)
            if pool
            else contextlib.closing(Decoder(descriptor)) as file
        ):
            yield file
    except DecodeError as error:
        raise AudioError(path, str(error)) from error
    finally:
        os.close(descriptor)


def _info(path: StrPath, file: Decoder | Link) -> AudioInfo:
    """Return the header of an open file, with what is odd so far."""
    try:
        cut = shortfall(path)
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})") from error
    notes = dict.fromkeys((cut, *file.notes())) if cut else file.notes()
    return AudioInfo(*file.header, tuple(notes))


def _blocks_of(file: Decoder | Link, frames: int, dtype: str) -> Iterator[np.ndarray]:
    channels = file.header[1]
    frames = max(1, min(frames, _MAX_BLOCK_SAMPLES // channels))
    while True:
        block = np.empty((frames, channels), dtype)
        count = file.read_into(block.data.cast("B"), dtype)
        if not count:
            return
        yield block[:count]


def _append(
    handle: Any, path: str, block: np.ndarray, subtype: str, noise: Noise | None
) -> None:
    if not np.isfinite(block).all():
        raise AudioError(path, "not written: the samples hold NaN or infinity")
    check_size(path, handle.format, subtype, handle.frames * len(block) + block.size)
    with _reported(path):
        handle.write(encode(block.T, subtype, noise))


@contextlib.contextmanager
def _reported(path: str) -> Iterator[None]:
    """Turn a failure to write into an `AudioError`."""
    import soundfile

    try:
        yield
    except OSError as error:
        raise AudioError(path, f"cannot be written ({error.strerror})") from error
    # soundfile reports a short write, as on a full disk, by an assertion.
    except (soundfile.SoundFileError, AssertionError) as error:
        raise AudioError(path, f"cannot be written ({_reason(path, error)})") from error


def _reason(path: str, error: BaseException) -> str:
    # libsndfile does not pass on the reason that the system gave.
    with contextlib.suppress(OSError):
        if shutil.disk_usage(os.path.dirname(path) or ".").free < _FULL:
            return os.strerror(errno.ENOSPC)
    return short(error)


def _close(handle: Any) -> None:
    import soundfile

    # Runs after another error, which is the one to report.
    with contextlib.suppress(soundfile.SoundFileError):
        handle.close()
