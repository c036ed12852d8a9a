"""Live: what cannot be played is one line and the right code; the line on a screen."""

import io
import sys
import types

import numpy as np
import pytest
from support.applying import effect_file, said
from support.plain_render import RATE, SMALL, noise
from support.sound_devices import Card, device
from support.sounds import put

from cak_jax.apps.live import player, session as live_session
from cak_jax.apps.live.session import Session, StatusLine
from cak_jax.audio import sound_file
from cak_jax.audio.formats import AudioError
from cak_jax.commands import live
from cak_jax.rendering.knob import Knob


@pytest.fixture
def card(monkeypatch):
    """Put a fake module in the place of sounddevice."""
    fake = Card(device("Cheap Card"), device("Dear Card", inputs=0, outputs=8))
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(live_session, "LOOK_SECONDS", 0.0)
    return fake


@pytest.fixture
def sound(tmp_path):
    return str(put(tmp_path, "x.wav", noise(2, 1611, level=0.02).T))


@pytest.fixture
def flags(tmp_path):
    effect = effect_file(tmp_path, SMALL)
    return [f"--effect={effect}", "--control=0.7", "--block-size=64", "--match=0"]


WRONG = [
    (["--control=nan"], "--control must be between 0 and 10"),
    (["--control=-1"], "--control must be"),
    (["--block-size=8"], "--block-size must be between 16 and 16384"),
    (["--block-size=99999"], "--block-size must be"),
    (["--match=-1"], "--match must be between 0 and 600"),
    (["--match=inf"], "--match must be"),
    (["--mix=2"], "--mix must be"),
    (["--tilt=nan"], "--tilt must be"),
    (["--size=x"], "--size=x: must be one whole number, or two"),
    (["--size=1x2x3"], "--size=1x2x3: must be"),
    (["--size="], "--size=: must be"),
    (["--size=17"], "--size must be a whole number from 1 to 16"),
    (["--weights=1,2"], "--weights: there is one effect"),
    (["--effect=bright", "--weights=1"], "weights must be one for each of 2, got 1"),
    (["--effect=bright", "--weights=a,b"], "--weights=a,b: must be numbers"),
    (["--effect=nothing"], "nothing: there is no such file, and no effect"),
    (["--input-device=0"], "--input-device: the sound is FILE"),
    (["--device=7"], "--device=7: there is no such device; --list-devices"),
    (["--device=Loud"], "--device=Loud: no output device fits; --list-devices"),
    (["--device=Card"], "--device=Card: several output devices fit; --list"),
    (["--device="], "--device=: several output devices fit"),
]


@pytest.mark.parametrize(("more", "words"), WRONG, ids=str)
def test_wrong_arguments(card, sound, flags, capsys, more, words):
    assert live.main([sound, *flags, *more]) == 2
    assert said(capsys).startswith(words)
    assert card.streams == []


def test_wrong_arguments_without_a_file(card, flags, capsys):
    assert live.main([*flags, "--loop"]) == 2
    assert said(capsys).startswith("--loop: there is no FILE")
    assert live.main([*flags, "--input-device=1"]) == 2
    assert said(capsys).startswith("--input-device=1: is no input device")
    card.rates = ()
    assert live.main(flags) == 2
    assert "Cheap Card: does not run at 8000 Hz: choose another" in said(capsys)


def test_what_must_be_given(flags, sound, capsys):
    assert live.main([flags[0], sound]) == 2
    assert said(capsys).startswith("--amount: missing")
    assert live.main([*flags[1:], sound]) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("error: --effect: missing")
    assert last == f"cak live --effect=bright --amount=0.5 {sound}"


FILES = [
    ("absent.wav", None, "cannot be opened (No such file or directory)"),
    ("text.wav", b"hello, this is no sound at all" * 9, "is not an audio file"),
    ("torn.flac", b"fLaC" + bytes(100), "cannot be decoded"),
]


