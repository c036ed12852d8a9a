"""What a run says of its effect, against cases whose answer is known."""

import numpy as np
import pytest

from cak_jax.evaluation import agreement, convergence

END = np.arange(1.0, 10.0).reshape(3, 3)
CONTROLS = agreement.CONTROLS


def series(*distances):
    # Epochs at the given distances from the end, as shares of its norm.
    return np.array([END * (1 + distance) for distance in distances])


@pytest.mark.parametrize(
    ("distances", "epoch", "last"),
    [
        ((1.0, 0.5, 0.01, 0.005, 0.0), 3, 0.005),
        ((0.5, 0.01, 0.3, 0.01, 0.0), 4, 0.01),  # left again: the last time counts
        ((1.0, 0.5, 0.1, 0.0), None, 0.1),
        ((0.0, 0.0, 0.0), 1, 0.0),
        ((-0.5, 0.0), None, 0.5),
        ((0.0,), None, None),
    ],
)
def test_settling(distances, epoch, last):
    found = convergence.settling(series(*distances))
    assert found["epoch"] == epoch
    assert found["last_change"] == pytest.approx(last)
    said = convergence.settled_sentence(found, len(distances))
    if last is None:
        assert said == ""
    elif epoch is None:
        assert (
            said.startswith("The effect was still changing") and f"{last:.0%}" in said
        )
    else:
        assert f"after epoch {epoch} of {len(distances)}" in said


def test_an_effect_of_nothing_settles():
    assert convergence.settling(np.zeros((3, 3, 3)))["epoch"] == 1
    assert convergence.settling(np.zeros((0,)))["last_change"] is None


def measured(slope, exact=True, quiet=0.0):
    curve = slope * np.tile(CONTROLS, (4, 1))
    fitted = agreement.fit(CONTROLS, curve) | {
        "per_clip": agreement.per_clip(CONTROLS, curve)
    }
    audit = {"calibrated": fitted}
    return {
        "audit": {"relative": {**audit, "quiet_share": quiet}, "absolute": audit},
        "bit_exact_at_0": exact,
        "clips": 8,
    }


@pytest.mark.parametrize("audit", ["relative", "absolute"])
def test_the_verdict_follows_the_audit(audit):
    # r2 of slope s over 0..1: 1 - (s - 1)^2 E[c^2] / Var[c].
    share = np.mean(CONTROLS**2) / np.var(CONTROLS)
    for slope, word in ((1.0, "Trustworthy"), (0.7, "Use with care"), (0.1, "Not")):
        document = measured(slope)
        said = convergence.sentence(document, audit, True)
        assert said.startswith(word)
        r2 = 1 - (slope - 1) ** 2 * share
        assert f"R2 {r2:.3f}, mean error" in said and "8 held-out clips" in said
        assert convergence.trustworthy(document, audit) == (slope == 1.0)
        plain = {"Trustworthy": "You can trust the knob", "Not": "Do not trust it"}
        assert convergence.plainly(document, audit).startswith(
            plain.get(word, "Use it with care, it makes 0.70 of what is asked")
        )


def test_what_is_left_at_zero_is_not_trusted():
    assert not convergence.trustworthy(measured(1.0, exact=False), "relative")


def test_silent_clips_and_missing_held_out_ones_are_said():
    said = convergence.sentence(measured(1.0, quiet=0.25), "relative", False)
    assert "on 6 training clips (2 more are too quiet to tell)" in said
    assert "Nothing was held out" in said


def listened(slope=1.0, other=1.0, r2=0.9, rising=1.0, level=1.0, exact=True):
    """The document of an effect with a quality that a game's audit would not trust."""
    return measured(0.1, exact=exact) | {
        "heard": {
            "clips": 33,
            "side_effects": {"level_db": level},
            "quality": {
                "rising_share": rising,
                "windows": {
                    "1024": {"slope": slope, "r2": r2},
                    "4096": {"slope": other, "r2": r2},
                },
            },
        }
    }


def test_with_a_target_each_clip_is_judged_by_its_own_way():
    document = listened(slope=0.98, r2=0.3)
    windows = document["heard"]["quality"]["windows"]
    windows["1024"]["to_target"] = {"slope": 0.8, "r2": 0.85}
    assert convergence.trustworthy(document, "heard")
    said = convergence.sentence(document, "heard", True)
    assert "makes 0.98 of" in said and "R2 0.850" in said
    # Or all clips change equally.
    assert convergence.trustworthy(listened(slope=0.98, r2=0.85), "heard")
    windows["1024"]["to_target"]["r2"] = 0.79
    [fault] = convergence.heard_faults(document)
    assert "R2 0.790" in fault


def test_an_effect_with_a_quality_is_judged_by_what_is_heard():
    document = listened(slope=0.98, other=1.02)
    assert convergence.trustworthy(document, "relative")
    assert convergence.sentence(document, "relative", True) == (
        "Trustworthy: --amount of apply makes 0.98 of the requested change, 1.02 in "
        "frames of 4096 samples, R2 0.900, on 33 held-out clips."
    )
    said = convergence.sentence(document, "relative", False)
    assert "33 training clips" in said and "Nothing was held out" in said
    assert "on 33 clips." in convergence.sentence(document, "relative", None)


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ({"slope": 1.09}, {"slope": 1.2}, "the knob goes too far: 1.20 of what is "),
        ({"slope": 0.91}, {"slope": 0.8}, "the knob falls short: 0.80 of what is "),
        (
            {"other": 1.14},
            {"other": 1.16},
            "measured again in frames of 4096 samples it makes 1.16 of what is asked",
        ),
        ({"r2": 0.81}, {"r2": 0.79}, "sounds differ in how far they follow: R2 0.790"),
        ({"rising": 0.96}, {"rising": 0.9}, "10% of the knob's steps give no more"),
        ({"level": -2.9}, {"level": -3.1}, "the level changes by -3.1 dB at full turn"),
        ({"exact": True}, {"exact": False}, "amount 0 still changes the sound"),
    ],
)
def test_what_fails_to_the_ear_is_said(good, bad, said):
    assert convergence.heard_faults(listened(**good)) == []
    [fault] = convergence.heard_faults(listened(**bad))
    assert fault.startswith(said)
    assert not convergence.trustworthy(listened(**bad), "relative")
    text = convergence.sentence(listened(**bad), "relative", True)
    assert text == f"Use with care, on 33 held-out clips {fault}."
    plain = convergence.plainly(listened(**bad), "relative")
    assert plain == f"Use it with care, {fault.partition(': R2')[0]}"


@pytest.mark.parametrize("changes", [{"slope": 0.4}, {"rising": 0.7}])
def test_a_knob_that_goes_the_wrong_way_is_not_trusted(changes):
    said = convergence.sentence(listened(**changes), "relative", True)
    assert said.startswith("Not trustworthy, on 33 held-out clips ")


def test_infinite_samples_are_not_trusted():
    document = listened(level=None)
    assert not convergence.trustworthy(document, "relative")
    said = convergence.sentence(document, "relative", True)
    assert said == "Not trustworthy, the effect makes infinite samples."
