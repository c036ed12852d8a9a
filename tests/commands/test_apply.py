"""Files in, files out: what the command line writes, bit by bit."""

import dataclasses
import io
import os
import re
import sys

import numpy as np
import pytest
import soundfile
from support.applying import EFFECT, effect_file, load, run, shown, snapshot, unmatched
from support.sounds import noise, put, sound

from cak_jax.audio import sound_file
from cak_jax.commands import apply
from cak_jax.effect.gate import calibrate
from cak_jax.rendering import in_memory
from cak_jax.rendering.settings import CHANNELS, LOUDNESS, MODES
from cak_jax.runtime.text import printable

STEPS = {"PCM_U8": 2.0**-7, "PCM_16": 2.0**-15, "PCM_24": 2.0**-23, "PCM_32": 2.0**-31}
KINDS = [
    *(("WAV", subtype) for subtype in (*STEPS, "FLOAT", "DOUBLE")),
    *((kind, s) for kind in ("FLAC", "AIFF") for s in ("PCM_16", "PCM_24")),
]
# A step is rounded by half; with dither another step is added before.
CLIPPED = r"(-[\d.]+) dB, as it would have clipped"
ERROR = {"none": 0.5, "tpdf": 1.5}
SUFFIX = {"WAV": ".wav", "FLAC": ".flac", "AIFF": ".aiff"}


def decibels(first, second):
    return 10 * np.log10(np.mean(np.square(first)) / np.mean(np.square(second)))


@pytest.mark.parametrize(("kind", "subtype"), KINDS)
def test_control_zero_gives_the_samples_back(tmp_path, effect, kind, subtype, capsys):
    sources = []
    for channels in (1, 2, 6):
        for rate in (8000, 44100, 48000, 96000):
            name = f"{channels}_{rate}{SUFFIX[kind]}"
            samples = noise(1001, channels, seed=channels + rate)
            samples[:4] = [[1.0], [-1.0], [-0.0], [1e-40]]
            if subtype in ("FLOAT", "DOUBLE"):
                samples *= 3  # above full scale
            layout = {"format": kind, "subtype": subtype}
            sources.append(put(tmp_path, name, samples, rate, **layout))
    before = snapshot(tmp_path)
    assert run(effect, *sources, control="0") == 0
    outputs = [p.with_name(f"{p.stem}__small_c000{SUFFIX[kind]}") for p in sources]
    assert capsys.readouterr().out.splitlines() == [str(p) for p in outputs]
    for source, output in zip(sources, outputs, strict=True):
        (dry, header), (wet, kept) = load(source), load(output)
        assert wet.tobytes() == dry.tobytes()
        assert shown(kept) == shown(header)
    after = snapshot(tmp_path)
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + len(outputs)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("kind", "subtype"), KINDS)
def test_a_rendering_is_the_library_s(tmp_path, effect, kind, subtype, mode):
    rate, suffix = 11025, SUFFIX[kind]
    layout = {"format": kind, "subtype": subtype}
    # Quiet enough for the tanh of `published` to keep the loudness.
    samples = 0.3 * sound(1.3, rate, 2)
    source = put(tmp_path, "x" + suffix, samples, rate, **layout)
    dry = soundfile.read(source, dtype="float64")[0].T
    wanted = in_memory.render(EFFECT, dry, rate, 0.8, mode=mode)
    step = STEPS.get(subtype, 2.0**-24 if subtype == "FLOAT" else 1e-15)
    for dither, error in ERROR.items():
        assert run(effect, source, mode=mode, dither=dither, overwrite=True) == 0
        output = tmp_path / f"x__small_c080{suffix}"
        assert shown(load(output)[1]) == shown(load(source)[1])
        wet = soundfile.read(output, dtype="float64")[0].T
        assert np.abs(wet - wanted).max() <= error * step
        assert abs(decibels(wet, dry)) < 0.1
        assert decibels(wet - dry, dry) > -30


def test_the_flags_reach_the_renderer(tmp_path, effect):
    quiet = sound(1.0, 8000, 2) * [[1.0, 0.1]]
    source = put(tmp_path, "x.wav", quiet, 8000, subtype="DOUBLE")
    for number, (loudness, channels) in enumerate(
        (x, y) for x in LOUDNESS for y in CHANNELS
    ):
        output = tmp_path / f"{number}.wav"
        options = {"loudness": loudness, "channels": channels}
        assert run(effect, source, output=output, control="0.55", **options) == 0
        wanted = in_memory.render(EFFECT, quiet.T, 8000, 0.55, **options)
        np.testing.assert_allclose(load(output)[0].T, wanted, atol=1e-14)
    contents = [(tmp_path / f"{number}.wav").read_bytes() for number in range(6)]
    assert len(set(contents)) == 6


