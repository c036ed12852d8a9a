"""The quality that an effect's knob moves, as weights on measured qualities."""

import math

from cak_jax.effect.effect import Quality
from cak_jax.effect.schema import EffectError
from cak_jax.model.quality_names import WORDS, split


def measurable(quality: Quality | None) -> bool:
    """Say whether this version can measure it in a sound.

    It can if it knows the name, or every quality that its reader weighs.
    """
    if quality is None:
        return False
    if quality.reader is not None:
        return WORDS.keys() >= quality.reader.keys()
    return split(quality.name)[0] in WORDS


def reader(quality: Quality) -> tuple[float, ...]:
    """Return the weight of each of `WORDS` that reads a change in units of the range.

    Raises:
      EffectError: this version does not know the quality, or one that its reader
        weighs.

    >>> reader(Quality("-attack", "natural log", 0.5))
    (0.0, 0.0, -2.0, 0.0)
    >>> reader(Quality("warmth", "points", 2.0, {"spectral_centroid": -1.5}))
    (0.0, -0.75, 0.0, 0.0)
    """
    if not measurable(quality):
        raise EffectError(
            f"quality.name: {quality.name!r} is none that this version can measure "
            f"({', '.join(WORDS)})"
        )
    name, sign = split(quality.name)
    weights = {name: sign} if quality.reader is None else quality.reader
    return tuple(weights.get(word, 0.0) / quality.range for word in WORDS)


def target(quality: Quality) -> float:
    """Return the reading, as `reader` reads a sound, that amount 1 leads to.

    Infinite for a quality without a target: every sound is asked for the same change.

    >>> target(Quality("-attack", "natural log", 0.5, target=-1.5))
    3.0
    """
    if quality.target is None:
        return math.inf
    sign = 1 if quality.reader is not None else split(quality.name)[1]
    return sign * quality.target / quality.range
