"""The sounds that a notebook reads, on Colab and elsewhere."""

import re
import sys
import types

import numpy as np
import pytest
import soundfile

from cak_jax.apps.notebook import files as notebook_files
from cak_jax.apps.notebook.show import NotebookError


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: notebook_files.choose_folder("nowhere"), "there is no such folder"),
        (lambda: notebook_files.choose_folder("upload"), "give a path"),
        (lambda: notebook_files.choose_folder("drive/sounds"), "give a path"),
        (lambda: notebook_files.choose_mirror("drive/cak"), "give a path"),
        (lambda: notebook_files.choose_sound("nowhere.wav", 1.0), "nowhere.wav"),
        (lambda: notebook_files.choose_sound("embedded", 0.0), "seconds"),
        (lambda: notebook_files.choose_sound("embedded", float("nan")), "seconds"),
        (lambda: notebook_files.offer("nowhere.json"), "nowhere.json"),
    ],
)
def test_mistakes(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotebookError, match=re.escape(said)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_sound_of_ones_own(tmp_path):
    path = tmp_path / "x.wav"
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (9000, 2))
    soundfile.write(path, sound, 8000, subtype="FLOAT")
    for seconds, samples in ((0.5, 4000), (60.0, 9000)):
        found, rate = notebook_files.choose_sound(str(path), seconds)
        assert rate == 8000 and found.dtype == np.float32
        np.testing.assert_array_equal(found, sound[:samples].T.astype(np.float32))


def test_embedded_phrase():
    short, rate = notebook_files.choose_sound("embedded", 1.0)
    assert rate == 44100 and short.shape == (1, 44100)
    assert np.abs(short).max() == pytest.approx(0.5)
    np.testing.assert_array_equal(short, notebook_files.phrase(1.0, 44100))


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """A fake Colab that uploads two files and mounts a folder as Drive."""
    files, drive = types.ModuleType("files"), types.ModuleType("drive")
    given = {"../../out.wav": b"one", "two.wav": b"two"}
    downloaded, mounted = [], []
    files.upload = lambda: given
    files.download = downloaded.append
    drive.mount = mounted.append
    module = types.ModuleType("google.colab")
    module.files, module.drive = files, drive
    google = types.ModuleType("google")
    google.colab = module
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notebook_files, "_MOUNT", tmp_path / "drive")
    (tmp_path / "drive" / "MyDrive" / "sounds").mkdir(parents=True)
    return types.SimpleNamespace(given=given, downloaded=downloaded, mounted=mounted)


def test_on_colab(colab, tmp_path):
    assert notebook_files.choose_folder("upload", "new") == "new"
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.wav")}
    assert found == {"new/out.wav", "new/two.wav"}
    place = tmp_path / "drive" / "MyDrive"
    assert notebook_files.choose_folder("drive/sounds") == str(place / "sounds")
    assert notebook_files.choose_mirror("drive/cak") == place / "cak"
    assert notebook_files.choose_mirror("") is None
    assert colab.mounted == [str(tmp_path / "drive")] * 2
    notebook_files.offer("new/two.wav")
    assert colab.downloaded == ["new/two.wav"]
    colab.given.clear()
    with pytest.raises(NotebookError, match="no file was chosen"):
        notebook_files.choose_folder("upload", "new")
