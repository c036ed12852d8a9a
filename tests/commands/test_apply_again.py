"""Batches that are stopped and started again, and sounds through `-`."""

import io
import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.applying import outputs, run, said, snapshot
from support.sounds import put, sound

from cak_jax.audio import sound_file
from cak_jax.rendering.file import Rendering
from cak_jax.runtime.signals import SIGNALS


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_whole_files_and_the_rest_is_done_later(
    drums, effect, number, monkeypatch, capsys
):
    original, calls = Rendering.blocks, []

    def interrupted(self, *gains):
        calls.append(self)
        for part in original(self, *gains):
            yield part
            # While the second file is being written.
            if len(calls) == 2:
                assert any(".partial" in name for name in outputs("out"))
                signal.raise_signal(number)
                self.progress(0)

    with monkeypatch.context() as patch:
        patch.setattr(Rendering, "blocks", interrupted)
        assert run(effect, drums, output="out", json="r.json") == 128 + number
    assert outputs("out") == ["out/a__small_c080.wav"]
    assert "kick/b.flac: stopped, not written" in capsys.readouterr().err
    first = snapshot(Path("out"))
    for _ in range(2):
        assert run(effect, drums, output="out", skip_existing=True) == 0
    assert len(outputs("out")) == 4
    assert snapshot(Path("out")).items() >= first.items()
    assert "note: 4 files skipped, rendered before" in capsys.readouterr().err


def test_a_folder_rendered_in_place_and_then_elsewhere(drums, effect, capsys):
    assert run(effect, drums) == 0
    assert run(effect, drums, output="other") == 0
    assert len(outputs("other")) == 4
    assert "4 files skipped, written by earlier runs" in capsys.readouterr().err
    # The outputs alone are sounds like others.
    for path in drums.rglob("*__*"):
        path.rename(Path("other") / f"moved {path.name}")
    for name in outputs("other"):
        if "moved" not in name:
            os.unlink(name)
    assert run(effect, "other", output="third") == 0
    assert len(outputs("third")) == 4


def test_flags_that_contradict_each_other(drums, effect, capsys):
    assert run(effect, drums, skip_existing=True, overwrite=True) == 2
    assert said(capsys) == "--skip-existing and --overwrite: give one of them"
    assert run(effect, drums, name="{stem}", keep_names=True, output="x/") == 2
    assert said(capsys) == "--name and --keep-names: give one of them"
    assert run(effect, drums, name="{stem}") == 1  # would replace the inputs
    assert "the output is the input itself" in capsys.readouterr().err


def test_another_format_keeps_the_tags(drums, effect):
    with soundfile.SoundFile(drums / "t.flac", "w", 8000, 1, "PCM_24") as file:
        file.title = "Bell"
        file.write(sound(0.2))
    assert run(effect, drums / "t.flac", format="wav", control="0") == 0
    path = drums / "t__small_c000.wav"
    assert sound_file.tags(path)["title"] == "Bell"
    before, _ = sound_file.read(drums / "t.flac")
    np.testing.assert_array_equal(sound_file.read(path)[0], before)


class Pipe(io.BytesIO):
    def isatty(self):
        return False


def piped(monkeypatch, data: bytes) -> io.TextIOWrapper:
    """Pipe bytes into standard input; return what standard output receives."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    stdin = types.SimpleNamespace(buffer=Pipe(data), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stdout", out)
    return out


def test_standard_input_to_standard_output(drums, effect, monkeypatch, capsys):
    data = (drums / "a.wav").read_bytes()
    before = snapshot(Path("."))
    with monkeypatch.context() as patch:
        out = piped(patch, data)
        assert run(effect, "-", control="0") == 0
    wanted, _ = sound_file.read(drums / "a.wav")
    Path("x.wav").write_bytes(out.buffer.getvalue())
    np.testing.assert_array_equal(sound_file.read("x.wav")[0], wanted)
    os.unlink("x.wav")
    assert snapshot(Path(".")) == before
    # In to a file, and a file out.
    with monkeypatch.context() as patch:
        piped(patch, data)
        assert run(effect, "-", output="in.wav", dither="none") == 0
    with monkeypatch.context() as patch:
        out = piped(patch, b"")
        assert run(effect, drums / "a.wav", output="-", dither="none") == 0
    assert out.buffer.getvalue() == Path("in.wav").read_bytes()


def test_what_a_stream_cannot_be(drums, effect, monkeypatch, capsys):
    for inputs, options, words in (
        (["-", drums], {}, "-: stands for one sound; leave the other inputs out"),
        (["-"], {"json": "-"}, "--json=-: the sound goes to standard output"),
    ):
        assert run(effect, *inputs, **options) == 2
        assert said(capsys).startswith(words)
    with monkeypatch.context() as patch:
        out = piped(patch, b"no sound")
        assert run(effect, "-") == 1
    assert out.buffer.getvalue() == b""
    assert "standard input: is not an audio file" in capsys.readouterr().err


@pytest.mark.slow
def test_it_works_in_a_pipe(drums, effect):
    command = [sys.executable, "-m", "cak_jax.apply", f"--effect={effect}"]
    with open(drums / "a.wav", "rb") as file:
        done = subprocess.run(
            [*command, "--control=0", "--format=flac", "-", "--json=r.json"],
            stdin=file,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert done.returncode == 0, done.stderr
    wanted, _ = sound_file.read(drums / "a.wav")
    put(Path("."), "y", sound(0.1))
    Path("x.flac").write_bytes(done.stdout)
    np.testing.assert_array_equal(sound_file.read("x.flac")[0], wanted)
    assert json.loads(Path("r.json").read_text())["counts"]["done"] == 1
