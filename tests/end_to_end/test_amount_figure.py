"""One sound at five amounts: the numbers in closed form, the picture, the mistakes."""

import importlib
import math
import pathlib

import numpy as np
import pytest
import soundfile
from support.sounds import put

from cak_jax.effect.effect import Effect, load_effect, save_effect
from cak_jax.model.spectrogram_settings import Normalization
from cak_jax.rendering import in_memory

EXPERIMENTS = pathlib.Path(__file__).parent.parent.parent / "experiments"
RATE = 44100


@pytest.fixture
def script(monkeypatch):
    """Import a script by name."""
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module


def table_of(text):
    """Read a printed table: the rows' cells, without head and rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def centre():
    """Return an effect that adds half of every bin to itself."""
    kernel = ((0.0, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.0))
    return Effect("centre", kernel, 0.0, 1.0, normalization=Normalization(high=4.9))


def test_numbers_of_an_amount_in_closed_form(script):
    figure, settings = script("amount_figure"), centre().spectrogram
    time = np.arange(RATE) / RATE
    sine = np.stack([0.5 * np.sin(2000 * np.pi * time)] * 2)
    same = figure.measure(sine, sine.copy(), settings, RATE)
    assert same["exact"] and same["added"] == -math.inf
    assert same["level"] == same["distance"] == 0.0
    assert same["crest"] == pytest.approx(20 * math.log10(2**0.5), abs=1e-3)
    # A gain is level and nothing else once loudness is matched.
    twice = figure.measure(sine, 3 * sine, settings, RATE)
    assert not twice["exact"]
    assert twice["added"] == pytest.approx(20 * math.log10(2), abs=1e-6)
    assert twice["level"] == pytest.approx(20 * math.log10(3), abs=1e-6)
    assert twice["distance"] == pytest.approx(0.0, abs=1e-2)
    assert twice["crest"] == pytest.approx(same["crest"], abs=1e-6)


@pytest.fixture
def paths(tmp_path):
    """An effect file, a second of stereo noise, and a picture to be."""
    save_effect(centre(), tmp_path / "e.json")
    noise = np.random.default_rng(0).normal(0, 0.1, (RATE, 2))
    source = put(tmp_path, "noise.wav", np.clip(noise, -1, 1), RATE)
    return str(tmp_path / "e.json"), str(source), str(tmp_path / "figure.png")


def test_five_amounts_are_drawn(script, paths, capsys):
    figure = script("amount_figure")
    figure.main(*paths)
    assert pathlib.Path(paths[2]).read_bytes()[:4] == b"\x89PNG"
    rows = table_of(capsys.readouterr().out)
    assert [row[0] for row in rows] == ["0", "0.25", "0.5", "0.75", "1"]
    assert rows[0][1:4] == ["nothing (exact)", "+0.0 dB", "0.0 dB"]
    levels = [float(row[2].removesuffix(" dB")) for row in rows]
    assert levels == sorted(levels) and levels[-1] > 3
    # The same, rendered here.
    effect = load_effect(paths[0])
    dry = soundfile.read(paths[1], always_2d=True)[0].T
    wet = in_memory.render(effect, dry, RATE, amount=1.0, loudness="none", peaks="none")
    rise = 20 * math.log10(np.std(wet) / np.std(dry))
    assert levels[-1] == pytest.approx(rise, abs=0.06)


def test_a_figure_s_mistakes_are_one_line(script, paths, tmp_path):
    figure, (effect, source, target) = script("amount_figure"), paths
    silent = str(put(tmp_path, "silent.wav", np.zeros((100, 1)), RATE))
    for words, arguments in {
        "python experiments/amount_figure": (effect, source),
        "error: nope: .* no effect of that name": ("nope", source, target),
        "error: .*absent.wav: cannot be opened": (effect, "absent.wav", target),
        "error: .*silent.wav: holds no sound": (effect, silent, target),
        "error: figure.jpg: the figure's name": (effect, source, "figure.jpg"),
        "error: SECONDS must be 0.1 or more, got x": (*paths, "x"),
        "error: .*No such file": (effect, source, str(tmp_path / "no" / "f.png")),
    }.items():
        with pytest.raises(SystemExit, match=words):
            figure.main(*arguments)
