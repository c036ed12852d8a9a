"""Formats that libsndfile does not decode, through PyAV (ffmpeg's libraries).

An extra: `pip install "cak-jax[formats]"`. The demuxer is chosen by the file's first
bytes and only decoders of sound are used, so that a file cannot ask for others. Delay
and padding of the encoder are left out where the file declares them.
"""

import contextlib
import fractions
from collections.abc import Iterator
from typing import Any

import numpy as np

from cak_jax.audio.isolated_decoding.protocol import DecodeError, Header
from cak_jax.audio.streams.kinds import MORE
from cak_jax.audio.streams.source import Source, Stream, opened

_DEMUXERS = {"mp4": "mov", "adts": "aac", "flac_32": "flac"}
_DEMUXERS |= {"ogg_flac": "ogg", "ogg_more": "ogg"}
_CONTAINERS = {"mp4": "M4A", "adts": "AAC", "asf": "WMA", "wv": "WV", "tta": "TTA"}
_CONTAINERS |= {"amr": "AMR", "matroska": "MKA", "flac_32": "FLAC", "caf": "CAF"}
_CONTAINERS |= {"ogg_flac": "OGG", "ogg_more": "OGG"}
_LOSSLESS = ("alac", "wavpack", "tta", "flac")
_LOSSY = (
    *("aac", "aac_latm", "wmav1", "wmav2", "wmapro", "wmavoice", "opus", "vorbis"),
    *("mp3", "mp3float", "mp2", "ac3", "eac3", "amrnb", "amrwb", "libopencore_amrnb"),
    *("speex", "libspeex", "adpcm_ima_qt"),
)
_TAGS = {"track": "tracknumber"}
# Seconds that may be missing without a note: between packets and at the end, because
# the clocks of files are not finer; at the end of WMA, because ffmpeg estimates the
# length if the file does not declare it.
_GAP, _EARLY, _EARLY_WMA = 0.05, 0.1, 1.0
# Containers whose streams declare their length in seconds.
_LENGTHS = ("M4A", "WMA", "CAF")
# The element of Matroska with the length; ffmpeg estimates the length without it.
_DURATION = (b"\x44\x89\x84", b"\x44\x89\x88")


