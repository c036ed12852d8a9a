"""Noise that turns rounding errors into hiss: they no longer follow the sound."""

import numpy as np

KINDS = ("tpdf", "none")


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
    if kind not in KINDS:
        raise ValueError(f"dither must be one of {', '.join(KINDS)}, got {kind!r}")
    return Dither(seed) if kind == "tpdf" else None
