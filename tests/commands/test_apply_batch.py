"""Folders through the command line: runs, dry runs, reports, and runs that are cut."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from support.applying import (
    KINDS,
    outputs,
    run,
    snapshot,
    unmatched,
)
from support.sounds import noise, put, sound

from cak_jax.audio import sound_file
from cak_jax.commands import apply
from cak_jax.rendering.file import Rendering
from cak_jax.runtime import progress

ROOT = Path(__file__).parent.parent.parent


def test_a_folder_into_a_folder(drums, effect, capsys):
    before = snapshot(drums)
    assert run(effect, drums, output="out") == 0
    wanted = [
        *("out/a__small_c080.wav", "out/kick/b__small_c080.flac"),
        *("out/kick/d__small_c080.wav", "out/kick/deep/c__small_c080.aiff"),
    ]
    assert outputs("out") == sorted(wanted)
    out, err = capsys.readouterr()
    assert unmatched(out).splitlines() == [
        *("out/a__small_c080.wav", "out/kick/b__small_c080.flac"),
        *("out/kick/d__small_c080.wav", "out/kick/deep/c__small_c080.aiff"),
    ]
    assert err == ""
    assert snapshot(drums) == before
    # One by one they are the same files.
    assert run(effect, drums / "kick/deep/c.aiff", output="one.aiff") == 0
    assert Path("one.aiff").read_bytes() == Path(wanted[3]).read_bytes()
    assert run(effect, drums, output="kept", keep_names=True) == 0
    assert outputs("kept") == sorted(f"kept/{name}" for name in KINDS)


def test_beside_the_inputs_again_and_again(drums, effect, capsys):
    assert run(effect, drums) == 0
    first = snapshot(drums)
    assert len(first) == 2 * len(KINDS)
    capsys.readouterr()
    assert run(effect, drums) == 1
    note, *errors = capsys.readouterr().err.splitlines()
    assert note.startswith("note: 4 files skipped, written by earlier runs")
    assert len(errors) == 4 and all("add --overwrite" in line for line in errors)
    assert snapshot(drums) == first
    assert run(effect, drums, overwrite=True) == 0
    assert run(effect, drums, output="drums/out") == 0
    assert run(effect, drums, output="drums/out", overwrite=True) == 0
    assert len(outputs(drums)) == 3 * len(KINDS)
    for path in KINDS:
        (drums / path).unlink()
    capsys.readouterr()
    assert run(effect, drums) == 2
    note, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: all inputs are skipped; name files, or ")


def test_nothing_found_is_said_for_each_argument(drums, effect, capsys):
    Path("empty").mkdir()
    assert run(effect, "empty", "*.au") == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: empty: holds no sound files"
    assert second.startswith("error: *.au: no sound file matches")
    # Beside something that is found it is one failure among others.
    assert run(effect, "empty", "drums/a.wav", output="out/") == 1
    out, err = capsys.readouterr()
    assert unmatched(out) == "out/a__small_c080.wav\n"
    assert err == "error: empty: holds no sound files\n"


@pytest.mark.parametrize("options", [{}, {"output": "new/out"}, {"overwrite": True}])
def test_a_dry_run_says_what_the_run_does(drums, effect, options, capsys):
    (drums / "kick/text.wav").write_text("hello, this is no sound")
    if "output" not in options:
        (drums / "a__small_c080.wav").write_text("precious")
    before = snapshot(Path("."))
    code = run(effect, drums, dry_run=True, **options)
    dry, dry_errors = capsys.readouterr()
    assert snapshot(Path(".")) == before and not Path("new").exists()
    assert run(effect, drums, **options) == code == 1
    real, real_errors = capsys.readouterr()
    assert dry_errors == real_errors
    promised = dict(line.split("  (")[0].split(" -> ") for line in dry.splitlines())
    assert list(promised.values()) == unmatched(real).splitlines()
    assert all(os.path.isfile(path) for path in (*promised, *promised.values()))
    last = dry.splitlines()[-1]
    assert last.endswith("(AIFF PCM_16, 2 channels, 8000 Hz, 0.100 s)")


def test_a_dry_run_of_a_thousand_files(drums, effect, capsys):
    first = (drums / "a.wav").read_bytes()
    for number in range(1000):
        (drums / f"{number:04d}.wav").write_bytes(first)
    assert run(effect, drums, output="out", dry_run=True) == 0
    assert capsys.readouterr().out.count(" -> out/") == 1004
    assert not Path("out").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_folders_are_made_only_when_something_is_written(
    drums, effect, error, monkeypatch
):
    def fail(*arguments, **options):
        assert Path("new/out").is_dir()
        raise error

    Path("new").mkdir()
    monkeypatch.setattr(sound_file, "create", fail)
    assert run(effect, drums, output="new/out") in (1, 130)
    assert os.listdir("new") == []


def test_ctrl_c_in_the_middle(drums, effect, monkeypatch, capsys):
    original, calls = Rendering.measure, []

    def interrupted(self):
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(Rendering, "measure", interrupted)
    assert run(effect, drums, output="out", json="r.json") == 130
    out, err = capsys.readouterr()
    assert unmatched(out) == "out/a__small_c080.wav\n"
    assert err == "error: drums/kick/b.flac: stopped, not written\n"
    assert outputs("out") == ["out/a__small_c080.wav"] and len(calls) == 2
    counts = json.loads(Path("r.json").read_text())["counts"]
    assert counts == {"done": 1, "failed": 0, "skipped": 3, "planned": 0}


def test_ctrl_c_while_searching(drums, effect, monkeypatch, capsys):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(sound_file, "info", interrupted)
    assert run(effect, drums) == 130
    assert capsys.readouterr().err == "error: stopped\n"


def test_ctrl_c_from_outside(drums, effect):
    """A real signal: the process ends with 130 and leaves no unfinished file."""
    for number in range(300):
        put(drums, f"many/{number}.wav", noise(20_000, 2, number), subtype="PCM_16")
    command = [sys.executable, "-m", "cak_jax.apply", f"--effect={effect}"]
    process = subprocess.Popen(
        [*command, "--control=0.8", "--output=out", "drums"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    done = unmatched("".join(lines) + out).splitlines()
    assert process.returncode == 130
    assert err.startswith("error: ") and "stopped" in err and err.count("\n") == 1
    assert outputs("out") == sorted(done) and len(done) < 304
    for path in done:
        assert soundfile.info(path).frames in (800, 20_000)


def test_a_file_that_is_gone_when_its_turn_comes(drums, effect, monkeypatch, capsys):
    original = Rendering.measure

    def remove(self):
        (drums / "kick/b.flac").unlink(missing_ok=True)
        return original(self)

    monkeypatch.setattr(Rendering, "measure", remove)
    assert run(effect, drums, output="out") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: drums/kick/b.flac: cannot be opened (No such file")
    assert len(outputs("out")) == 3


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_the_time_left(drums, effect, monkeypatch, capsys):
    for number in range(3):
        put(drums, f"long/{number}.wav", sound(2.0), subtype="PCM_16")
    calls, call = [], progress.Bars.__call__
    monkeypatch.setattr(
        progress.Bars,
        "__call__",
        lambda self, *given: calls.append(given) or call(self, *given),
    )
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        assert run(effect, drums, output="out") == 0
    rendering = [given for given in calls if given[2] == apply.STAGE]
    # Seconds of sound, four of a tenth, then three of two; each in two passes.
    shown = [done for done, _, _ in rendering]
    assert shown == sorted(shown) and set(range(7)) <= set(shown)
    assert {total for _, total, _ in rendering} == {6}
    assert f"{apply.STAGE}:  67%" in terminal.getvalue()
    assert terminal.getvalue().split(apply.STAGE)[-1].rstrip().endswith(" left")
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_metadata_travel_along(drums, effect, capsys):
    path = drums / "tagged.wav"
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        file.title, file.artist = "Bell", "Someone"
        file.write(sound(0.2))
    other = drums / "tagged.mp3"
    with soundfile.SoundFile(other, "w", 44100, 1) as file:
        file.title = "Ring"
        file.write(sound(0.2, 44100))
    assert run(effect, path, output="out/") == 0
    assert run(effect, other, output="other/") == 0
    found = sound_file.tags("out/tagged__small_c080.wav")
    assert (found["title"], found["artist"]) == ("Bell", "Someone")
    assert sound_file.tags("other/tagged__small_c080.wav")["title"] == "Ring"
    data = bytearray(path.read_bytes())
    data[4:8] = (len(data) + 100).to_bytes(4, "little")
    path.write_bytes(data + b"\0\0\0\0")
    assert run(effect, path, output="noted/") == 0
    assert "damaged at byte" in capsys.readouterr().out.splitlines()[-1]


def test_hostile_names_in_a_folder(drums, effect, capsys):
    first = (drums / "a.wav").read_bytes()
    names = ["two\nlines.wav", "\U0001f941.wav", "-dash.wav", " .wav", "%s{0}*.wav"]
    names += [os.fsdecode(b"\xff\xfe.wav"), "n" * 230 + ".wav"]
    for name in names:
        (drums / "odd" / name).parent.mkdir(exist_ok=True)
        (drums / "odd" / name).write_bytes(first)
    os.mkfifo(drums / "odd" / "fifo.wav")
    (drums / "odd" / "folder.wav").mkdir()
    (drums / "odd" / ("n" * 251 + ".wav")).write_bytes(first)
    assert run(effect, drums / "odd", output="out") == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == len(outputs("out")) == len(names)
    errors = sorted(err.splitlines())
    assert len(errors) == 2
    assert "fifo.wav: is not a regular file" in errors[0]
    assert "File name too long" in errors[1]
    assert run(effect, drums / "odd", output="kept", keep_names=True) == 1
    assert len(outputs("kept")) == len(names) + 1