@pytest.mark.parametrize(("kind", "suffix"), [("MP3", ".mp3"), ("OGG", ".ogg")])
def test_a_lossy_input_becomes_24_bit_wav(tmp_path, effect, kind, suffix):
    source = tmp_path / f"x{suffix}"
    soundfile.write(source, sound(1.0, 44100, 2), 44100, format=kind)
    decoded = sound_file.read(source)[0].astype(np.float64)
    assert decoded.shape == (2, 44100)
    for control, name in (("0", "c000"), ("0.8", "c080")):
        assert run(effect, source, control=control) == 0
        output = tmp_path / f"x__small_{name}.wav"
        assert shown(load(output)[1]) == (44100, 2, 44100, "WAV", "PCM_24")
        wanted = in_memory.render(EFFECT, decoded, 44100, float(control))
        wet = soundfile.read(output)[0].T
        assert np.abs(wet - wanted).max() <= ERROR["tpdf"] * 2.0**-23
    refused = run(effect, source, output=tmp_path / f"y{suffix}")
    assert refused == 1 and not (tmp_path / f"y{suffix}").exists()


@pytest.mark.parametrize("level", [0.99, 0.54])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE"])
def test_what_would_clip_is_scaled_once_and_said(
    tmp_path, effect, subtype, level, capsys
):
    loud = np.clip(3 * sound(1.0, 8000, 2), -level, level)
    source = put(tmp_path, "x.wav", loud, 8000, subtype=subtype)
    dry = soundfile.read(source)[0].T
    options = {"loudness": "rms", "peaks": "none"}
    wanted = in_memory.render(EFFECT, dry, 8000, 0.8, **options)
    peak = np.abs(wanted).max()
    assert 1.001 < peak < 1.1 if level < 0.6 else peak > 1.3
    assert run(effect, source, loudness="rms", peaks="gain") == 0
    said = re.search(CLIPPED, capsys.readouterr().out)
    wet = soundfile.read(tmp_path / "x__small_c080.wav")[0].T
    if subtype not in STEPS:
        assert float(said[1]) == pytest.approx(-20 * np.log10(peak), abs=0.006)
        np.testing.assert_array_equal(wet.astype(subtype[0].lower()), wet)
        np.testing.assert_allclose(wet, wanted / peak, rtol=2**-24)
        return
    # No sample is off by more than dither and rounding: none is clipped.
    assert np.abs(wet - wanted / peak).max() <= ERROR["tpdf"] * STEPS[subtype]
    assert np.abs(wet).max() >= 1 - STEPS[subtype]
    assert float(said[1]) == pytest.approx(-20 * np.log10(peak), abs=0.006)


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_peaks_are_held_or_clipped_and_it_is_said(tmp_path, effect, subtype, capsys):
    loud = np.clip(3 * sound(1.0, 8000, 2), -0.99, 0.99)
    source = put(tmp_path, "x.wav", loud, 8000, subtype=subtype)
    dry, output = soundfile.read(source)[0].T, tmp_path / "x__small_c080.wav"
    raw = in_memory.render(EFFECT, dry, 8000, 0.8, peaks="none", limit="none")
    wanted = in_memory.render(EFFECT, dry, 8000, 0.8, limit="none")
    step = ERROR["tpdf"] * STEPS["PCM_16"]
    assert run(effect, source, limit="none") == 0
    said = re.search(
        r"peaks held below -1 dBFS by up to (\d+\.\d) dB", capsys.readouterr().out
    )
    most = 20 * np.log10(np.abs(raw).max()) + 1
    assert most - 0.1 < float(said[1]) < most + 1  # there are peaks between samples
    assert np.abs(soundfile.read(output)[0].T - wanted).max() <= step
    assert run(effect, source, limit="none", peaks="none", overwrite=True) == 0
    said = re.search(r"peaks were up to (\d+\.\d) dB above", capsys.readouterr().out)
    wet = soundfile.read(output)[0].T
    if subtype == "FLOAT":
        assert said is None and np.abs(wet - raw).max() <= step
    else:
        assert float(said[1]) == pytest.approx(most - 1, abs=0.06)
        assert np.abs(wet - np.clip(raw, -1, 1)).max() <= step


