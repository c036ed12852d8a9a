"""Figures: what is drawn is what was given, the right way up."""

import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.backends.backend_agg import FigureCanvasAgg

from cak_jax.evaluation.kernel_profile import directional_sums, modulation_response
from cak_jax.report import run_figures
from cak_jax.report.spectrogram_figure import ROWS, average_rows, log_edges

KERNEL = np.array([[-0.08, 0.05, 0.21], [0.02, 0.31, -0.12], [0.17, -0.05, 0.09]])


def titled(figure):
    """Visible axes of a figure by their title."""
    return {
        axes.get_title("left"): axes for axes in figure.axes if axes.get_title("left")
    }


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


def test_kernel_heat_map_is_the_kernel_with_frequency_upwards():
    axes = titled(run_figures.kernel(KERNEL, 44100, 2048, 512))["Weights, sum +0.600"]
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), KERNEL)
    # origin lower with an ascending axis: kernel[2] is drawn on top.
    assert image.origin == "lower"
    assert image.get_extent() == [-1.5, 1.5, -1.5, 1.5]
    assert axes.get_ylim() == (-1.5, 1.5)
    assert image.norm.vmin == -image.norm.vmax == -0.31
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written[(-1, 1)] == "+0.170"
    assert written[(1, -1)] == "+0.210"
    assert written[(-1, -1)] == "\N{MINUS SIGN}0.080"


def test_kernel_bars_are_the_directional_sums():
    axes = titled(run_figures.kernel(KERNEL, 44100, 2048, 512))["Directional emphasis"]
    widths = [bar.get_width() for bar in axes.patches]
    expected = [*KERNEL.sum(1)[::-1], *KERNEL.sum(0), 0.32, 0.69]
    np.testing.assert_allclose(widths, expected, atol=1e-12)
    assert [label.get_text() for label in axes.get_yticklabels()][-2:] == [
        "rising diagonal",
        "falling diagonal",
    ]


def test_rising_diagonal_follows_a_rising_line():
    # The kernel that sums x[f-1, t-1], x[f, t], x[f+1, t+1].
    sums = directional_sums(np.eye(3))
    assert sums["rising diagonal"] == (3.0, pytest.approx(3**0.5))
    assert sums["falling diagonal"] == (1.0, 1.0)


def test_response_matches_the_filtered_ripple():
    u, v = 0.2, 0.35
    f, t = np.meshgrid(np.arange(40), np.arange(50), indexing="ij")
    ripple = np.exp(2j * np.pi * (u * f + v * t))
    filtered = sum(
        KERNEL[i, j] * ripple[i : i + 38, j : j + 48]
        for i in range(3)
        for j in range(3)
    )
    gain = modulation_response(KERNEL, np.array([u]), np.array([v]))
    np.testing.assert_allclose(np.abs(filtered), gain[0, 0], rtol=1e-12)


def test_response_at_rest_is_the_sum_of_the_kernel():
    axes = titled(run_figures.kernel(-KERNEL, 44100, 2048, 512))[
        "Response to ripples  |K|"
    ]
    (mesh,) = axes.collections
    response = mesh.get_array().reshape(129, 65)
    assert response[64, 0] == pytest.approx(0.6)
    (seconds,) = [child for child in axes.child_axes if "Secondary" in repr(child)]
    figure = axes.figure
    FigureCanvasAgg(figure).draw()
    assert seconds.get_xlim()[1] == pytest.approx(0.5 * 44100 / 512)


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 4)), np.zeros(9), np.full((3, 3), np.nan)]
)
def test_kernel_of_the_wrong_shape_or_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match=r"^kernel must be"):
        run_figures.kernel(bad, 44100, 2048, 512)


def test_audit_draws_diagonal_clips_and_median():
    control = np.linspace(0, 1, 5)
    measured = np.outer([0.8, 1.0, 1.3], control)
    figure = run_figures.audit(control, measured, control[:3], measured[:, :3])
    raw, calibrated = titled(figure).values()
    diagonal, *clips, median = raw.lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    for line, row in zip(clips, measured, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), row)
    np.testing.assert_array_equal(median.get_ydata(), measured[1])
    np.testing.assert_array_equal(calibrated.lines[-1].get_xdata(), control[:3])
    error = np.abs(measured - control).mean()
    assert texts(raw)[0].endswith(f"{error:.3f}")


