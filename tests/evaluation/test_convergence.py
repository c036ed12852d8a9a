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


def test_what_is_left_at_zero_is_not_trusted():
    assert not convergence.trustworthy(measured(1.0, exact=False), "relative")


def test_silent_clips_and_missing_held_out_ones_are_said():
    said = convergence.sentence(measured(1.0, quiet=0.25), "relative", False)
    assert "on 6 training clips (2 more are too quiet to tell)" in said
    assert "Nothing was held out" in said
