"""The quality that an effect's knob moves, as weights on measured qualities."""

from cak_jax.effect.effect import Quality
from cak_jax.effect.schema import EffectError
from cak_jax.model.quality_names import WORDS, split


def measurable(quality: Quality | None) -> bool:
    """Say whether this version can measure it in a sound."""
    return quality is not None and split(quality.name)[0] in WORDS


def reader(quality: Quality) -> tuple[float, ...]:
    """Return the weight of each of `WORDS` that reads a change in units of the range.

    Raises:
      EffectError: this version does not know the quality.

    >>> reader(Quality("-attack", "natural log", 0.5))
    (0.0, 0.0, -2.0, 0.0)
    """
    if not measurable(quality):
        raise EffectError(
            f"quality.name: {quality.name!r} is none that this version can measure "
            f"({', '.join(WORDS)})"
        )
    name, sign = split(quality.name)
    return tuple(sign / quality.range if word == name else 0.0 for word in WORDS)
