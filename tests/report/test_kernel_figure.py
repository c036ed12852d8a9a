"""The figure of a kernel: its numbers, the right way up."""

import numpy as np
import pytest
from support.figures import titled

from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.report import kernel_figure

pytest.importorskip("matplotlib")

KERNEL = np.array([[-0.08, 0.05, 0.21], [0.02, 0.31, -0.12], [0.17, -0.05, 0.09]])
SETTINGS = SpectrogramSettings(44100, 2048, 512)


def test_kernel_heat_map_is_the_kernel_with_frequency_upwards():
    axes = titled(kernel_figure.kernel(KERNEL, SETTINGS))["Weights, sum +0.600"]
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


def test_spacing_is_written_at_the_axes_and_seen_in_the_response():
    figure = titled(kernel_figure.kernel(KERNEL, SETTINGS, (4, 3)))
    axes = figure["Weights, sum +0.600"]
    minus = "\N{MINUS SIGN}"
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [f"{minus}3", "0", "+3"]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"{minus}4", "0", "+4"]
    (mesh,) = figure["Response to ripples  |K|"].collections
    response = mesh.get_array().reshape(129, 65)
    # A ripple of a quarter cycle per bin is a whole one from cell to cell.
    assert response[64 + 32, 0] == pytest.approx(0.6)


def test_kernel_bars_are_the_directional_sums():
    axes = titled(kernel_figure.kernel(KERNEL, SETTINGS))["Directional emphasis"]
    widths = [bar.get_width() for bar in axes.patches]
    expected = [*KERNEL.sum(1)[::-1], *KERNEL.sum(0), 0.32, 0.69]
    np.testing.assert_allclose(widths, expected, atol=1e-12)
    assert [label.get_text() for label in axes.get_yticklabels()][-2:] == [
        "rising diagonal",
        "falling diagonal",
    ]


def test_response_at_rest_is_the_sum_of_the_kernel():
    axes = titled(kernel_figure.kernel(-KERNEL, SETTINGS))["Response to ripples  |K|"]
    (mesh,) = axes.collections
    response = mesh.get_array().reshape(129, 65)
    assert response[64, 0] == pytest.approx(0.6)
    (seconds,) = [child for child in axes.child_axes if "Secondary" in repr(child)]
    figure = axes.figure
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    assert seconds.get_xlim()[1] == pytest.approx(0.5 * 44100 / 512)


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 4)), np.zeros(9), np.full((3, 3), np.nan)]
)
def test_kernel_of_the_wrong_shape_or_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match=r"^kernel must be"):
        kernel_figure.kernel(bad, SETTINGS)
