"""`cak apply --aim`: each file is changed as asked; the amount is found and said."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.applying import SMALL_FILLER, effect_file, said, snapshot
from support.sounds import RATE, noise, put, sound

from cak_jax.commands import apply, live
from cak_jax.effect.effect import Quality
from cak_jax.evaluation import heard
from cak_jax.rendering import aim, in_memory

RANGE = SMALL_FILLER.quality.range


@pytest.fixture
def effect(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return effect_file(tmp_path, SMALL_FILLER)


def tones(name, seed=0, channels=1, rate=RATE):
    samples = sound(2.0, rate, channels, seed) + 1e-3 * noise(2 * rate, channels, seed)
    return put(Path("sounds"), name, samples, rate, subtype="FLOAT")


def flatness(path):
    samples, rate = soundfile.read(path, always_2d=True)
    return heard.measure(samples.mean(axis=1), rate, 1024)["spectral_flatness"]


def run(effect, *arguments, value="0.5"):
    return apply.main([f"--effect={effect}", f"--aim={value}", *map(str, arguments)])


def test_every_file_is_changed_as_asked(effect, capsys):
    sources = [tones("a.wav"), tones("b.wav", 1, channels=2), tones("c.wav", 2)]
    assert run(effect, "sounds", "--json=r.json") == 0
    lines = capsys.readouterr().out.splitlines()
    document = json.loads(Path("r.json").read_text())
    assert document["settings"]["aim"] == 0.5
    assert not {"amount", "control"} & document["settings"].keys()
    amounts = set()
    for source, record, line in zip(sources, document["inputs"], lines, strict=True):
        output = source.with_name(f"{source.stem}__filler_aim050.wav")
        assert record["output"] == str(output)
        moved = flatness(output) - flatness(source)
        assert moved / RANGE == pytest.approx(0.5, abs=0.01)
        found = record["aim"]
        assert found["reached"] and 1 <= found["renders"] <= 12
        assert found["change"] == pytest.approx(moved, abs=1e-3)
        assert found["measured"] == pytest.approx(moved / RANGE, abs=1e-4)
        assert (found["unit"], found["asked"]) == ("dB", 6.0)
        assert found["quality"] == "spectral_flatness"
        said = f"amount {found['amount']:.3g}, noisier by {found['change']:.3g} dB"
        assert line.startswith(f"{output}  ({said} as asked; loudness matched by ")
        amounts.add(found["amount"])
        dry = soundfile.read(source, always_2d=True)[0].T
        wet = in_memory.render(SMALL_FILLER, dry, RATE, aim=0.5)
        np.testing.assert_allclose(soundfile.read(output, always_2d=True)[0].T, wet,
                                   atol=1e-6)  # fmt: skip
    assert len(amounts) == 3
    # They are the outputs of an earlier run.
    assert run(effect, "sounds", "--dry-run") == 1
    assert "3 files skipped, written by earlier runs" in capsys.readouterr().err


def test_aim_zero_gives_the_samples_back(effect, capsys):
    source = put(Path(), "x.flac", noise(5000), format="FLAC", subtype="PCM_16")
    assert run(effect, source, value=0) == 0
    assert capsys.readouterr().out == (
        "x__filler_aim000.flac  (amount 0, unchanged as asked)\n"
    )
    dry, wet = (
        soundfile.read(n, dtype="int16")[0] for n in (source, "x__filler_aim000.flac")
    )
    assert wet.tobytes() == dry.tobytes()


def test_a_file_that_cannot_be_measured_is_written_unchanged(effect, capsys):
    put(Path("sounds"), "silence.wav", np.zeros((9000, 2)), subtype="PCM_16")
    put(Path("sounds"), "short.wav", noise(500), subtype="PCM_16")
    tones("tones.wav")
    assert run(effect, "sounds", "--output=out", "--keep-names", "--json=r.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "out/short.wav  (unchanged, because it is too short to be measured)",
        "out/silence.wav  (unchanged, because it is too quiet to be measured)",
    ]
    for name in ("silence", "short"):
        dry, wet = (
            soundfile.read(f"{folder}/{name}.wav", dtype="int16")[0]
            for folder in ("sounds", "out")
        )
        assert wet.tobytes() == dry.tobytes()
    [short, _, whole] = json.loads(Path("r.json").read_text())["inputs"]
    assert short["status"] == whole["status"] == "done"
    assert short["aim"]["measured"] is None and short["aim"]["amount"] == 0
    assert short["aim"]["fault"] == "is too short" and not short["aim"]["reached"]
    assert whole["aim"]["reached"] and whole["aim"]["fault"] == ""


def test_an_aim_that_cannot_be_reached_is_said(tmp_path, effect, capsys):
    quality = dataclasses.replace(SMALL_FILLER.quality, range=200.0)
    effect_file(tmp_path, dataclasses.replace(SMALL_FILLER, quality=quality))
    source = tones("a.wav")
    assert run(effect, source, "--loudness=none", "--peaks=none") == 0
    line = capsys.readouterr().out
    found = re.search(
        r"\(amount (.+), noisier by (.+) dB, the nearest to 100 dB that it reaches\)$",
        line,
    )
    assert 0 < float(found[1]) <= 4
    moved = flatness("sounds/a__filler_aim050.wav") - flatness(source)
    assert float(found[2]) == pytest.approx(moved, rel=0.01)


def test_a_long_file_is_measured_in_stretches(effect, monkeypatch):
    monkeypatch.setattr(aim, "STRETCH_SECONDS", 0.1)
    sizes = []
    monkeypatch.setattr(
        aim, "_wet", lambda *a, wet=aim._wet: sizes.append(a[1].shape) or wet(*a)
    )
    source = tones("a.wav", channels=2)
    monkeypatch.setattr(aim, "SHORTEST", 800)
    levels = lambda sounds, rate, used: sounds.std(axis=1, keepdims=True)  # noqa: E731
    monkeypatch.setattr(aim, "_measure", levels)
    assert run(effect, source, value="0.0001") == 0
    # 20 stretches: every second one is measured, dry and wet.
    assert set(sizes) == {(2, 800)} and len(sizes) % 10 == 0


@pytest.mark.parametrize("rate", [11025, 16000])
def test_an_aim_for_a_file_at_another_rate(effect, rate):
    source = tones("a.wav", rate=rate)
    assert run(effect, source, "--json=r.json") == 0
    [record] = json.loads(Path("r.json").read_text())["inputs"]
    assert record["aim"]["measured"] == pytest.approx(0.5, abs=0.005)
    assert record["sample_rate"] == rate and record["frames"] == 2 * rate


def test_the_input_is_read_once_more_and_ctrl_c_is_seen(effect, monkeypatch):
    source = tones("a.wav")
    steps = []

    def stop(seconds):
        steps.append(seconds)
        if len(steps) == 3:
            raise KeyboardInterrupt

    from cak_jax.rendering.file import render_file
    from cak_jax.rendering.knob import Aim
    from cak_jax.rendering.settings import RenderSettings

    with pytest.raises(KeyboardInterrupt):
        render_file(SMALL_FILLER, source, Path("out.wav"), "WAV", "FLOAT", Aim(0.5),
                    RenderSettings(), progress=stop)  # fmt: skip
    # Still searching: nothing is written, and no sound counts as done.
    assert steps == [0.0, 0.0, 0.0] and not Path("out.wav").exists()


REFUSED = [
    (["--aim=nan"], "--aim must be between 0 and 2: nan"),
    (["--aim=2.5"], "--aim must be between 0 and 2: 2.5"),
    (["--aim=-1"], "--aim must be between 0 and 2: -1"),
    (["--aim=0.5", "--raw"], "--raw: goes with --curve"),
    (["--aim=0.5", "--mode=published"], "--mode=published: knows one --control"),
    (["--aim=0.5", "--effect=published"], "--aim goes with an effect that names its "
     "quality, and "),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "words"), REFUSED, ids=str)
def test_refused_in_one_line(effect, flags, words, capsys):
    source = tones("a.wav")
    before = snapshot(Path())
    assert apply.main([f"--effect={effect}", *flags, str(source)]) == 2
    assert said(capsys).startswith(words)
    assert snapshot(Path()) == before


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (None, "--aim goes with an effect that names its quality, and filler names "
         "none; give amount instead"),
        (Quality("-warmth", "dB", 3.0), "--aim cannot measure the quality -warmth of "
         "filler; this version knows spectral_flatness, "),
    ],
)  # fmt: skip
def test_effects_without_a_quality_are_refused(
    tmp_path, effect, quality, words, capsys
):
    effect_file(tmp_path, dataclasses.replace(SMALL_FILLER, quality=quality))
    assert run(effect, tones("a.wav")) == 2
    assert said(capsys).startswith(words)


@pytest.mark.parametrize(
    "flag", ["--amount=0.5", "--control=0.5", "--curve=x.csv", "--lfo=sine:1",
             "--follow=0:1"],
)  # fmt: skip
def test_an_aim_and_a_knob_are_refused(effect, flag, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(effect, "x.wav", flag)
    assert "not allowed with argument" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run(effect, "x.wav", value="much")
    assert "--aim: much is no number" in capsys.readouterr().err


def test_live_refuses_an_aim(effect, capsys):
    assert live.main([f"--effect={effect}", "--aim=0.5", "x.wav"]) == 2
    assert said(capsys) == (
        "--aim: a sound must be measured before it plays; find its amount with cak "
        "apply --aim, and give --amount here"
    )
    with pytest.raises(SystemExit, match="0"):
        live.main(["--help"])
    assert "--aim" not in capsys.readouterr().out