@pytest.mark.parametrize(("name", "content", "words"), FILES)
def test_files_that_are_none(card, tmp_path, flags, capsys, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert live.main([str(path), *flags]) == 2
    assert said(capsys).startswith(f"{path}: {words}")


@pytest.mark.parametrize("more", [[], ["--loop"]])
def test_a_file_without_samples(card, tmp_path, flags, capsys, more):
    path = put(tmp_path, "x.wav", noise(0, 2))
    assert live.main([str(path), *flags, *more]) == 2
    assert said(capsys) == f"{path}: holds no sound; choose another file"
    assert card.streams == []


def test_damage_before_the_first_sample(card, sound, flags, capsys, monkeypatch):
    def damaged(path, frames, note):
        raise AudioError(path, "is damaged (here)")
        yield

    monkeypatch.setattr(sound_file, "blocks", damaged)
    assert live.main([sound, *flags]) == 2
    assert said(capsys) == f"{sound}: is damaged (here)"


def test_a_device_that_does_not_take_the_file(card, tmp_path, sound, flags, capsys):
    card.rates = (12000,)
    assert live.main([sound, *flags]) == 2
    wanted = "Cheap Card: does not run at 8000 Hz: choose another --device, or convert"
    assert said(capsys).startswith(wanted)
    wide = put(tmp_path, "six.wav", noise(100, 6))
    assert live.main([str(wide), *flags]) == 2
    assert said(capsys).startswith("Cheap Card: has 2 channels, the sound 6: choose")
    card.all[0] |= {"rates": (8000,), "refuses": (2,)}
    assert live.main([sound, *flags]) == 2
    assert said(capsys).startswith("Cheap Card: does not run with 2 channels: choose")
    card.all[0] |= {"refuses": (), "busy": True}
    assert live.main([sound, *flags]) == 2
    assert said(capsys).startswith("Cheap Card: cannot be used (Device unavailable")


@pytest.mark.parametrize("named", ["Dear", "1", "Dear Card"])
def test_a_device_by_name_or_number(card, sound, flags, named):
    assert live.main([sound, *flags, f"--device={named}"]) == 0
    assert [stream["device"] for stream in card.streams] == [1]


def test_no_device(monkeypatch, sound, flags, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", Card())
    assert live.main([sound, *flags]) == 2
    assert said(capsys).startswith("there is no output device; connect one")
    assert live.main(flags) == 2
    assert said(capsys).startswith("there is no input device; connect one")
    with pytest.raises(SystemExit) as caught:
        live.main(["--list-devices"])
    assert caught.value.code == 2
    assert said(capsys).startswith("there is no sound device; connect one")


MODULES = [
    (None, "live sound needs the package sounddevice: pip install"),
    ("raise OSError('PortAudio library not found')", "live sound needs the library"),
    (
        "raise RuntimeError('Error initializing: x.\\ny')",
        "PortAudio does not start (Error initializing: x. y)",
    ),
]


@pytest.mark.parametrize(("source", "words"), MODULES)
def test_no_sounddevice(monkeypatch, tmp_path, sound, flags, capsys, source, words):
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    if source is None:
        monkeypatch.setitem(sys.modules, "sounddevice", None)
    else:
        (tmp_path / "sounddevice.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
    assert live.main([sound, *flags]) == 2
    assert said(capsys).startswith(words)


def test_the_list_of_devices(card, capsys):
    with pytest.raises(SystemExit) as caught:
        live.main(["--list-devices"])
    assert caught.value.code == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["number", "in", "out", "Hz", "name"]
    assert first.split() == ["0", "2", "2", "8000", "Cheap", "Card,", "Fake",
                             "(default", "input,", "default", "output)"]  # fmt: skip
    assert second.split() == ["1", "0", "8", "8000", "Dear", "Card,", "Fake"]


def failed(code, capsys):
    """Return the error of something that had begun to play."""
    assert code == 1
    out, err = capsys.readouterr()
    assert "played" in out.splitlines()[-1] and err.count("\n") == 1
    return err


def test_a_device_that_goes_away(card, sound, flags, capsys):
    card.stops_after = 7
    error = failed(live.main([sound, *flags]), capsys)
    assert error.startswith("error: the sound device stopped")


def test_a_device_that_breaks(card, sound, flags, capsys):
    card.breaks = True
    error = failed(live.main([sound, *flags]), capsys)
    assert error.startswith("error: Internal PortAudio error")


def test_a_device_that_falls_asleep(card, sound, flags, capsys, monkeypatch):
    card.stalls = True
    monkeypatch.setattr(live_session, "PATIENCE_SECONDS", -1.0)
    error = failed(live.main([sound, *flags]), capsys)
    assert error.startswith("error: the sound device asks for no more sound")


def test_rendering_that_fails(card, sound, flags, capsys, monkeypatch):
    def fill(self, heard):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(player.Player, "_next", fill)
    assert failed(live.main([sound, *flags]), capsys) == "error: out of memory\n"
    assert not np.concatenate(card.played).any()


def test_ctrl_c(card, sound, flags, capsys):
    def interrupt(number):
        if number == 5:
            raise KeyboardInterrupt

    card.during = interrupt
    assert live.main([sound, *flags]) == 130
    assert capsys.readouterr().err == "error: stopped\n"


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_the_line_on_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "21")
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    with StatusLine() as status:
        status.show(lambda: "knob 0.80  load 10% (20%)")
        status.show(lambda: "knob 0.85")
    assert screen.getvalue() == "\rknob 0.80  load 10% \x1b[K\rknob 0.85\x1b[K\n"


@pytest.mark.parametrize("screen", [None, io.StringIO()])
def test_no_line_without_a_terminal(monkeypatch, screen):
    monkeypatch.setattr(sys, "stdout", screen)
    with StatusLine() as status:
        status.show(lambda: 1 / 0)
    assert screen is None or screen.getvalue() == ""


def test_the_line_says_all_of_it():
    turned = []
    stream = types.SimpleNamespace(
        sample_rate=RATE, block_size=64, knob=Knob(0.8, "amount"),
        set_knob=lambda **knob: turned.append(knob),
    )  # fmt: skip
    shown = types.SimpleNamespace(
        bypass=False, leaving=False, latency=400, load=0.123, worst=0.5, underruns=2,
        limited=0, repaired=0, blocks=1000, take_peak=lambda: 0.5,
    )  # fmt: skip
    session = Session(stream, shown)
    assert session.line() == ("knob 0.80  load 12% (50%)  underruns 2  "
                              "peak -6.0 dBFS  latency 400 (50.0 ms)")  # fmt: skip
    shown.limited, shown.repaired, shown.take_peak = 3, 4, lambda: 0.0
    assert "peak -6.0 dBFS" in session.line()  # no block since
    shown.blocks = 1001
    for key in ["up", "+", "B", "left", "?"]:
        session.press(key)
    assert session.line() == ("knob 0.90 dry  load 12% (50%)  underruns 2  peak silent"
                              "  limited 3  bad samples 4  latency 400 (50.0 ms)"
                              )  # fmt: skip
    assert session.summary() == ("played 8.0 s  load 12% (at most 50%)  underruns 2  "
                                 "limited 3  bad samples 4")  # fmt: skip
    for key in ["0", "down", "7", "b", "q"]:
        session.press(key)
    assert turned == [{"amount": a} for a in (0.85, 0.9, 0.0, 0.0, 0.7)]
    assert shown.leaving and not shown.bypass
    session.knob = Knob(9.98, "amount")
    session.press("=")
    assert turned[-1] == {"amount": 10.0}
