"""The settings of a corpus, checked when they are made."""

import dataclasses
import os

from cak_jax.data.scan import CorpusError
from cak_jax.runtime.text import printable

EMBEDDED = "synthetic instruments"


def corpus_name(path: str) -> str:
    """Return a corpus's name: its folder's, or that of a zip or sound without suffix.

    Args:
      path: as `corpus.path`; "" for the embedded corpus.

    >>> corpus_name("/home/me/drums/"), corpus_name("")
    ('drums', 'synthetic instruments')
    """
    if not path:
        return EMBEDDED
    path = os.path.abspath(os.path.expanduser(path))
    name = os.path.basename(path)
    if os.path.isfile(path):
        name = os.path.splitext(name)[0]
    return printable(name) or "sounds"  # the root folder has no name


@dataclasses.dataclass(frozen=True)
class CorpusSettings:
    """How a folder of sounds becomes a corpus.

    Attributes:
      path: the folder; also a zip, or one sound file.
      clip: "centre", the middle of each file (the paper), or "all", every stretch.
      seconds: length of a clip.
      fade_seconds: linear fade in and out of each clip.
      short: place of a file shorter than a clip within the zero padding, "centre" or
        "start" (the published code).
      held_out: share of the files that is not trained on, in [0, 1).
      max_clips: the most training clips; 0 for no limit.
      max_held_out: the most held-out clips; 0 for no limit.
      labels: "random", the name of a descriptor, or the path of a CSV or JSON file.
      partial_labels: whether a table may lack files. They have the middle label and no
        rating then, which is enough where the game does not use the labels.
      label_column: column or key of that file; may be empty if there is only one.
      seed: of the order of the files, the split and random labels.
      cache: folder of the prepared clips; empty for the user's cache folder.
    """

    path: str
    clip: str = "all"
    seconds: float = 15.0
    fade_seconds: float = 2.0
    short: str = "centre"
    held_out: float = 0.2
    max_clips: int = 200
    max_held_out: int = 40
    labels: str = "random"
    partial_labels: bool = False
    label_column: str = ""
    seed: int = 0
    cache: str = ""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
          CorpusError: naming the field.
        """
        for field, fits, allowed in (
            ("clip", self.clip in ("centre", "all"), "one of ('centre', 'all')"),
            ("short", self.short in ("centre", "start"), "one of ('centre', 'start')"),
            ("seconds", 0.01 <= self.seconds <= 3600, "between 0.01 and 3600"),
            (
                "fade_seconds",
                0 <= self.fade_seconds <= self.seconds / 2,
                "between 0 and half of corpus.seconds",
            ),
            ("held_out", 0 <= self.held_out < 1, "in [0, 1)"),
            ("max_clips", self.max_clips >= 0, "0 (no limit) or more"),
            ("max_held_out", self.max_held_out >= 0, "0 (no limit) or more"),
        ):
            if not fits:
                got = getattr(self, field)
                raise CorpusError(f"corpus.{field}: must be {allowed}, got {got!r}")