def test_an_mp3_that_decodes_above_full_scale_becomes_float(tmp_path, effect, capsys):
    source = tmp_path / "x.mp3"
    square = 0.99 * np.sign(np.sin(np.arange(44100) / 7.3))
    soundfile.write(source, square, 44100, format="MP3")
    decoded = sound_file.read(source)[0].astype(np.float64)
    peak = np.abs(decoded).max()
    assert peak > 1.05
    assert run(effect, source, control="0") == 0
    path = tmp_path / "x__small_c000.wav"
    assert soundfile.info(path).subtype == "FLOAT"
    wet = soundfile.read(path, always_2d=True)[0].T
    np.testing.assert_array_equal(wet, decoded)
    assert "dB" not in capsys.readouterr().out
    # Who asks for a depth gets it, turned down and not clipped.
    assert run(effect, source, control="0", depth="24", overwrite=True) == 0
    assert soundfile.info(path).subtype == "PCM_24"
    wet = soundfile.read(path, always_2d=True)[0].T
    assert np.abs(wet - decoded / peak).max() <= ERROR["tpdf"] * 2.0**-23
    assert f"({-20 * np.log10(peak):.2f} dB" in capsys.readouterr().out


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("subtype", ["PCM_16", "DOUBLE"])
@pytest.mark.parametrize("frames", [0, 1, 100, 255, 257])
def test_short_sounds(tmp_path, effect, frames, subtype, mode, capsys):
    sources = []
    for rate in (8000, 192000):
        samples = np.full((frames, 2), 0.25)
        sources.append(put(tmp_path, f"{rate}.wav", samples, rate, subtype=subtype))
    assert run(effect, *sources, mode=mode) == 0
    assert capsys.readouterr().err == ""
    for source in sources:
        output = tmp_path / f"{source.stem}__small_c080.wav"
        assert shown(load(output)[1]) == shown(load(source)[1])
        assert np.isfinite(soundfile.read(output)[0]).all()


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT", "DOUBLE"])
def test_nothing_and_next_to_nothing_stay_what_they_are(tmp_path, effect, subtype):
    # Denormals lie below what the effect can see: they come back untouched.
    tiny = 1e-310 if subtype == "DOUBLE" else 1e-41
    silence = put(tmp_path, "silence.wav", np.zeros((900, 2)), subtype=subtype)
    denormal = put(tmp_path, "denormal.wav", noise(900) * tiny, subtype=subtype)
    assert run(effect, silence, denormal) == 0
    for source in (silence, denormal):
        output = tmp_path / f"{source.stem}__small_c080.wav"
        np.testing.assert_array_equal(load(output)[0], load(source)[0])


@pytest.mark.parametrize("name", ["constant", "square"])
def test_extreme_sounds(tmp_path, effect, name, capsys):
    square = np.sign(np.sin(np.arange(4000) / 9.0 + 0.1))
    samples = {"constant": np.full(4000, 0.5), "square": square}[name]
    source = put(tmp_path, "x.wav", samples, 8000, subtype="PCM_16")
    assert run(effect, source, control="10", loudness="rms", peaks="gain") == 0
    said = re.search(CLIPPED, capsys.readouterr().out)
    dry, wet = (soundfile.read(p)[0] for p in (source, tmp_path / "x__small_c1000.wav"))
    loss = float(said[1]) if said else 0.0
    assert decibels(wet, dry) == pytest.approx(loss, abs=0.1)


@pytest.mark.parametrize(
    "name",
    [
        "\U0001f600 \u00e9.wav",
        "two\nlines.wav",
        "  spaces  .wav",
        "no suffix",
        ".wav",
        "a.b.c.wav",
        "%s{0}.wav",
        os.fsdecode(b"\xff\xfe.wav"),
    ],
)
def test_any_name_is_a_name(tmp_path, effect, name, capsys):
    source = tmp_path / name
    plain = put(tmp_path, "plain.wav", sound(0.1), subtype="PCM_16")
    plain.rename(source)
    assert run(effect, source) == 0
    output = source.with_name(f"{source.stem}__small_c080.wav")
    assert shown(soundfile.info(os.fsencode(output))) == (8000, 1, 800, "WAV", "PCM_16")
    lines = unmatched(capsys.readouterr().out).splitlines()
    assert lines == [printable(output)]


