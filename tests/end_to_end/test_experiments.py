"""The scripts of the paper's figures: closed forms, and each one runs and draws."""

import importlib
import json
import math
import os
import pathlib

import numpy as np
import pytest
from support.sounds import put

from cak_jax.effect.effect import Effect, save_effect
from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import Normalization

EXPERIMENTS = pathlib.Path(__file__).parent.parent.parent / "experiments"
RATE = 44100
PNG = b"\x89PNG"


@pytest.fixture
def script(monkeypatch):
    """Import a script by name."""
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module


def centre(weight=1.0, **changes) -> Effect:
    """Return an effect that adds a share of every bin to itself."""
    kernel = ((0.0, 0.0, 0.0), (0.0, weight, 0.0), (0.0, 0.0, 0.0))
    return Effect(**({"name": "centre", "kernel": kernel, "bias": 0.0, "scale": 1.0}
                     | changes))  # fmt: skip


@pytest.fixture
def paths(tmp_path):
    """An effect file, a picture to be, and a second of noise."""
    save_effect(centre(0.5, normalization=Normalization(high=4.9)), tmp_path / "e.json")
    noise = np.random.default_rng(0).normal(0, 0.1, (RATE, 2))
    sound = put(tmp_path, "noise.wav", np.clip(noise, -1, 1), RATE)
    return str(tmp_path / "e.json"), tmp_path / "figure.png", str(sound)


def few_signals(seconds: float, rate: int) -> dict:
    """Stand in for the whole set of test signals, which takes long."""
    time = np.arange(round(seconds * rate)) / rate
    sine = (10 ** (-6 / 20) * np.sin(2000 * np.pi * time)).astype(np.float32)
    return {"sine": sine, "quiet sine": sine / np.float32(100)}


