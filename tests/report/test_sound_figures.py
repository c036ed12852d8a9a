"""Figures of a sound before and after an effect draw what they are given."""

import numpy as np
import pytest
from support.figures import titled

from cak_jax.report import sound_figures
from cak_jax.report.sound_figures import ROWS, average_rows, log_edges

pytest.importorskip("matplotlib")


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
    figure = sound_figures.spectrograms(dry, [dry + 6, dry - 3], (0.5, 1.0), 8000, 64)
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


def test_the_difference_is_drawn_alone_with_its_unit():
    """Red above 0, blue below, 0 in the middle; the unit beside the colours."""
    dry = np.random.default_rng(0).uniform(-40, 0, (129, 30))
    wet = dry + np.where(np.arange(129) < 30, -5.0, 8.0)[:, None]
    figure = sound_figures.difference(dry, wet, 8000, 64)
    axes, bar = figure.axes
    (mesh,) = axes.collections
    np.testing.assert_allclose(
        mesh.get_array(), average_rows(wet - dry, 8000), atol=1e-9
    )
    assert mesh.norm.vmin == -mesh.norm.vmax == -8.0
    low, high = mesh.cmap(mesh.norm([-8.0, 8.0]))
    assert low[2] > low[0] and high[0] > high[2]
    assert bar.get_ylabel() == "change (dB)"
    assert axes.get_xlabel() == "time (s)" and axes.get_ylabel() == "frequency (Hz)"
    assert axes.get_xlim() == (0, pytest.approx(30 * 64 / 8000))


def test_spectrogram_silence_is_no_difference():
    dry = np.full((65, 4), -100.0)
    dry[30] = 0
    wet = np.where(dry < -50, -190.0, dry)
    (mesh,) = titled(sound_figures.spectrograms(dry, [wet], [1], 8000, 64))[
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
        sound_figures.spectrograms(np.zeros((65, 4)), wets, controls, 8000, 64)


def test_envelope():
    samples = np.stack([np.linspace(0, 1, 5000), np.linspace(0, -1, 5000)])
    low, high = sound_figures.envelope(samples)
    np.testing.assert_allclose(high, samples[0, 4::5])
    np.testing.assert_allclose(low, -high)
    with pytest.raises(ValueError, match="wet must be"):
        sound_figures.waveform(samples, samples[:1], 8000)
