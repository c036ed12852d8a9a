"""One open sound file, decoded in order, without seeking.

`sound_file` uses it in its own process, `process` in another. `streams` finds what is
to be decoded; libsndfile decodes it, or PyAV where libsndfile does not know the format.
"""

import contextlib
import importlib.util
from typing import Any, Protocol

from cak_jax.audio.isolated_decoding.protocol import SAMPLE_BYTES, DecodeError, Header
from cak_jax.audio.streams.find import find
from cak_jax.audio.streams.kinds import MORE, identify
from cak_jax.audio.streams.source import Source, Stream, opened

# libsndfile's error number of a failed allocation.
_NO_MEMORY = 17
# What libsndfile says of files of unknown length.
_UNKNOWN = (1 << 63) - 1
# Front left, front right, centre, low frequencies, the others.
_VORBIS = {3: [0, 2, 1], 5: [0, 2, 1, 3, 4], 6: [0, 2, 1, 5, 3, 4]}
_VORBIS |= {7: [0, 2, 1, 6, 5, 3, 4], 8: [0, 2, 1, 7, 5, 6, 3, 4]}
NO_MEMORY = "wants too much memory to be decoded"
# Characters that are kept of each tag; longer texts are no titles.
LONGEST_TAG = 10_000


class _Backend(Protocol):
    """One stream that is being decoded."""

    header: Header

    def tags(self) -> dict[str, str]: ...
    def notes(self) -> list[str]: ...
    def read_into(self, buffer: memoryview, dtype: str) -> int: ...
    def close(self) -> None: ...


