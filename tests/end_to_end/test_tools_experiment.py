"""Learned effects beside classical tools: identity at 0, direction, equal change."""

import importlib
import pathlib

import numpy as np
import pytest
from support.sounds import put

from cak_jax.effect.effect import Effect, Quality, save_effect
from cak_jax.effect.quality import reader
from cak_jax.model.quality_names import WORDS

EXPERIMENTS = pathlib.Path(__file__).parent.parent.parent / "experiments"
RATE = 44100
ALL = [
    ("attack", "percussive part"),
    ("attack", "percussive part, margin 2"),
    ("-attack", "harmonic part"),
    ("-attack", "harmonic part, margin 2"),
    ("spectral_flatness", "whitening"),
    ("-spectral_flatness", "gate, by threshold"),
    ("-spectral_flatness", "gate, by depth"),
]


@pytest.fixture
def script(monkeypatch):
    """Import the experiment."""
    pytest.importorskip("librosa")
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module("beside_tools")


@pytest.fixture(scope="module")
def parts() -> tuple[np.ndarray, np.ndarray]:
    """Return two seconds of a held tone, and of strokes of noise with a little hiss."""
    generator = np.random.default_rng(0)
    time = np.arange(2 * RATE) / RATE
    partials = [np.sin(440 * np.pi * k * time + k * k) / k for k in range(1, 60)]
    noise = generator.normal(size=len(time))
    strokes = noise * (np.exp(-(time % 0.25) / 0.01) + 1e-3)
    return np.float32(0.2 * sum(partials)), np.float32(0.1 * strokes)


@pytest.fixture(scope="module")
def dry(parts) -> np.ndarray:
    """Return both."""
    return parts[0] + parts[1]


def filler(name: str, change: float) -> Effect:
    """Return an effect that fills gaps: flatter, and so with a quality to ask for."""
    kernel = ((0.0, 0.0, 0.0), (0.0, -0.2, 0.0), (0.0, 0.0, 0.0))
    quality = Quality(name, WORDS[name.lstrip("-")].unit, change)
    provenance = {"corpus": {"name": "few"}}
    return Effect(
        name="f", kernel=kernel, bias=0.5, scale=1.0, quality=quality,
        provenance=provenance,
    )  # fmt: skip


def test_every_tool_is_tried(script):
    named = [
        (quality, tool) for quality in script.TOOLS for tool in script.TOOLS[quality]
    ]
    assert named == ALL


@pytest.mark.parametrize(("quality", "tool"), ALL)
def test_a_tool_does_nothing_at_0_and_moves_its_quality(script, dry, quality, tool):
    play = script.player(script.TOOLS[quality][tool], dry)
    np.testing.assert_allclose(play(0.0), dry, atol=1e-6)
    assert script.null_db(dry, play(0.0)) < -110
    weights = np.array(reader(Quality(quality, "", 1.0)))
    sound = script.Sound(dry, RATE, script.measured(dry, RATE))
    moved = [sound.moved(play(parameter)) @ weights for parameter in (0.5, 0.9)]
    assert 0.003 < moved[0] < moved[1]


def test_parts_of_margin_1_add_up_and_part_tones_from_strokes(script, parts, dry):
    tools = [script.less_of_other_part(part, 1.0) for part in (0, 1)]
    found = [script.player(tool, dry)(1.0) for tool in tools]
    np.testing.assert_allclose(found[0] + found[1], dry, atol=1e-6)
    alike = np.corrcoef([*parts, *found])[:2, 2:]
    assert np.diag(alike).min() > 0.8 and max(alike[0, 1], alike[1, 0]) < 0.4


def test_a_gate_in_closed_form(script):
    magnitude = np.array([[1.0, 0.1], [0.011, 0.0009], [0.009, 0.1]])
    # 0.1 ** 0.5 to the power of 4 is 0.01 of each frame's loudest.
    by_threshold = script.gate_by_threshold(magnitude)(0.1**0.5)
    np.testing.assert_array_equal(by_threshold, [[1, 1], [1, 0], [0, 1]])
    by_depth = script.gate_by_depth(magnitude)(0.2)
    np.testing.assert_allclose(by_depth, [[1, 1], [1, 0.1], [0.1, 1]])


def test_whitening_keeps_the_energy_of_each_frame(script):
    falling = np.exp(-np.arange(400.0) / 60)[:, None] * [1.0, 0.01]
    white = falling * script.whiten(falling)(1.0)
    np.testing.assert_allclose(
        np.square(white).sum(axis=0), np.square(falling).sum(axis=0), rtol=1e-6
    )
    # Far from the edges the slope is gone.
    assert np.ptp(np.log(white[60:340, 0])) < 0.05 < np.ptp(np.log(falling[60:340, 0]))


def test_both_reach_the_same_change(script, dry):
    weights = np.array(reader(Quality("-spectral_flatness", "dB", 20.0)))
    sound = script.Sound(dry, RATE, script.measured(dry, RATE))
    play = script.player(script.gate_by_depth, dry)
    changes = script.reach(play, sound, weights, 0.25, 1.0)
    assert changes["spectral_flatness"] == pytest.approx(-5.0, abs=0.1)
    assert set(changes) == {*script.SIDES, *WORDS}
    # 20 octaves darker: no parameter does that.
    beyond = np.array(reader(Quality("-spectral_centroid", "octaves", 20.0)))
    assert script.reach(play, sound, beyond, 1.0, 1.0) is None


def test_a_cell_counts_pairs_alone(script):
    ours = [{"level_db": -1.0}, {"level_db": 2.0}, None, {"level_db": 9.0}]
    theirs = [{"level_db": 3.0}, {"level_db": -1.0}, {"level_db": 0.0}, None]
    assert script.compare(ours, theirs, "level_db") == "+0.50, +1.00 (1)"


def test_the_table(script, dry, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script, "SHARES", (0.5,))
    put(tmp_path, "dry.wav", dry, RATE)
    save_effect(filler("spectral_flatness", 6.0), tmp_path / "f.json")
    script.main([str(tmp_path / "f.json")], [str(tmp_path / "dry.wav")])
    lines = capsys.readouterr().out.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    assert len(rows) == 3 and rows[0] == script.head()
    row = dict(zip(script.head(), rows[2], strict=True))
    assert row["asked for"] == "spectral_flatness, few"
    assert (row["share"], row["tool"]) == ("0.5", "whitening")
    assert row["reached by ours, tool, both"] == "1, 1, 1"
    assert row["spectral_flatness dB"].strip() == "" and "(" in row["level dB"]
    assert row["null at 0"].startswith("exact, -")


def test_what_cannot_be_compared_is_said(script, dry, tmp_path, monkeypatch):
    put(tmp_path, "dry.wav", dry, RATE)
    save_effect(filler("spectral_contrast", 1.0), tmp_path / "f.json")
    words = [str(tmp_path / "f.json")], [str(tmp_path / "dry.wav")]
    with pytest.raises(SystemExit, match="its quality is spectral_contrast"):
        script.main(*words)
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install librosa"):
        script.main(*words)
