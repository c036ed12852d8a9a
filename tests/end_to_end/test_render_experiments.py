"""The benchmark of rendering: the published path, each side, turns and ratios."""

import importlib
import math
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support.plain_render import block_residual
from support.sounds import sound

from cak_jax.effect import locate
from cak_jax.effect.effect import from_document, load_effect
from cak_jax.rendering import in_memory, published

EXPERIMENTS = pathlib.Path(__file__).parent.parent.parent / "experiments"
RATE = 44100
AT_HALF = 0.5


@pytest.fixture
def script(monkeypatch):
    """Import a script by name."""
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module


@pytest.fixture(scope="module")
def document():
    return locate.read("published")


def table_of(text):
    """Read a printed table: the rows' cells, without head and rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def without_torch(application, effect):
    """Return an application whose chunks come back as ours make them."""

    class Application(application):
        def __init__(self):
            self.spectrogram = {"sample_rate": effect.spectrogram.sample_rate}

        def process_chunk(self, audio, control):
            return published._chunk(effect, audio.astype(np.float32), control)

    return Application()


@pytest.mark.parametrize("seconds", [0.7, 15.0, 22.6])
def test_the_published_path_cuts_fades_and_matches_as_ours(script, document, seconds):
    small = document["spectrogram"] | {"sample_rate": 4000, "n_fft": 256}
    small |= {"hop_length": 64, "win_length": 256}
    effect = from_document(document | {"spectrogram": small})
    dry = sound(seconds, 4000, 2).T * [[1.0], [0.01]]
    ours = in_memory.render(effect, dry, 4000, AT_HALF, mode="published")
    application = without_torch(script("published_render").Application, effect)
    theirs = application.render(dry, AT_HALF)
    np.testing.assert_allclose(theirs, ours, atol=1e-6)
    assert np.std(theirs - dry) > 0.1 * np.std(dry)


def test_the_published_normalisation_and_its_inverse(script, document):
    path, constants = script("published_render"), document["normalization"]
    x = np.linspace(0.01, 1, 100)
    magnitude = path.invert(x, **constants)
    np.testing.assert_allclose(path.normalise(magnitude, **constants), x, atol=1e-7)
    loudest = (math.expm1(constants["high"]) / constants["alpha"]) ** 2
    assert magnitude[-1] == pytest.approx(loudest, rel=1e-6)
    assert path.normalise(2 * loudest, **constants) == 1.0


def test_the_published_path_against_the_golden_vectors(script, document, golden_dir):
    for name in ("torch", "librosa"):
        pytest.importorskip(name)
    path = script("published_render")
    found = path.agreement(path.Application(document), golden_dir)
    assert sorted(found) == [0.0, 0.5, 1.0]
    assert min(found.values()) > path.LEAST_AGREEMENT
    wrong = path.Application(document | {"scale": 1.001 * document["scale"]})
    assert path.agreement(wrong, golden_dir)[1.0] < path.LEAST_AGREEMENT


def test_another_path_is_refused(script, monkeypatch, golden_dir):
    path = script("published_render")

    class Louder:
        def __init__(self, document):
            pass

        def process(self, audio, control):
            return 1.01 * np.load(golden_dir / "render.npz")[f"rendered_{control}"]

    # 1% of every sample are -40 dB.
    found = path.agreement(Louder(None), golden_dir)
    assert found[0.5] == pytest.approx(40.0, abs=1e-4)
    monkeypatch.setenv("CAK_GOLDEN_DIR", str(golden_dir))
    monkeypatch.setattr(path, "Application", Louder)
    with pytest.raises(SystemExit, match=r"40.0 dB .* nothing is timed"):
        path.check()


def test_the_sound_is_one_in_any_parts(script):
    make = script("render_sides").make_sound
    whole = make(0, 3 * RATE + 7, 2)
    parts = [make(0, RATE, 2), make(RATE, 2 * RATE, 2), make(3 * RATE, 7, 2)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-7)
    assert not np.array_equal(whole[0], whole[1])
    level = [np.std(whole[:, start : start + 999]) for start in (0, 2 * RATE)]
    assert 20 * math.log10(level[1] / level[0]) == pytest.approx(60, abs=1)


def test_steps_in_a_row_are_the_renderer(script):
    sides, effect = script("render_sides"), load_effect("published")
    dry = sides.make_sound(RATE, 3 * RATE + 100, 2)
    layout, numbers, inputs = sides.block_inputs(effect, AT_HALF, dry)
    step = sides.steps(layout, numbers)
    parts = []
    for segment, factors, exists, power in inputs:
        spectrum = step["analysis"](segment)
        added = step["elementwise"](spectrum, factors, exists)
        held = step["limit"](step["synthesis"](added, power), segment)
        parts.append(np.asarray(held))
    assert len(parts) == 2
    found = np.concatenate(parts, axis=1)[:, : dry.shape[1]]
    expected = block_residual(effect, dry, AT_HALF)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


OURS = {"effect": "published", "control": 1.0, "seconds": 0.2, "channels": 1}


def test_every_side_of_ours_works(script, tmp_path):
    sides = script("render_sides")
    names = ("analysis", "elementwise", "synthesis", "limit", "program")
    shapes = [np.shape(sides.part(**OURS, name=name)()[0]) for name in names]
    # The limit reads a hop to either side, and a frame more.
    frames, bins, hops = 264, 1025, 256
    assert shapes == [
        (1, frames, bins),
        (1, frames - 2, bins),
        (1, (hops + 2) * 512),
        *[(1, hops * 512)] * 2,
    ]
    forward, inverse = sides.part(**OURS, name="transforms")()[0]
    assert forward.shape == (1, frames, bins) and inverse.shape == (1, frames - 2, 2048)
    dry = sides.whole_sound(0.2, 1)
    effect = load_effect("published")
    for linked in (True, False):
        wet = sides.ours(**OURS, linked=linked)()
        expected = in_memory.render(effect, dry, RATE, 1.0, compiled=True)
        np.testing.assert_array_equal(wet, expected)
    sides.level_match(**OURS)()
    source, copy, wet = (str(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav"))
    soundfile.write(source, dry.T, RATE, subtype="PCM_24")
    sides.read_and_write(source, copy)()
    np.testing.assert_array_equal(*(soundfile.read(name)[0] for name in (source, copy)))
    assert soundfile.info(copy).subtype == "PCM_24"
    sides.apply_file("published", 1.0, source, wet)()
    assert soundfile.info(wet).frames == len(dry[0])
    with pytest.raises(SystemExit, match=r"error: .*missing.wav: cannot be opened"):
        sides.apply_file("published", 1.0, str(tmp_path / "missing.wav"), wet)()


def test_turns_alternate_and_the_first_does_not_count(script):
    lib, calls = script("alternation"), []
    seconds = {"a": [99.0, 2.0, 3.0, 8.0], "b": [99.0, 1.0, 6.0, 2.0]}

    def side(name):
        def turn():
            calls.append(name)
            return seconds[name][calls.count(name) - 1], 10.0 * calls.count(name)

        return turn

    found = lib.take_turns({name: side(name) for name in seconds}, 3)
    assert calls == ["a", "b"] * 4
    assert found["a"].median == 3.0 and found["a"].megabytes == 40.0
    # Of the ratios 2, 0.5 and 4, not of the medians.
    assert found["a"].over(found["b"]) == 2.0


PEAKS = """
import sys
sys.path.insert(0, "experiments")
import benchmark_render
assert not {"jax", "torch", "matplotlib"} & set(sys.modules)
hold = "import sys; x = bytearray(b'1') * (int(sys.argv[1]) << 20)"
for held in (200, 0):
    command = [sys.executable, "-c", hold, str(held)]
    print(benchmark_render.whole_process(command)[1])
