"""Players, tables and errors of a notebook."""

import re

import numpy as np
import pytest
import soundfile
from support.applying import HEARD

from cak_jax.apps.notebook import show
from cak_jax.apps.notebook.show import NotebookError, short_errors
from cak_jax.effect.effect import load_effect
from cak_jax.training.config import ConfigError


def test_errors_are_lines():
    with pytest.raises(NotebookError) as caught, short_errors():
        raise ConfigError("train.epochs: must be 1 or more\ngate.threshold: must be")
    assert caught.value._render_traceback_() == [
        "error: train.epochs: must be 1 or more", "error: gate.threshold: must be"
    ]  # fmt: skip
    with pytest.raises(NotebookError, match=r"x\.wav: No such file"), short_errors():
        raise FileNotFoundError(2, "No such file or directory", "x.wav")
    # A fault of the program keeps its traceback.
    with pytest.raises(ValueError, match="ours"), short_errors():
        raise ValueError("ours")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: show.effect("brigh"), "did you mean bright"),
        (lambda: show.between("bright", "tones", 1), "at least 2"),
    ],
)
def test_mistakes(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotebookError, match=re.escape(said)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_players_are_turned_down_alike():
    quiet, loud = np.full((1, 4000), 0.1), np.full((1, 4000), -4.0)
    page = show.players({"a<b": quiet, "c": loud}, 8000).data
    assert page.count("<audio ") == 2 and "a&lt;b" in page and "a<b" not in page
    assert "turned down by 12.0 dB" in page
    assert "turned down" not in show.players({"a": quiet}, 8000).data


def test_the_kernel_says_what_version_2_adds(capsys):
    show.kernel(load_effect("bright"))
    assert "apart" not in capsys.readouterr().out
    show.kernel(HEARD)
    out = capsys.readouterr().out
    assert "more sustained: less attack, by 0.75 natural log at amount 1\n" in out
    assert "cells 4 bins and 3 frames apart\n" in out


def test_between():
    way = show.between("bright", "tones", 3)
    assert list(way)[1] == "50% bright, 50% tones"
    for name in ("bright", "tones"):
        effect, end = (
            way[next(n for n in way if f"100% {name}" in n)],
            load_effect(name),
        )
        found, wanted = (np.array(e.kernel) * e.scale for e in (effect, end))
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_saved_sound_is_turned_down_not_clipped(tmp_path, capsys):
    sound = np.sin(np.arange(800.0))[None] * 2.0
    path = show.save(str(tmp_path / "x.wav"), sound, 8000)
    written, _ = soundfile.read(path)
    np.testing.assert_allclose(written, sound[0] / np.abs(sound).max(), atol=2**-22)
    assert "turned down by 6.0 dB" in capsys.readouterr().out
