"""A sound of any length rendered in bounded memory: measured first, then given.

Its gain and its peak are known only at its end, so that it is rendered twice; what is
short is kept in between. Rendering again costs less than keeping hours on a disk.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import blocks
from cak_jax.rendering.knob import Factors
from cak_jax.rendering.loudness import Match
from cak_jax.rendering.settings import RenderSettings

# Samples over all channels that are kept between the passes: 128 MB of float64.
KEPT_SAMPLES = 1 << 24

Read = Callable[[], Iterator[np.ndarray]]


class TooLoudError(EffectError):
    """Samples so far above full scale that arithmetic on them overflows."""

    def __init__(self):
        super().__init__("is too loud to render: its samples are far above full scale")


class ChangedError(EffectError):
    """A sound that was not the same the second time it was read."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is known of a rendering after the first pass.

    Attributes:
      samples: per channel.
      gain: that matches the loudness; exactly 1 where nothing changed.
      gain_was_cut: whether it would have been beyond what is allowed.
      peak: the largest sample after the gain.
    """

    samples: int
    gain: float
    gain_was_cut: bool
    peak: float


class Rendering:
    """One sound through an effect, mode "residual"."""

    def __init__(
        self,
        effect: Effect,
        read: Read,
        sample_rate: int,
        channels: int,
        factors: Callable[[], Factors],
        settings: RenderSettings,
        progress: Callable[[int], None] = lambda samples: None,
    ):
        """Prepare; nothing is read yet.

        Args:
          effect: what to apply.
          read: gives the sound from its beginning, `[channels, n]` float blocks.
          sample_rate: of the sound, Hz.
          channels: of the sound.
          factors: gives the knob at the sound's beginning.
          settings: how.
          progress: called with the samples per channel gone through, of two passes.
        """
        self._arguments = effect, sample_rate, channels, settings
        self._read, self._factors, self._progress = read, factors, progress
        self._kept: list[np.ndarray] | None = []
        self._done = 0

    def measure(self) -> Measured:
        """Go through the sound once.

        Raises:
          EffectError: it is too loud, or not what the loudness match can do.
        """
        _, sample_rate, channels, settings = self._arguments
        match = Match(settings.loudness, sample_rate, channels)
        samples, peak = 0, 0.0
        # Float files may hold numbers whose squares overflow: seen below, in one line.
        with np.errstate(over="ignore", invalid="ignore"):
            for dry, wet in self._run():
                match.add(dry, wet)
                samples += wet.shape[-1]
                # Not max(peak, ...): that would lose a NaN.
                peak = float(np.maximum(peak, np.abs(wet).max(initial=0.0)))
                self._keep(wet, samples * channels)
            gain, was_cut = match.gain()
        if not np.isfinite(peak * gain):
            raise TooLoudError
        self._samples, self._gain = samples, gain
        return Measured(samples, gain, was_cut, peak * gain)

    def blocks(self, gain: float = 1.0) -> Iterator[np.ndarray]:
        """Yield the sound `[channels, n]`, its loudness matched, times `gain`.

        Raises:
          EffectError: the sound has changed since it was measured.
        """
        kept, given = self._kept, 0
        parts = (wet for _, wet in self._run()) if kept is None else iter(kept)
        gain = self._gain * gain
        for wet in parts:
            given += wet.shape[-1]
            if kept is not None:
                self._advance(wet)
            yield wet if gain == 1.0 else wet * gain
        if given != self._samples:
            raise ChangedError("was changed while it was rendered: try again")

    def _run(self):
        effect, sample_rate, channels, settings = self._arguments
        for dry, wet in blocks.changed(
            effect, self._read(), sample_rate, channels, self._factors(), settings
        ):
            self._advance(wet)
            yield dry, wet

    def _advance(self, wet):
        self._done += wet.shape[-1]
        self._progress(self._done)

    def _keep(self, wet: np.ndarray, so_far: int) -> None:
        if self._kept is None:
            return
        if so_far > KEPT_SAMPLES:
            self._kept = None
        else:
            self._kept.append(wet)