def table_of(text: str) -> dict[str, list[str]]:
    """Read printed tables: first cell of a row -> the others, the first such row."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if "|" in line]
    return {row[0]: row[1:] for row in reversed(rows)}


def test_signals_are_what_they_say(script):
    signals = script("signals")
    sine = signals.sine(1000, -6, 1.0, RATE)
    assert np.abs(sine).max() == pytest.approx(10 ** (-6 / 20), rel=1e-4)
    assert np.std(sine) == pytest.approx(10 ** (-6 / 20) / math.sqrt(2), rel=1e-4)
    train = signals.impulses(8, -6, 2.0, RATE)
    assert np.count_nonzero(train) == 16
    assert len(signals.signal_set(0.1, RATE)) == 8
    # A sweep over three decades: after a third of the time, one of them.
    sweep = signals.log_sweep(20, 20000, 0, 3.0, RATE)
    around = sweep[RATE - 2205 : RATE + 2205]
    crossings = np.count_nonzero(np.diff(np.sign(around)))
    assert crossings / 2 / 0.1 == pytest.approx(200, rel=0.05)


def test_noise_has_its_colour_and_octaves_all_bins(script):
    signals, settings = script("signals"), spectral.SpectrogramSettings()
    bands = signals.octave_bins(settings)
    taken = [index for band in bands for index in range(settings.bins)[band]]
    assert taken == list(range(settings.bins))
    powers = script("kernel_figure").powers
    pink = 10 * np.log10(powers(signals.noise("pink", -20, 10.0, RATE), settings)[2:9])
    assert np.ptp(pink) < 1.5
    white = 10 * np.log10(powers(signals.noise("white", -20, 4.0, RATE), settings)[3:9])
    np.testing.assert_allclose(np.diff(white), 10 * math.log10(2), atol=0.7)


def test_a_ceiling_is_the_sine_that_just_reaches_one(script):
    curve, effect = script("strength_curve"), script("tables").effect_of("published")
    top = curve.ceiling(effect)
    assert top == pytest.approx(-21.6, abs=0.05)
    settings = effect.spectrogram
    hertz = 46 * settings.sample_rate / settings.n_fft
    for change, expected in ((-1.0, 0.98), (0.05, 1.0)):
        sine = script("signals").sine(hertz, top + change, 1.0, RATE)
        middle = np.abs(spectral.stft(sine, settings))[46, 40]
        x = float(spectral.normalise(middle, effect.normalization))
        assert x == pytest.approx(expected, abs=0.01) and (x == 1.0) == (change > 0)


def test_gain_of_a_sine_in_closed_form(script):
    """Far down, n goes with the root of |X|: n doubled is |X| four times as large."""
    effect = centre(normalization=Normalization(gamma=1.0))
    gain = script("strength_curve").gain
    assert gain(effect, 1000, -170.0, 1.0) == pytest.approx(40 * math.log10(2), abs=0.2)
    assert gain(effect, 1000, -30.0, 0.0) == 0.0


def test_facts_of_a_kernel(script):
    facts = script("kernel_figure").facts
    corner = np.zeros((3, 3))
    corner[0, 2] = 2.0
    found = facts(corner)
    assert found["centre in time, frames"] == "+1.00"
    assert found["centre in frequency, bins"] == "-1.00"
    assert found["cosine with a plain 3x3 mean"] == f"{1 / 3:.3f}"
    assert found["means at frequency -1, 0, +1"] == "0.667, 0.000, 0.000"
    assert found["rising, falling diagonal"] == "0.000, 2.000"
    assert facts(np.ones((3, 3)))["cosine with a plain 3x3 mean"] == "1.000"


def test_kernel_figure(script, paths, monkeypatch, capsys):
    kernel_figure = script("kernel_figure")
    monkeypatch.setattr(kernel_figure, "EXCERPT_SECONDS", 1.0)
    kernel_figure.main(*map(str, paths))
    assert paths[1].read_bytes()[:4] == PNG
    table = table_of(capsys.readouterr().out)
    said, published, _ = table["three largest weights"]
    assert said == published == "[0,2], [0,1], [2,2]"
    thirds = table["mean of D per third of the bins, white noise"][1].split(", ")
    assert np.ptp([float(value) for value in thirds]) < 0.01


def test_identity_table(script, paths, monkeypatch, capsys):
    identity = script("identity_table")
    published = script("tables").effect_of("published")
    assert identity.gate(published, 0.0) == pytest.approx(1 / (1 + math.exp(6)))
    monkeypatch.setattr(identity, "signal_set", few_signals)
    identity.main(*map(str, paths))
    assert paths[1].read_bytes()[:4] == PNG
    table = table_of(capsys.readouterr().out)
    assert table["0"] == ["0.0025", "0", "0", "0"] * 2
    for name in ("noise", "sine"):
        theirs, exact, _, ours = table[name]
        assert (exact, ours) == ("bit-exact", "bit-exact")
        assert theirs.endswith(" dB") and float(theirs.split()[0]) < 0


@pytest.mark.parametrize("mode", ["residual", "published"])
def test_test_signals(script, paths, monkeypatch, capsys, mode):
    signals = script("test_signals")
    monkeypatch.setattr(signals, "signal_set", few_signals)
    signals.main(paths[0], str(paths[1]), mode)
    assert paths[1].read_bytes()[:4] == PNG
    lines = capsys.readouterr().out.splitlines()[2:]
    rows = [line.strip("| ").split(" | ") for line in lines]
    assert len(rows) == 2 * 3
    exact = ["yes" if mode == "residual" and row[1] == "0" else "no" for row in rows]
    assert [row[2] for row in rows] == exact
    sine = next(row for row in rows if row[:2] == ["sine", "0"])
    peak = 10 ** (-6 / 20)
    assert float(sine[7]) == pytest.approx(1000, rel=0.05)
    if mode == "residual":
        assert float(sine[5]) == pytest.approx(20 * math.log10(peak), abs=0.1)
        assert float(sine[6]) == pytest.approx(20 * math.log10(2**0.5), abs=0.1)
        assert float(sine[3]) == 0.0


def test_strength_curve(script, paths, monkeypatch, capsys):
    curve = script("strength_curve")
    monkeypatch.setattr(curve, "FREQUENCIES", (200.0, 3000.0))
    monkeypatch.setattr(curve, "LEVELS", np.array([-60.0, 0.0]))
    curve.main(*map(str, paths[:2]))
    assert paths[1].read_bytes()[:4] == PNG
    table = table_of(capsys.readouterr().out)
    # Below the ceiling a positive kernel only adds.
    assert all(float(value) > 3 for value in table["-60"])


def test_pairings_ask_for(script, tmp_path, capsys):
    pairing = script("pairing_histogram")
    pairing.main(str(tmp_path / "figure.png"))
    assert (tmp_path / "figure.png").read_bytes()[:4] == PNG
    table = table_of(capsys.readouterr().out)
    assert table["reached"][:2] == ["100 of 100", "50 of 100"]
    assert table["distinct controls"][:2] == ["100", "50"]
    assert table["distinct in 100 epochs"][:2] == ["100", "50"]
    control = np.random.default_rng(0).uniform(0, 1, 50)
    items = np.concatenate([np.zeros(50), control])
    readings = np.linspace(-0.5, 1.5, 401)[:, None]
    least = np.abs(readings - items[None]).mean(axis=1).min()
    assert pairing.constant_violation(control) == pytest.approx(least, abs=1e-9)


def test_training_history(script, tmp_path, capsys):
    records = [
        {"kind": "train", "epoch": epoch, "scale": 0.25 * epoch, "violation": 0.5}
        for epoch in (1, 2)
    ]
    lines = [json.dumps(r) for r in [*records, {"kind": "held_out", "epoch": 2}]]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    history = script("training_history")
    history.main(str(tmp_path), str(tmp_path / "figure.png"))
    assert (tmp_path / "figure.png").read_bytes()[:4] == PNG
    rows = [line.strip("| ") for line in capsys.readouterr().out.splitlines()]
    place = next(i for i, row in enumerate(rows) if row.startswith("Scale"))
    head = rows[0].split(" | ")
    assert head[-1] == "epoch 100" and "epoch 2" in head
    assert rows[place].startswith("Scale | published | 0.998")
    assert rows[place].endswith("0.784")
    assert rows[place + 1].startswith("ours | 0.250 | 0.500")
    with pytest.raises(SystemExit, match="no such file"):
        history.main(str(tmp_path / "none"), str(tmp_path / "figure.png"))


def test_benchmark_of_a_stream(script, monkeypatch, capsys):
    bench = script("benchmark_stream")
    monkeypatch.setattr(bench, "EFFECTS", ("noise",))
    monkeypatch.setattr(bench, "LAYOUTS", ((44100, 512), (48000, 64)))
    allowed = os.sched_getaffinity(0)
    bench.main(["0.2"])
    assert os.sched_getaffinity(0) == allowed
    rows = [r.strip("| ").split(" | ") for r in capsys.readouterr().out.splitlines()]
    assert [row[:4] for row in rows[2:]] == [
        ["noise", "44100", "512", "11.61"], ["noise", "48000", "64", "1.33"]
    ]  # fmt: skip
    for *_, median, most, longest, _, _ in rows[2:]:
        assert 0 <= float(median) <= float(most) <= float(longest)


@pytest.mark.parametrize(("step", "share", "below"),
                         [(2e-5, "17%", "yes"), (4e-5, "34%", "no")])  # fmt: skip
def test_a_row_of_block_times(script, monkeypatch, step, share, below):
    bench = script("benchmark_stream")
    times = np.arange(101) * step
    monkeypatch.setattr(bench, "block_times", lambda *given: times)
    found = bench.row(centre(), 44100, 512, 1.0)
    numbers = [f"{1000 * step * n:.2f}" for n in (50, 99, 100)]
    cells = ["centre", "44100", "512", "11.61", *numbers, share, below]
    assert found == f"| {' | '.join(cells)} |"
