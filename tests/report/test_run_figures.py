"""Figures of a run: what is drawn is what was given."""

import numpy as np
import pytest
from support.figures import lines_of, titled

from cak_jax.effect.effect import load_effect
from cak_jax.report import run_figures

pytest.importorskip("matplotlib")


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.fixture
def records():
    keys = ("generator_loss", "critic_loss", "wasserstein", "violation", "scale")
    return [
        {"epoch": epoch} | {key: epoch * 0.5 + k for k, key in enumerate(keys)}
        for epoch in range(6)
    ]


@pytest.fixture
def held_out():
    return [
        {"epoch": 0, "violation": 0.4, "audit_slope": None, "audit_r2": float("nan")},
        {"epoch": 5, "violation": 0.2, "audit_slope": 0.9, "audit_r2": None},
    ]


def test_history_draws_the_records(records, held_out):
    panels = titled(run_figures.history(records, held_out))
    generator, critic = panels["Losses"].lines
    np.testing.assert_array_equal(generator.get_xdata(), np.arange(6))
    np.testing.assert_array_equal(generator.get_ydata(), np.arange(6) * 0.5)
    np.testing.assert_array_equal(critic.get_ydata(), np.arange(6) * 0.5 + 1)
    train, held = panels["Violation"].lines
    np.testing.assert_array_equal(train.get_ydata(), np.arange(6) * 0.5 + 3)
    np.testing.assert_array_equal(held.get_xdata(), [0, 5])
    np.testing.assert_array_equal(held.get_ydata(), [0.4, 0.2])


def test_history_leaves_out_what_is_missing_null_or_not_finite(records, held_out):
    records[2]["scale"] = None
    records[3]["scale"] = float("inf")
    del records[4]["scale"]
    panels = titled(run_figures.history(records, held_out))
    assert set(panels) == {
        *("Losses", "Wasserstein distance", "Violation", "Scale", "Audit, held-out")
    }
    (scale,) = panels["Scale"].lines
    np.testing.assert_array_equal(scale.get_xdata(), [0, 1, 5])
    (slope,) = panels["Audit, held-out"].lines
    np.testing.assert_array_equal(slope.get_ydata(), [0.9])


def test_history_refuses_to_draw_nothing():
    with pytest.raises(ValueError, match="no finite value"):
        run_figures.history([{"epoch": 0, "scale": None}], [])


def test_audit_draws_diagonal_clips_and_median():
    control = np.linspace(0, 1, 5)
    measured = np.outer([0.8, 1.0, 1.3], control)
    figure = run_figures.audit(control, measured, measured[:2])
    raw, calibrated = titled(figure).values()
    diagonal, *clips, median = raw.lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    for line, row in zip(clips, measured, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), row)
    np.testing.assert_array_equal(median.get_ydata(), measured[1])
    _, *clips, median = calibrated.lines
    np.testing.assert_array_equal([line.get_ydata() for line in clips], measured[:2])
    np.testing.assert_array_equal(median.get_xdata(), control)
    error = np.abs(measured - control).mean()
    assert texts(raw)[0].endswith(f"{error:.3f}")


def test_a_game_without_a_critic_has_no_empty_panel_or_line():
    record = {"epoch": 1, "generator_loss": 0.5, "level_change_bels": 0.1}
    panels = titled(run_figures.history([record, record | {"epoch": 2}], []))
    assert set(panels) == {"Losses", "Level change, bels"}
    assert lines_of(panels["Losses"]) == [[0.5, 0.5]]
    assert lines_of(panels["Level change, bels"]) == [[0.1, 0.1]]
    left = run_figures.progress([record], [], 8).axes[0]
    assert lines_of(left) == [[0.5]]
    # Before the first epoch the panel waits for both.
    assert lines_of(run_figures.progress([], [], 8).axes[0]) == [[], []]


def test_heard_draws_mean_quartiles_and_diagonal():
    windows = {
        "372": {"measured": [0.3, 0.9], "lower": [0.2, 0.7], "upper": [0.4, 1.2]},
        "1488": {"measured": [0.4, 1.0], "lower": [0.4, 0.9], "upper": [0.5, 1.1]},
    }
    panels = titled(run_figures.heard([0.5, 1.0], windows))
    assert list(panels) == ["Frames of 372", "Frames of 1488"]
    for axes, fitted in zip(panels.values(), windows.values(), strict=True):
        diagonal, mean = axes.lines
        np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
        np.testing.assert_array_equal(mean.get_xdata(), [0, 0.5, 1])
        np.testing.assert_array_equal(mean.get_ydata(), [0, *fitted["measured"]])
        [band] = axes.collections
        places = {tuple(point) for point in band.get_paths()[0].vertices.tolist()}
        for name in ("lower", "upper"):
            assert {(0.5, fitted[name][0]), (1.0, fitted[name][1])} <= places


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ({}, "at least one"),
        ({"8": {"measured": [1.0], "lower": [1.0], "upper": [1.0]}}, "^measured must"),
    ],
)
def test_heard_refuses_what_does_not_fit(windows, message):
    with pytest.raises(ValueError, match=message):
        run_figures.heard([0.5, 1.0], windows)


def test_audit_tolerates_missing_values():
    measured = np.array([[0.0, np.nan, 1.0], [0.2, np.nan, 0.8], [0.1, np.nan, np.inf]])
    (axes,) = titled(run_figures.audit([0, 0.5, 1], measured)).values()
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), [0.1, np.nan, 0.9])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], np.zeros((3, 3))), r"^raw must be \[any, 2\]"),
        ((np.zeros((2, 2)), np.zeros((3, 2))), "^requested must be"),
        (([0, 1], np.zeros((3, 2)), np.zeros((3, 1))), "^calibrated must be"),
        (([0, 1], np.full((3, 2), np.nan)), "no finite value"),
    ],
)
def test_audit_refuses_shapes_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        run_figures.audit(*arguments)


def test_label_histogram_counts_every_finite_value():
    labels = np.array([0.1, 0.1, 0.52, 1.0, np.nan])
    panels = titled(run_figures.label_histogram(labels, [0.0, 0.45, 1.3]))
    counts = [bar.get_height() for bar in panels["Texture labels"].patches]
    assert sum(counts) == 4
    assert counts[2] == 2
    bars = panels["Control of the training pairs"].patches
    assert sum(bar.get_height() for bar in bars) == 3
    assert bars[-1].get_x() + bars[-1].get_width() == pytest.approx(1.3)


def test_label_histogram_refuses_what_holds_no_value():
    with pytest.raises(ValueError, match=r"^controls holds no finite"):
        run_figures.label_histogram([0.5], [np.nan])
    with pytest.raises(ValueError, match=r"^labels must be"):
        run_figures.label_histogram(np.zeros((2, 2)), [0.5])


def test_progress_draws_losses_audit_and_kernel():
    records = [{"epoch": n, "critic_loss": n * 2.0, "generator_loss": None}
               for n in (1, 2, 3)]  # fmt: skip
    held_out = [{"epoch": 2, "audit_slope": 0.9, "audit_r2": 0.8}]
    figure = run_figures.progress(records, held_out, 8, load_effect("bright"))
    left, middle, right = figure.axes
    assert lines_of(left) == [[2.0, 4.0, 6.0]] and left.get_xlim() == (0.5, 8.5)
    assert lines_of(middle)[:2] == [[0.9], [0.8]]
    assert len(right.texts) == 9
    assert not run_figures.progress(records, [], 8).axes[2].get_visible()
