"""One sound file, open and decoded in order with libsndfile, never sought in.

What `audio` does in its own process and what `decoder_process` does in another.
"""

import contextlib

from cak_jax.audio.isolated_decoding.protocol import DecodeError

# libsndfile's number of a failed allocation.
_NO_MEMORY = 17
NO_MEMORY = "wants too much memory to be decoded"
# Of each tag, characters that are kept: a title is no novel.
LONGEST_TAG = 10_000


class Decoder:
    """A sound file being read.

    Attributes:
      header: sample rate, channels, declared frames, format and subtype.
    """

    def __init__(self, descriptor: int):
        """Read the header.

        Args:
          descriptor: of a file at its beginning; stays open when this is closed.

        Raises:
          DecodeError: it cannot be decoded.
        """
        import soundfile

        self._error = soundfile.SoundFileError
        try:
            file = soundfile.SoundFile(descriptor, closefd=False)
        except soundfile.SoundFileError as error:
            raise _fault("cannot be decoded", error) from error
        # soundfile believes the declared length, and seeks after every read, only
        # where the file says that it can seek.
        file.seekable = lambda: False
        self._file = file
        self.header = (
            *(file.samplerate, file.channels, file.frames),
            *(file.format, file.subtype),
        )

    def tags(self) -> dict[str, str]:
        """Return what the file says of itself in words."""
        found = self._file.copy_metadata()
        return {name: text[:LONGEST_TAG] for name, text in found.items()}

    def read_into(self, buffer, dtype: str) -> int:
        """Fill a writable buffer of bytes with the next frames.

        Args:
          buffer: whole frames long, at least one.
          dtype: "float32", "float64" or "int32".

        Returns:
          The number of frames; 0 where the decoder has no more.

        Raises:
          DecodeError: the file is damaged.
        """
        try:
            return self._file.buffer_read_into(buffer, dtype)
        except self._error as error:
            raise _fault("is damaged", error) from error

    def close(self) -> None:
        """Let go of the file."""
        # What was read of it was read: a fault comes too late to count.
        with contextlib.suppress(self._error):
            self._file.close()


def short(error: BaseException) -> str:
    """Return libsndfile's own words, without the descriptor's number before them."""
    text = getattr(error, "error_string", None) or str(error)
    text = " ".join(text.split()).rstrip(".")
    if text:
        return text
    return f"error {getattr(error, 'code', 'without a number')} of libsndfile"


def _fault(what: str, error: BaseException) -> DecodeError:
    if getattr(error, "code", None) == _NO_MEMORY:
        return DecodeError(NO_MEMORY)
    return DecodeError(f"{what} ({short(error)})")
