"""A figure reaches a file whole, and drawing needs nothing global."""

import sys

import numpy as np
import pytest

from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.report import kernel_figure, run_figures, style

pytest.importorskip("matplotlib")

KERNEL = np.eye(3)
SETTINGS = SpectrogramSettings(44100, 2048, 512)


def test_save_writes_a_png_of_the_asked_size_and_nothing_else(tmp_path):
    figure = run_figures.history([{"epoch": 0, "scale": 1.0}], [])
    path = style.save(figure, tmp_path / "history.png", dpi=50)
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
        style.save(Broken(), path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]


def test_no_pyplot_is_imported_by_drawing(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    kernel_figure.kernel(KERNEL, SETTINGS)
    assert "matplotlib.pyplot" not in sys.modules


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "cak-jax\[plot\]"'):
        kernel_figure.kernel(KERNEL, SETTINGS)
