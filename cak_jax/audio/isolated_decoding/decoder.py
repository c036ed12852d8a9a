"""One open sound file, decoded in order with libsndfile, without seeking.

`sound_file` uses it in its own process, `process` in another.
"""

import contextlib

from cak_jax.audio.isolated_decoding.protocol import DecodeError

# libsndfile's error number of a failed allocation.
_NO_MEMORY = 17
NO_MEMORY = "wants too much memory to be decoded"
# Characters that are kept of each tag; longer texts are no titles.
LONGEST_TAG = 10_000


class Decoder:
    """A sound file that is being read.

    Attributes:
      header: sample rate, channels, declared frames, format and subtype.
    """

    def __init__(self, descriptor: int) -> None:
        """Read the header of a file at its beginning; `close` leaves it open.

        Raises:
          DecodeError: it cannot be decoded.
        """
        import soundfile

        self._error = soundfile.SoundFileError
        try:
            file = soundfile.SoundFile(descriptor, closefd=False)
        except soundfile.SoundFileError as error:
            raise _fault("cannot be decoded", error) from error
        # Otherwise soundfile believes the declared length and seeks after every read.
        file.seekable = lambda: False
        self._file = file
        layout = file.samplerate, file.channels, file.frames
        self.header = (*layout, file.format, file.subtype)

    def tags(self) -> dict[str, str]:
        """Return the tags of the file, such as title and artist."""
        tags = self._file.copy_metadata()
        return {name: text[:LONGEST_TAG] for name, text in tags.items()}

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
            count: int = self._file.buffer_read_into(buffer, dtype)
            return count
        except self._error as error:
            raise _fault("is damaged", error) from error

    def close(self) -> None:
        """Close the file; errors no longer matter."""
        with contextlib.suppress(self._error):
            self._file.close()


def short(error: BaseException) -> str:
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
