"""How a training stands, in words for a musician; from its status and its metrics."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from cak_jax.model.quality_names import LESS, WORDS, split
from cak_jax.training.run_folder import Status


class Stage(NamedTuple):
    """A stage of a run.

    Attributes:
      part: of the `PARTS` that the page counts.
      doing: what is done in it.
      unit: what it counts; "" for nothing.
    """

    part: int
    doing: str
    unit: str = ""


PARTS = 4
# By the names of `run_folder.STAGES`; "" before the first.
STAGES = {
    "": Stage(1, "starting"),
    "making": Stage(1, "making the sounds", "clips"),
    "reading": Stage(1, "looking through the files", "files"),
    "decoding": Stage(1, "reading the sounds", "clips"),
    "measuring": Stage(1, "measuring the sounds", "clips"),
    "hearing": Stage(1, "listening to the sounds", "places"),
    "compiling": Stage(2, "getting ready, up to a minute"),
    "training": Stage(3, "training", "steps"),
    "checking": Stage(3, "trying the knob on sounds kept aside", "clips"),
    "evaluating": Stage(4, "measuring the effect on sounds kept aside", "steps"),
    "report": Stage(4, "writing the report", "steps"),
    "finished": Stage(4, "ending"),
}
# What the knob may do to a sound: the field `corpus.labels` -> words for the page.
QUALITIES = {
    sign + name: f"{text} ({sign}{name})"
    for name, words in WORDS.items()
    for sign, text in (("", words.more), (LESS, words.less))
}


def describe_stage(status: Status) -> str:
    """Return what a run does now.

    >>> describe_stage(Status("compiling"))
    'Part 2 of 4: getting ready, up to a minute'
    """
    stage = STAGES[status.stage]
    return f"Part {stage.part} of {PARTS}: {stage.doing}"


def describe_progress(status: Status, passes: int, total: int, seconds: float) -> str:
    """Return how far a running run is.

    Args:
      status: of the run.
      passes: over the sounds that are done.
      total: of all passes.
      seconds: since the start.

    >>> describe_progress(Status("training", 64, 192, 130.0), 2, 6, 80.0)
    '64 of 192 steps, pass 3 of 6, about 2 min left of this part, 1 min 20 s so far'
    """
    words = []
    if status.total:
        words.append(f"{status.done} of {status.total} {STAGES[status.stage].unit}")
    if status.stage == "training":
        words.append(f"pass {min(passes + 1, total)} of {total}")
    if status.seconds_left:
        words.append(f"about {rough(status.seconds_left)} left of this part")
    return ", ".join([*words, f"{duration(seconds)} so far"])


def rough(seconds: float) -> str:
    """Return a time as a person says it.

    >>> rough(2.0), rough(43.0), rough(100.0)
    ('5 s', '45 s', '2 min')
    """
    if seconds <= 55:
        return f"{max(5, 5 * math.ceil(seconds / 5))} s"
    return f"{max(1, round(seconds / 60))} min"


def duration(seconds: float) -> str:
    """Return a time to the second.

    >>> duration(9.7), duration(61.0)
    ('9 s', '1 min 1 s')
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def describe_pass(records: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence on the last pass of a run and the first; none before its end.

    Args:
      records: of `metrics.jsonl`.

    >>> first = {"kind": "train", "epoch": 1, "violation": 0.253}
    >>> describe_pass([first])
    ['In pass 1 the knob was off by 25 % of a full turn.']
    >>> describe_pass([first, {"kind": "train", "epoch": 2, "violation": 0.1}])
    ['In pass 2 the knob was off by 10 % of a full turn; in pass 1 by 25 %.']
    """
    # A number that was not finite is None in the log.
    passes = [
        (record["epoch"], f"{100 * record['violation']:.0f} %")
        for record in records
        if record["kind"] == "train" and record.get("violation") is not None
    ]
    if not passes:
        return []
    (number, missed), (first, at_first) = passes[-1], passes[0]
    said = f"In pass {number} the knob was off by {missed} of a full turn"
    if number > first:
        said += f"; in pass {first} by {at_first}"
    return [f"{said}."]


def describe_quality(labels: str) -> str:
    """Return what the knob does to a sound, from `corpus.labels`.

    >>> describe_quality("-attack")
    'makes a sound more sustained'
    """
    name, sign = split(labels)
    return f"makes a sound {WORDS[name].more if sign > 0 else WORDS[name].less}"