def test_a_leading_dash(tmp_path, effect, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "-x.wav", sound(0.1))
    assert run(effect, "--", "-x.wav") == 0
    assert (tmp_path / "-x__small_c080.wav").is_file()


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../up", "up"), ("/etc/x y", "etc-x-y"), ("..", "effect"), ("a.b", "a.b")],
)
def test_an_effect_s_name_stays_in_the_folder(tmp_path, name, kept):
    folder = tmp_path / "a" / "b"
    source = put(folder, "x.wav", sound(0.1))
    effect = effect_file(tmp_path, dataclasses.replace(EFFECT, name=name))
    before = snapshot(tmp_path)
    assert run(effect, source) == 0
    new = snapshot(tmp_path).keys() - before.keys()
    assert new == {os.fsencode(folder / f"x__{kept}_c080.wav")}


def test_output_is_a_folder_or_a_file(tmp_path, effect):
    # Not float: their PEAK chunk holds the time.
    sources = [
        put(tmp_path, f"{n}.wav", sound(0.1, seed=n), subtype="PCM_16")
        for n in range(3)
    ]
    folder = tmp_path / "out"
    folder.mkdir()
    assert run(effect, *sources, output=folder) == 0
    wanted = [f"{n}__small_c080.wav" for n in range(3)]
    assert sorted(os.listdir(folder)) == wanted
    assert run(effect, sources[0], output=tmp_path / "one.WAV") == 0
    # Not the bytes: libsndfile writes the time into a float file.
    first, second = load(tmp_path / "one.WAV"), load(folder / wanted[0])
    np.testing.assert_array_equal(first[0], second[0])
    assert shown(first[1]) == shown(second[1])
    for kind, subtype, name in (
        ("AIFF", "PCM_16", "y.aif"),
        ("RF64", "PCM_16", "y.wav"),
    ):
        other = put(tmp_path, f"x.{kind}", sound(0.1), format=kind, subtype=subtype)
        assert run(effect, other, output=tmp_path / name) == 0
        assert load(tmp_path / name)[1].format == kind


class Closed(io.StringIO):
    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def test_a_terminal_that_cannot_show_the_name_fails_no_file(
    tmp_path, effect, monkeypatch, capsys
):
    source = put(tmp_path, "\u00e9.wav", sound(0.1))
    ascii_only = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    for number, stdout in enumerate((ascii_only, Closed())):
        output = tmp_path / f"\u00e9{number}.wav"
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            assert run(effect, source, output=output) == 0
        assert output.is_file()
    said = unmatched(ascii_only.buffer.getvalue().decode())
    assert said.endswith("\\xe90.wav\n")
    assert capsys.readouterr().err == ""


@pytest.fixture
def source(tmp_path):
    return put(tmp_path, "in.wav", noise(4000, 1, seed=1) * 0.3, 8000, subtype="FLOAT")


def test_amount_is_control_with_the_gate_inverted(tmp_path, source):
    effect = effect_file(tmp_path)
    control = calibrate(EFFECT, 0.4)
    assert apply.main([f"--effect={effect}", "--amount=0.4", str(source)]) == 0
    turned = ["--control", repr(control), "--output", str(tmp_path / "raw.wav")]
    assert apply.main([f"--effect={effect}", *turned, str(source)]) == 0
    ours, _ = load(tmp_path / "in__small_a040.wav")
    np.testing.assert_array_equal(ours, load(tmp_path / "raw.wav")[0])
    assert not np.array_equal(ours, load(source)[0])


def test_amount_zero_is_the_input(tmp_path, source):
    effect = effect_file(tmp_path)
    assert apply.main([f"--effect={effect}", "--amount=0", str(source)]) == 0
    output = tmp_path / "in__small_a000.wav"
    np.testing.assert_array_equal(load(output)[0], load(source)[0])


@pytest.mark.parametrize("amount", ["nan", "-1", "inf", "1e9"])
def test_an_amount_that_cannot_be_is_refused(tmp_path, source, amount, capsys):
    effect = effect_file(tmp_path)
    assert apply.main([f"--effect={effect}", f"--amount={amount}", str(source)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")


def test_amount_and_control_exclude_each_other(tmp_path, source):
    both = ["--amount=0.5", "--control=0.5", str(source)]
    with pytest.raises(SystemExit) as caught:
        apply.main([f"--effect={effect_file(tmp_path)}", *both])
    assert caught.value.code == 2


def test_a_run_folder_stands_for_its_effect(tmp_path, source):
    folder = effect_file(tmp_path).removesuffix("/effect.json")
    assert apply.main([f"--effect={folder}", "--control=0", str(source)]) == 0
    output = tmp_path / "in__small_c000.wav"
    np.testing.assert_array_equal(load(output)[0], load(source)[0])