class PyAV:
    """A file that PyAV decodes.

    Attributes:
      header: as `Decoder.header`; lossless files have the type of their samples.
    """

    def __init__(self, source: Source, kind: str, stream: Stream) -> None:
        """Read the header of a kind of `MORE`; raises DecodeError."""
        try:
            import av
        except ImportError:
            raise DecodeError(f"is {MORE[kind]}, which needs PyAV") from None
        self._failed = av.error.FFmpegError
        self._notes, self._damaged, self._done = list[str](), 0, 0
        self._end = fractions.Fraction(0)
        self._missing, self._declared = 0.0, 0.0  # seconds
        file = opened(source, stream.pieces)
        head = file.read(1 << 16)
        file.seek(0)
        demuxer = _DEMUXERS.get(kind, kind)
        try:
            self._container: Any = av.open(
                file, "r", format=demuxer, metadata_errors="replace"
            )
        except (self._failed, ValueError) as error:
            raise _fault(error) from error
        try:
            self._start(head, _CONTAINERS[kind])
        except BaseException:
            self.close()
            raise

    def _start(self, head: bytes, container: str) -> None:
        if not self._container.streams.audio:
            raise DecodeError("holds no sound")
        self._stream = self._container.streams.audio[0]
        codec = self._stream.codec_context
        if codec.name not in _LOSSLESS + _LOSSY and not codec.name.startswith("pcm_"):
            raise DecodeError(f"holds {codec.name}, which is not read")
        if len(self._container.streams.audio) > 1:
            self._notes.append("holds several sounds: the first one is read")
        codec.thread_count = 1
        self._declared = self._seconds(container, head)
        self._early = _EARLY_WMA if container == "WMA" else _EARLY
        self._has_clock = container in ("M4A", "MKA", "WMA")
        self._is_padded, self._is_over = container == "M4A", False
        self._frames = self._decoded()
        # The rate and the type that come out, which the header may not know.
        first = next(self._frames, None)
        if first is None:
            raise DecodeError("holds no samples")
        self._block, self._rate = _samples(first), first.sample_rate
        self._channels = self._block.shape[1]
        # Others count in milliseconds, or guess.
        is_exact = container in ("FLAC", "WV", "TTA")
        length = _length(self._stream) if is_exact else 0
        declared = round(length * self._rate) if length else None
        subtype = codec.name.upper()
        if codec.name in _LOSSLESS or codec.name.startswith("pcm_"):
            subtype = _subtype(first.format.packed.name, _bits(codec, head))
        layout = self._rate, self._channels, declared
        self.header: Header = (*layout, container, subtype)

    def _seconds(self, container: str, head: bytes) -> float:
        """Return the length that a file declares in seconds; 0 where it does not."""
        if container == "MKA":
            found = any(mark in head for mark in _DURATION)
            return (self._container.duration or 0) / 1e6 if found else 0.0
        return float(_length(self._stream)) if container in _LENGTHS else 0.0

    def _decoded(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if packet.pts is not None and packet.duration:
                    begin = packet.pts * packet.time_base
                    if self._has_clock and 0 < self._end < begin - _GAP:
                        self._missing += float(begin - self._end)
                    # The last packet's end is that of the sound; padding follows.
                    self._end = begin + packet.duration * packet.time_base
                yield from packet.decode()
            except self._failed:
                self._damaged += 1
                # A file of nothing but damage must end, too.
                if self._damaged > 10_000:
                    return

    def tags(self) -> dict[str, str]:
        """Return title, artist and the like."""
        found = {**self._stream.metadata, **self._container.metadata}
        return {
            _TAGS.get(name.lower(), name.lower()): text for name, text in found.items()
        }

    def notes(self) -> list[str]:
        """Return what is odd about the file, as far as it was read."""
        found = list(self._notes)
        if self._damaged:
            found.append(f"is damaged: {self._damaged} of its packets are left out")
        if self._missing:
            found.append(f"has gaps of {self._missing:.2f} s, which are closed")
        if self._is_over:
            held = self._done / self._rate
            if self._declared - self._missing - held > self._early:
                told = f"declares {self._declared:.2f} s and holds {held:.2f} s"
                found.append(told)
        return found

    def read_into(self, buffer: memoryview, dtype: str) -> int:
        """Fill a buffer as `Decoder.read_into` does."""
        wanted = np.frombuffer(buffer, dtype).reshape(-1, self._channels)
        count = 0
        while count < len(wanted):
            if not len(self._block):
                frame = next(self._frames, None)
                if frame is None or not self._fits(frame):
                    break
                self._block = _samples(frame)
            part = self._block[: len(wanted) - count]
            if self._is_padded:
                left = round(self._end * self._rate) - self._done - count
                part = part[: max(0, left)]
                if not len(part):
                    self._block, self._frames = part, iter(())
                    break
            wanted[count : count + len(part)] = _converted(part, dtype)
            self._block = self._block[len(part) :]
            count += len(part)
        self._done += count
        self._is_over = count < len(wanted)
        return count

    def _fits(self, frame: Any) -> bool:
        same = (frame.sample_rate, frame.layout.nb_channels)
        if same == (self._rate, self._channels):
            return True
        seconds = self._done / self._rate
        self._notes.append(f"changes its sample rate or channels after {seconds:.1f} s")
        self._frames = iter(())
        return False

    def close(self) -> None:
        """Close the file; errors no longer matter."""
        with contextlib.suppress(self._failed):
            self._container.close()


def _samples(frame: Any) -> np.ndarray:
    """Return the samples of a frame, `[n, channels]`."""
    array = frame.to_ndarray()
    if frame.format.is_planar:
        return np.asarray(array.T)
    return np.asarray(array.reshape(-1, frame.layout.nb_channels))


def _converted(block: np.ndarray, dtype: str) -> np.ndarray:
    """Return samples at full scale 1, or left-justified int32."""
    if block.dtype.kind == "f":
        if dtype != "int32":
            return block.astype(dtype)
        level = np.rint(block.astype(np.float64) * 2.0**31)
        return level.clip(-(2.0**31), 2.0**31 - 1).astype(np.int32)
    bits = 8 * block.dtype.itemsize
    whole = block.astype(np.int64) - (128 if block.dtype == np.uint8 else 0)
    if dtype == "int32":
        return (whole << (32 - bits)).astype(np.int32)
    return (whole * 2.0 ** (1 - bits)).astype(dtype)


def _length(stream: Any) -> fractions.Fraction:
    """Return the length that a stream declares in seconds; 0 where it does not."""
    return fractions.Fraction((stream.duration or 0) * (stream.time_base or 0))


def _bits(codec: Any, head: bytes) -> int:
    """Return the bits of a lossless file's samples; 32 where it is not known."""
    extra = bytes(codec.extradata or b"")
    if codec.name == "alac" and len(extra) >= 18:
        return extra[17]
    if codec.name == "flac" and len(extra) >= 14:
        return ((extra[12] & 1) << 4 | extra[13] >> 4) + 1
    if codec.name == "wavpack" and head[:4] == b"wvpk":
        flags = int.from_bytes(head[24:28], "little")
        return 8 * ((flags & 3) + 1) - (flags >> 13 & 31)
    if codec.name == "tta" and head[:4] == b"TTA1":
        return int.from_bytes(head[8:10], "little")
    if codec.name.startswith(("pcm_s24", "pcm_u24")):
        return 24
    return 32


def _subtype(samples: str, bits: int) -> str:
    """Return soundfile's name of a sample type of ffmpeg."""
    names = {"flt": "FLOAT", "dbl": "DOUBLE", "u8": "PCM_U8", "s16": "PCM_16"}
    return names.get(samples) or ("PCM_24" if bits <= 24 else "PCM_32")


def _fault(error: BaseException) -> DecodeError:
    reason = getattr(error, "strerror", None) or str(error)
    return DecodeError(f"cannot be decoded ({' '.join(str(reason).split())[:200]})")
