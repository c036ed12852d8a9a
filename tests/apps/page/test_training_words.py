"""How a training stands, in words."""

import pytest

from cak_jax.apps.page import training_words
from cak_jax.training.run_folder import STAGES, Status


def test_qualities_are_offered_in_words():
    assert len(training_words.QUALITIES) == 8
    assert training_words.QUALITIES["attack"] == "more percussive (attack)"
    assert training_words.QUALITIES["-attack"] == "more sustained (-attack)"


def test_every_stage_has_words_and_the_parts_follow_each_other():
    assert tuple(training_words.STAGES) == ("", *STAGES)
    parts = [stage.part for stage in training_words.STAGES.values()]
    assert parts == sorted(parts)
    assert set(parts) == set(range(1, training_words.PARTS + 1))
    for stage in ("making", "reading", "decoding", "measuring", "training"):
        said = training_words.describe_progress(Status(stage, 3, 8), 0, 6, 70.0)
        assert said.startswith(f"3 of 8 {training_words.STAGES[stage].unit}, ")


@pytest.mark.parametrize(
    ("status", "passes", "said"),
    [
        (Status(), 0, "7 s so far"),
        (Status("compiling"), 0, "7 s so far"),
        (Status("making", 1, 160), 0, "1 of 160 clips, 7 s so far"),
        (
            Status("decoding", 5, 160, 31.0),
            0,
            "5 of 160 clips, about 35 s left of this part, 7 s so far",
        ),
        # Its last step is counted before the pass ends, and then again.
        (Status("training", 30, 30, 0.0), 3, "30 of 30 steps, pass 3 of 3, 7 s so far"),
        (Status("checking", 1, 12), 2, "1 of 12 clips, 7 s so far"),
    ],
)
def test_progress(status, passes, said):
    assert training_words.describe_progress(status, passes, 3, 7.9).startswith(said)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "5 s"), (5.1, "10 s"), (55.0, "55 s"), (55.1, "1 min"), (89.0, "1 min")],
)
def test_the_time_left_is_rough(seconds, said):
    assert training_words.rough(seconds) == said


def test_nothing_is_said_of_a_pass_without_a_number():
    assert training_words.describe_pass([]) == []
    record = {"kind": "train", "epoch": 2, "violation": None}
    assert training_words.describe_pass([record]) == []
    held_out = {"kind": "held_out", "epoch": 3, "violation": 0.1}
    good = [record | {"epoch": n, "violation": 1 / n} for n in (1, 2)]
    assert training_words.describe_pass([*good, record | {"epoch": 3}, held_out]) == [
        "In pass 2 the knob was off by 50 % of a full turn; in pass 1 by 100 %."
    ]