"""


def test_a_whole_process_is_measured_by_itself(script):
    # In a process without JAX, since a child begins with its parent's peak.
    done = subprocess.run(
        [sys.executable, "-c", PEAKS], cwd=EXPERIMENTS.parent, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    large, small = map(float, done.stdout.split())
    assert large - small == pytest.approx(200 * 1.048576, rel=0.2)
    with pytest.raises(SystemExit, match=r"^error: -c .* failed: no such thing$"):
        command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
        script("alternation").whole_process(command)


def test_the_table_s_arithmetic(script):
    benchmark, turns = script("benchmark_render"), script("alternation").Turns()
    for seconds in (0.4, 0.5, 0.9):
        turns.add(seconds, 123.4)
    row = benchmark.row("part", "what", turns, (2, 10.0), "a ratio")
    # Half a second for two channels of ten seconds.
    assert row[2:] == ["2 x 10", "0.5", "25", "40", "a ratio", "123"]
    assert len(row) == len(benchmark.HEAD)


def test_the_benchmark_runs(script, capfd, tmp_path):
    script("benchmark_render").main(
        ["--without-published", "--parts=linear,memory", "--rounds=1", "--lengths=0.2",
         "--widths=1", "--minutes=0.005", f"--folder={tmp_path}"]
    )  # fmt: skip
    rows = table_of(capfd.readouterr().out)
    assert [row[0] for row in rows] == ["linear", "memory"]
    assert [row[2] for row in rows] == ["1 x 0.2", "2 x 0.3"]
    assert all(float(row[3]) > 0 and float(row[7]) > 50 for row in rows)
    assert list(tmp_path.iterdir()) == []


def test_rows_beside_each_other(script, monkeypatch, tmp_path):
    """Every part's ratios, with times that are known."""
    benchmark = script("benchmark_render")
    options = script("benchmark_flags").read(
        ["--without-published", "--seconds=1", "--cold-seconds=2", "--lengths=1,3",
         "--widths=2", "--rounds=2"], "",
    )  # fmt: skip
    options.published = True
    seconds = {"ours": 2.0, "published": 6.0, "transforms": 0.5, "program": 1.5,
               "level match": 0.125, "read and write": 0.25, "apply": 1.0}  # fmt: skip

    def compare(rounds, **wanted):
        found = {name: benchmark.Turns() for name in wanted}
        for name, (side, given) in wanted.items():
            for _ in range(rounds):
                work = seconds.get(given.get("name", side), 0.1)
                found[name].add(work * given.get("seconds", 1.0), 1.0)
        return found

    def whole_process(command):
        words = " ".join(command)
        sides = {"import jax": 1.0, "cak_jax.apply": 3.0, "published_render": 12.0}
        (found,) = (value for key, value in sides.items() if key in words)
        return found, 1.0

    monkeypatch.setattr(benchmark, "compare", compare)
    monkeypatch.setattr(benchmark, "whole_process", whole_process)
    ratio = {
        (part, row[1], row[2]): row[6]
        for part in ("render", "steps", "files", "cold", "linear")
        for row in benchmark.PARTS[part](options, tmp_path)
    }
    glue = "glue: whole less program and level match"
    for key, expected in {
        ("render", "published path", "2 x 1"): "3 x ours",
        ("steps", "whole", "2 x 1"): "4 x transforms",
        ("steps", glue, "2 x 1"): "0.75 x transforms",
        ("files", "FLAC: apply", "2 x 1"): "4 x read and write",
        ("cold", "apply", "2 x 2"): "3 x import",
        ("cold", "published path", "2 x 2"): "4 x apply",
        ("linear", "ours", "2 x 3"): "1 x that of 1 s",
    }.items():
        assert ratio[key] == expected, key
    written = soundfile.info(tmp_path / "in.flac")
    assert (written.frames, written.channels, written.subtype) == (RATE, 2, "PCM_24")


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--parts=render,x", "--parts: 'x' is none of render, steps"),
        ("--control=11", "--control: control must be between 0 and 10"),
        ("--effect=brigh", "--effect: brigh: .* did you mean bright"),
        ("--seconds=0.05", "0.05 s are too short"),
        ("--channels=9", "--channels=9: FLAC holds 8"),
        ("--minutes=300", "4.8 GB are more than the 4.3 that a WAV"),
        ("--folder=nowhere", "--folder=nowhere: there is no such folder"),
        (
            "--parts=render",
            r"torch is not installed: .*\[benchmark\].*--without-published",
        ),
    ],
)
def test_what_cannot_be_measured_is_one_line(script, capsys, monkeypatch, flag, words):
    flags = script("benchmark_flags")
    # As where nothing more than the package needs is installed.
    monkeypatch.setattr(flags.importlib.util, "find_spec", lambda name: None)
    ours = [] if flag == "--parts=render" else ["--without-published"]
    with pytest.raises(SystemExit) as stopped:
        flags.read([*ours, flag], "")
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("\n") == 1
    assert re.match(f"error: {words}", said), said