class Decoder:
    """A sound file that is being read, all its streams in a row.

    Attributes:
      header: sample rate, channels, declared frames (None if unknown), format and
        subtype.
    """

    def __init__(self, descriptor: int) -> None:
        """Read the headers of a file; `close` leaves it open.

        Raises:
          DecodeError: it cannot be decoded.
        """
        self._source = Source(descriptor)
        self._kind = identify(self._source)
        self._streams, self._notes = find(self._source, self._kind)
        self._next, self._done = 1, 0
        self._current = self._open(self._streams[0])
        self.header = self._joined(self._current.header)

    def _joined(self, first: Header) -> Header:
        """Return the header of all streams that go on as the first one; drop others."""
        rate, channels, frames, *_ = first
        total = len(self._streams)
        for number, stream in enumerate(self._streams[1:], 1):
            try:
                with contextlib.closing(self._open(stream)) as other:
                    if other.header[:2] != first[:2] or other.header[3:] != first[3:]:
                        raise DecodeError(_layout(other.header))
                    more = other.header[2]
            except DecodeError as error:
                del self._streams[number:]
                note = f"number {number + 1} is not read, nor what follows ({error})"
                self._notes.insert(0, f"is {total} sounds joined to one file: {note}")
                break
            frames = None if frames is None or more is None else frames + more
        else:
            if total > 1:
                self._notes.insert(0, f"is {total} sounds joined to one file, all read")
        return (rate, channels, frames, *first[3:])

    def tags(self) -> dict[str, str]:
        """Return the tags of the file, such as title and artist."""
        tags = self._current.tags()
        return {name: text[:LONGEST_TAG] for name, text in tags.items()}

    def notes(self) -> list[str]:
        """Return what is odd about the file; at the end, also what came out of it."""
        return [*self._notes, *self._current.notes()]

    def read_into(self, buffer: memoryview, dtype: str) -> int:
        """Fill a writable buffer of bytes with the next frames.

        Args:
          buffer: as long as one frame or several.
          dtype: "float32", "float64" or "int32".

        Returns:
          The number of frames; 0 at the end.

        Raises:
          DecodeError: the file is damaged.
        """
        try:
            count = self._current.read_into(buffer, dtype)
        except DecodeError as error:
            count = self._read_on(buffer, dtype, error)
        while not count and self._next < len(self._streams):
            self._notes = self.notes()
            self._current.close()
            self._current = self._open(self._streams[self._next])
            self._next += 1
            count = self._current.read_into(buffer, dtype)
        self._done += count
        return count

    def close(self) -> None:
        """Close the file; errors no longer matter."""
        self._current.close()

    def _open(self, stream: Stream) -> _Backend:
        if self._kind.name in MORE:
            return _open_more(self._source, self._kind.name, stream)
        try:
            return Libsndfile(self._source, stream)
        except DecodeError:
            if self._source.at(self._kind.start, 4) != b"caff" or not _has_more():
                raise
            # libsndfile decodes only the ALAC that it has written.
            return _open_more(self._source, "caf", stream)

    def _read_on(self, buffer: memoryview, dtype: str, error: DecodeError) -> int:
        """Read on behind the damage of a FLAC with PyAV; else raise `error`."""
        if not (
            self._kind.name == "flac"
            and isinstance(self._current, Libsndfile)
            and _has_more()
        ):
            raise error
        stream, done = self._streams[self._next - 1], self._current.done
        try:
            other = _open_more(self._source, "flac_32", stream)
        except DecodeError:
            raise error from None
        self._current.close()
        self._current = other
        self._notes = [*self._notes, f"{error}: read on behind it"]
        frame = self.header[1] * SAMPLE_BYTES[dtype]
        while done:  # frames that were read already
            part = buffer[: min(done * frame, len(buffer) // frame * frame)]
            count = self._current.read_into(part, dtype)
            if not count:
                return 0
            done -= count
        return self._current.read_into(buffer, dtype)


class Libsndfile:
    """A stream that libsndfile decodes.

    Attributes:
      done: frames that were read.
    """

    def __init__(self, source: Source, stream: Stream) -> None:
        """Read its header; raises DecodeError."""
        import soundfile

        self._error = soundfile.SoundFileError
        file: Any = source.descriptor
        if stream.pieces is not None:
            file = opened(source, stream.pieces)
        try:
            file = soundfile.SoundFile(file, closefd=False)
        except soundfile.SoundFileError as error:
            raise _fault("cannot be decoded", error) from error
        # Otherwise soundfile believes the declared length and seeks after every read.
        file.seekable = lambda: False
        self._file, self.done, self._most = file, 0, stream.frames
        self._order = _order(source, file)
        frames = file.frames if stream.frames is None else stream.frames
        declared = None if frames == _UNKNOWN else frames
        layout = file.samplerate, file.channels, declared
        self.header: Header = (*layout, file.format, file.subtype)

    def tags(self) -> dict[str, str]:
        """Return title, artist and the like."""
        found: dict[str, str] = self._file.copy_metadata()
        return found

    def notes(self) -> list[str]:
        """Return what is odd; nothing."""
        return []

    def read_into(self, buffer: memoryview, dtype: str) -> int:
        """Fill a buffer as `Decoder.read_into` does."""
        _, channels, frames, container, _ = self.header
        counted = self._most is not None or container == "FLAC"
        left = 0 if frames is None else frames - self.done
        if counted and left > 0:
            # Exactly up to the end, behind which there may be no sound.
            buffer = buffer[: left * channels * SAMPLE_BYTES[dtype]]
        elif self._most is not None:
            return 0
        try:
            count: int = self._file.buffer_read_into(buffer, dtype)
        except self._error as error:
            if counted and left <= 0:
                return 0
            raise _fault("is damaged", error) from error
        self.done += count
        if self._order and count:
            import numpy as np

            samples = np.frombuffer(buffer, dtype, count * channels)
            samples = samples.reshape(count, channels)
            samples[:] = samples[:, self._order]
        return count

    def close(self) -> None:
        """Close the file; errors no longer matter."""
        with contextlib.suppress(self._error):
            self._file.close()


def _order(source: Source, file: Any) -> list[int]:
    """Return the places of WAV's channels among those of OGG; [] if they are the same.

    Vorbis I, section 4.3.9; Opus has that order, too, in its mapping family 1.
    """
    if file.format != "OGG" or file.subtype not in ("VORBIS", "OPUS"):
        return []
    head = source.at(0, 1 << 16)
    opus = head.find(b"OpusHead")
    if file.subtype == "OPUS" and head[opus + 18 : opus + 19] != b"\x01":
        return []
    return _VORBIS.get(file.channels, [])


def _has_more() -> bool:
    """Say whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def _open_more(source: Source, kind: str, stream: Stream) -> _Backend:
    from cak_jax.audio.isolated_decoding import more_formats

    return more_formats.PyAV(source, kind, stream)


def _layout(header: Header) -> str:
    rate, channels, _, kind, subtype = header
    return f"it is {kind} {subtype}, {channels} channels, {rate} Hz"


def short(error: BaseException | Any) -> str:
    """Return the reason that libsndfile gives, without the descriptor's number."""
    text = getattr(error, "error_string", None) or str(error)
    text = " ".join(text.split()).rstrip(".")
    if text:
        return text
    return f"error {getattr(error, 'code', 'without a number')} of libsndfile"


def _fault(fault: str, error: BaseException) -> DecodeError:
    if getattr(error, "code", None) == _NO_MEMORY:
        return DecodeError(NO_MEMORY)
    return DecodeError(f"{fault} ({short(error)})")
