"""The knob and the shape on a command line: what is meant, and what is refused."""

import argparse

import pytest

from cak_jax import load_effect
from cak_jax.commands import render_flags
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.knob import Curve, Follower, Knob, Oscillator


def parse(*flags):
    parser = argparse.ArgumentParser(exit_on_error=False)
    render_flags.add_effect(parser)
    render_flags.add_moving(parser, render_flags.add_knob(parser))
    render_flags.add_shape(parser)
    render_flags.add_loudness(parser)
    flags = (
        [*flags] if any("effect" in f for f in flags) else ["--effect=bright", *flags]
    )
    return parser.parse_args(flags)


@pytest.mark.parametrize(
    ("flags", "wanted", "name"),
    [
        (["--control=0.8"], Knob(0.8, "control"), "c080"),
        (["--amount=0.5"], Knob(0.5, "amount"), "a050"),
        (["--lfo=sine:0.5"], Knob(Oscillator("sine", 0.5), "amount"), "lfo"),
        (["--lfo=saw:2:0.1:0.9:0.25", "--raw"],
         Knob(Oscillator("saw", 2.0, 0.1, 0.9, 0.25), "control"), "lfo"),
        (["--follow=0:1"], Knob(Follower(0.0, 1.0), "amount"), "follow"),
        (["--follow=1:0:0.1:2"], Knob(Follower(1.0, 0.0, 0.1, 2.0), "amount"),
         "follow"),
    ],
)  # fmt: skip
def test_a_knob(flags, wanted, name):
    knob = render_flags.parse_knob(parse(*flags))
    assert knob == wanted and knob.short_name == name


@pytest.mark.parametrize(
    "text",
    ["0,0\n1,1\n2.5,0.5\n", "seconds,amount\n0,0\r\n1,1\r\n\r\n2.5,0.5",
     "\ufefft,a\n 0 , 0 \n1,1\n2.5,0.5\n", "t;a\n0;0\n1;1\n2,5;50%\n"],
)  # fmt: skip
def test_a_curve(tmp_path, text):
    path = tmp_path / "curve.csv"
    path.write_text(text, "utf-8")
    wanted = Curve((0.0, 1.0, 2.5), (0.0, 1.0, 0.5))
    assert render_flags.parse_knob(parse(f"--curve={path}")) == Knob(wanted, "amount")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "holds no line"),
        (b"time,value\n", "holds no line"),
        (b"0,0\nx,1\n", "line 2"),
        (b"0,0,0\n", "line 1"),
        (b"0;0\n1,1\n", "line 2"),
        (b"1,0\n0,1\n", "rise"),
        (b"0,nan\n", "value 1"),
        (b"0,0\n1,11\n", "value 2"),
        (b"\xff\xfe0\x00", "UTF-8"),
        (b'"0,0\n' * 3 + b"\x00", "line|CSV"),
    ],
)
def test_a_curve_is_refused(tmp_path, data, word):
    path = tmp_path / "curve.csv"
    path.write_bytes(data)
    with pytest.raises(EffectError, match=word) as caught:
        render_flags.parse_knob(parse(f"--curve={path}"))
    assert "curve.csv" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--lfo=sine"], "--lfo: 'sine' is not WAVE"),
        (["--lfo=sine:x"], "--lfo"),
        (["--lfo=cosine:1"], "--lfo: .*sine, triangle"),
        (["--lfo=sine:1:0:nan"], "--lfo: .*high"),
        (["--follow=1"], "--follow: '1' is not LOW"),
        (["--follow=0:1:-1:1"], "--follow: .*attack"),
        (["--curve=nowhere.csv"], "--curve: nowhere.csv: there is no such file"),
        (["--amount=1", "--raw"], "--raw"),
        (["--amount=101"], "^--amount must be between 0 and 10: 101$"),
        (["--amount=50"], "10: 50; 1 is full turn, 50 % is --amount=0.5$"),
        ([], "^--amount: missing; give --amount=0.5 for half a turn"),
    ],
)
def test_a_knob_is_refused(flags, word):
    with pytest.raises(EffectError, match=word):
        render_flags.parse_knob(parse(*flags))


def test_sizes():
    assert render_flags.parse_settings(parse("--amount=1", "--size=2x5")).size == (2, 5)
    assert render_flags.parse_size("3") == (3, 3)
    for text in ("", "x", "2x", "1x2x3", "1.5"):
        with pytest.raises(EffectError, match="--size="):
            render_flags.parse_size(text)


def test_an_amount_beyond_full_turn_is_explained():
    [note] = load("--amount=1.5")[1]
    assert note.startswith("--amount=1.5 is more than full turn, which is 1: ")
    for flag in ("--control=1.5", "--amount=1", "--lfo=sine:1:0:2"):
        assert load(flag)[1] == []


def load(*flags):
    return render_flags.RenderRequest.parse(parse(*flags)).load()


def test_one_effect_or_one_between_several():
    bright = load_effect("bright")
    assert load("--amount=1") == (bright, [])
    two = ["--effect=bright", "--effect=published", "--amount=1"]
    found, notes = load(*two)
    assert found.name == "bright-50-published-50" and notes == []
    found, _ = load(*two, "--weights=3,1")
    assert found.name == "bright-75-published-25"
    _, notes = load("--effect=bright", "--effect=tones", "--amount=1")
    assert notes[0].startswith("tones was made for 8192 samples a frame")
    for flags in ([*two, "--weights=1"], [*two, "--weights=0,0"], [*two, "--weights=a"],
                  ["--amount=1", "--weights=1"]):  # fmt: skip
        with pytest.raises(EffectError, match="weights"):
            load(*flags)