def test_audit_tolerates_missing_values():
    measured = np.array([[0.0, np.nan, 1.0], [0.2, np.nan, 0.8], [0.1, np.nan, np.inf]])
    (axes,) = titled(run_figures.audit([0, 0.5, 1], measured)).values()
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), [0.1, np.nan, 0.9])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], np.zeros((3, 3))), r"^measured must be \[any, 2\]"),
        ((np.zeros((2, 2)), np.zeros((3, 2))), "^control must be"),
        (([0, 1], np.zeros((3, 2)), [0, 1]), "given together"),
        (([0, 1], np.zeros((3, 2)), [0, 1], np.zeros((3, 1))), "^measured_calibrated"),
        (([0, 1], np.full((3, 2), np.nan)), "no finite value"),
    ],
)
def test_audit_refuses_shapes_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        run_figures.audit(*arguments)


def test_logarithmic_rows_hold_the_right_bins():
    # Each bin carries its own frequency, so each row must average about its own.
    frequency = np.linspace(0, 22050, 1025)
    rows = average_rows(np.repeat(frequency[:, None], 2, axis=1), 44100)[:, 0]
    edges = log_edges(44100, 1025)
    assert rows.shape == (ROWS,)
    assert (np.diff(rows) >= 0).all()
    assert (rows > edges[:-1] - 22).all()
    assert (rows < edges[1:] + 22).all()


def test_spectrograms_draw_dry_wet_and_their_difference():
    rng = np.random.default_rng(0)
    dry = rng.uniform(-40, 0, (129, 30))
    figure = run_figures.spectrograms(dry, [dry + 6, dry - 3], (0.5, 1.0), 8000, 64)
    panels = titled(figure)
    for title, change in (("Difference at 0.5", 6), ("Difference at 1", -3)):
        (mesh,) = panels[title].collections
        np.testing.assert_allclose(mesh.get_array(), change, atol=1e-9)
        assert mesh.norm.vmin == -mesh.norm.vmax
    (heat,) = panels["Dry"].collections
    np.testing.assert_allclose(heat.get_array(), average_rows(dry, 8000), atol=1e-9)
    assert panels["Dry"].get_yscale() == "log"
    _, half, full = panels["Mean change"].lines
    np.testing.assert_allclose(half.get_xdata(), 6, atol=1e-9)
    np.testing.assert_allclose(full.get_xdata(), -3, atol=1e-9)
    assert panels["Dry"].get_xlim() == (0, pytest.approx(30 * 64 / 8000))


def test_spectrogram_silence_is_no_difference():
    dry = np.full((65, 4), -100.0)
    dry[30] = 0
    wet = np.where(dry < -50, -190.0, dry)
    (mesh,) = titled(run_figures.spectrograms(dry, [wet], [1], 8000, 64))[
        "Difference at 1"
    ].collections
    assert not np.asarray(mesh.get_array()).any()


@pytest.mark.parametrize(
    ("wets", "controls"),
    [
        ([], []),
        ([np.zeros((65, 4))], [0.1, 0.2]),
        ([np.zeros((65, 5))], [0.1]),
        ([np.full((65, 4), -np.inf)], [0.1]),
    ],
)
def test_spectrograms_that_do_not_fit_are_refused(wets, controls):
    with pytest.raises(ValueError, match="wet"):
        run_figures.spectrograms(np.zeros((65, 4)), wets, controls, 8000, 64)


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


def test_save_writes_a_png_of_the_asked_size_and_nothing_else(tmp_path, records):
    figure = run_figures.history(records, [])
    path = run_figures.save(figure, tmp_path / "history.png", dpi=50)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = figure.get_size_inches()
    size = (int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    assert size == (int(width * 50), int(height * 50))
    assert [file.name for file in tmp_path.iterdir()] == ["history.png"]


def test_failed_save_keeps_the_old_file(tmp_path):
    class Broken:
        def savefig(self, stream, **_):
            stream.write(b"half")
            raise RuntimeError("disk full")

    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="disk full"):
        run_figures.save(Broken(), path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]


def test_no_pyplot_is_imported_by_drawing(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    run_figures.kernel(KERNEL, 44100, 2048, 512)
    assert "matplotlib.pyplot" not in sys.modules


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "cak_jax\[plot\]"'):
        run_figures.kernel(KERNEL, 44100, 2048, 512)
