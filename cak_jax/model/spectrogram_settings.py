"""How sound becomes a normalised spectrogram: settings and constants, without JAX.

An effect file can be read and listed without loading JAX.
"""

import dataclasses
from typing import NamedTuple

# dBFS of the mean square; what an effect adds to a sound at this level is 3 dB lower.
# See `model/limit.py`; it stands here because reading an effect file loads no JAX.
LIMIT_FLOOR_DB = -60.0


@dataclasses.dataclass(frozen=True)
class SpectrogramSettings:
    """How sound becomes a spectrogram: periodic Hann window, centred, zero padded.

    Attributes:
      sample_rate: samples per second at which analysis happens.
      n_fft: FFT and window length in samples, even.
      hop_length: samples between frames; must divide `n_fft`, at most half of it.
    """

    sample_rate: int = 44100
    n_fft: int = 2048
    hop_length: int = 512

    def __post_init__(self) -> None:
        if self.n_fft % 2 or self.n_fft % self.hop_length:
            raise ValueError(
                f"n_fft must be even and a multiple of hop_length, got "
                f"n_fft={self.n_fft}, hop_length={self.hop_length}"
            )
        if self.hop_length * 2 > self.n_fft:
            raise ValueError(
                f"hop_length must be at most half of n_fft, got "
                f"n_fft={self.n_fft}, hop_length={self.hop_length}"
            )

    @property
    def bins(self) -> int:
        """Number of frequency bins, DC and Nyquist included."""
        return self.n_fft // 2 + 1

    def frames(self, samples: int) -> int:
        """Number of frames of a centred transform of `samples` samples."""
        return 1 + samples // self.hop_length


class Normalization(NamedTuple):
    """Global constants that map a magnitude to [0, 1].

    A tuple, so that JAX takes it as an argument of a program.

    Attributes:
      alpha: gain before the logarithm.
      gamma: exponent after scaling.
      low, high: the values of `log1p(alpha * sqrt|X|)` that map to 0 and 1.
    """

    alpha: float = 10.0
    gamma: float = 0.85
    low: float = 0.0
    high: float = 4.0
