"""The qualities by name, with units and words for people; no JAX is loaded.

`model/qualities.py` has the function of each.
"""

from typing import NamedTuple


class Words(NamedTuple):
    """How people speak of a quality.

    Attributes:
      unit: of a difference of two measures.
      more, less: what a person hears where it rises, and where it falls.
    """

    unit: str
    more: str
    less: str


# The text code of an effect holds a place in this table (`effect/text_code.py`), so new
# qualities are added at the end.
WORDS = {
    "spectral_flatness": Words("dB", "noisier", "more tonal"),
    "spectral_centroid": Words("octaves", "brighter", "darker"),
    "attack": Words("natural log", "more percussive", "more sustained"),
    "spectral_contrast": Words("natural log", "finer in structure", "smoother"),
}
# In front of a name: less of the quality.
LESS = "-"


def split(name: str) -> tuple[str, int]:
    """Return the quality of a name such as "-attack", and the sign: -1 for less.

    >>> split("-attack"), split("attack")
    (('attack', -1), ('attack', 1))
    """
    return (name[1:], -1) if name.startswith(LESS) else (name, 1)
