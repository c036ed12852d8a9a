"""What cannot be done is one line on stderr, an exit code, and no trace on disk."""

import dataclasses
import os
import resource

import numpy as np
import pytest
import soundfile
from support.applying import EFFECT, effect_file, run, snapshot
from support.sounds import noise, put, sound

from cak_jax.commands import apply
from cak_jax.effect import effect as effect_lib, locate
from cak_jax.rendering.file import Rendering
from cak_jax.rendering.settings import MODES


@pytest.fixture
def source(tmp_path):
    return put(tmp_path, "x.wav", sound(0.3, channels=2), subtype="PCM_16")


def bad_inputs(folder):
    """Make files that are no sound; what is said of each."""
    (folder / "text.wav").write_text("hello, this is not audio at all")
    (folder / "page.mp3").write_text("<!doctype html><html></html>")
    (folder / "archive.wav").write_bytes(b"PK\x03\x04" + bytes(200))
    (folder / "empty.wav").touch()
    (folder / "folder.wav").mkdir()
    os.mkfifo(folder / "fifo.wav")
    (folder / "loop.wav").symlink_to("loop.wav")
    good = put(folder, "whole.flac", noise(5000), format="FLAC", subtype="PCM_16")
    (folder / "truncated.flac").write_bytes(good.read_bytes()[:9000])
    riff = put(folder, "whole.wav", noise(500), subtype="PCM_16").read_bytes()
    (folder / "header.wav").write_bytes(riff[:20])
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        put(folder, f"{name}.wav", np.r_[noise(99, 1)[:, 0], value])
    put(folder, "loud.wav", noise(500) * 1e300, subtype="DOUBLE")
    return {
        "missing.wav": "No such file",
        "text.wav": "is not an audio file",
        "page.mp3": "is not an audio file",
        "archive.wav": "is not an audio file",
        "empty.wav": "it is empty",
        "folder.wav": "holds no sound files",
        "fifo.wav": "not a regular file",
        "loop.wav": "symbolic links",
        "truncated.flac": "is damaged",
        "header.wav": "cannot be decoded",
        "nan.wav": "NaN",
        "infinite.wav": "NaN or infinite",
        "loud.wav": "too loud",
    }


@pytest.mark.parametrize("mode", MODES)
def test_bad_inputs_are_named_and_the_rest_is_done(tmp_path, effect, mode, capsys):
    folder = tmp_path / "sounds"
    first, last = (put(folder, n, sound(0.2)) for n in ("first.wav", "last.wav"))
    said = bad_inputs(folder)
    before = snapshot(tmp_path)
    inputs = [first, *(folder / name for name in said), last]
    assert run(effect, *inputs, mode=mode) == 1
    errors = capsys.readouterr().err.splitlines()
    for name, line in zip(said, errors, strict=True):
        assert line.startswith(f"error: {folder / name}: ") and said[name] in line
    after = snapshot(tmp_path)
    done = [os.fsencode(folder / f"{n}__small_c080.wav") for n in ("first", "last")]
    assert sorted(after.keys() - before.keys()) == done
    assert {path: after[path] for path in before} == before


def test_each_bad_input_fails_alone(tmp_path, effect, capsys):
    said = bad_inputs(tmp_path)
    # Control 0 changes nothing, so that loudness is no hindrance; NaN still is.
    assert run(effect, tmp_path / "loud.wav", control="0") == 0
    for name in said.keys() - {"loud.wav"}:
        # A file fails; a folder without sounds leaves nothing to be done.
        code = 2 if name == "folder.wav" else 1
        assert run(effect, tmp_path / name, control="0") == code
        assert capsys.readouterr().err.count("\n") == 1


def test_a_name_with_a_newline_is_one_line(tmp_path, effect, capsys):
    assert run(effect, tmp_path / "a\nb.wav") == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert run(str(tmp_path / "a\nb.json"), tmp_path / "x.wav") == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "control", ["nan", "inf", "-inf", "-1", "-1e-9", "11", "1e999"]
)
def test_a_control_is_refused(tmp_path, effect, source, control, capsys):
    before = snapshot(tmp_path)
    assert run(effect, source, control=control) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --control must be between 0 and 10")
    assert snapshot(tmp_path) == before


def test_cells_too_far_apart_are_refused_before_any_work(tmp_path, source, capsys):
    effect = effect_file(tmp_path, dataclasses.replace(EFFECT, spacing=(4, 5)))
    before = snapshot(tmp_path)
    assert run(effect, source, size="13x1") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        "error: spacing times size must be at most 64 frames: the effect's spacing is "
        "5 and size is 13; use a smaller size"
    )
    assert snapshot(tmp_path) == before
    assert run(effect, source, size="12x16") == 0


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--control=abc"], "--control"),
        (["--control=0,8,1"], "--control"),
        (["--control="], "--control"),
        (["--control=1", "--mode=wet"], "--mode"),
        (["--control=1", "--loudness=peak"], "--loudness"),
        (["--control=1", "--channels=left"], "--channels"),
        (["--control=1", "--over"], "--over"),
        (["--contr=1"], "--control"),
    ],
)
def test_a_flag_is_refused(effect, source, flags, word, capsys):
    with pytest.raises(SystemExit) as caught:
        apply.main([f"--effect={effect}", *flags, str(source)])
    err = capsys.readouterr().err
    assert caught.value.code == 2 and word in err and err.count("\n") == 2


def test_without_an_effect_they_are_listed_with_a_command_to_go_on(capsys):
    assert apply.main(["a b.wav"]) == 2
    out, err = capsys.readouterr()
    first, heading, *listed, last = err.splitlines()
    assert out == "" and first.startswith("error: --effect: missing; name one")
    assert heading.startswith("name ")
    assert [line.split()[0] for line in listed] == locate.names()
    assert last == "cak apply --effect=bright --amount=0.5 'a b.wav'"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "no such file"),
        (b"", "JSON"),
        (b"[]", "list"),
        (b"\xff\xfe{\0}\0", "UTF-8"),
        (b'{"format": "cak-effect", "version": 1}', "name is missing"),
        (b" " * 2_000_000, "larger"),
    ],
)
def test_an_effect_is_refused(tmp_path, source, content, word, capsys):
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    before = snapshot(tmp_path)
    assert run(str(path), source) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: ")
    assert word in line
    assert snapshot(tmp_path) == before


def test_an_effect_named_too_long_or_a_folder(tmp_path, source, capsys):
    for path in ("x" * 300, str(tmp_path), ""):
        assert run(path, source) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_outputs_that_collide(tmp_path, effect, source, capsys):
    other = put(tmp_path / "b", "x.wav", sound(0.1), subtype="PCM_16")
    folder = tmp_path / "out"
    folder.mkdir()
    for options in (
        {"output": tmp_path / "y.wav"},
        {"output": "n" * 300},
    ):
        assert run(effect, source, other, overwrite=True, **options) == 2
        assert "error: " in capsys.readouterr().err
    assert run(effect, source, output="") == 2
    assert "--output: is empty" in capsys.readouterr().err
    # Both would become out/x.wav__small_c080.wav.
    before = snapshot(tmp_path)
    assert run(effect, source, other, output=folder, overwrite=True) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("would become " in line for line in lines)
    assert snapshot(tmp_path) == before
    assert not os.listdir(folder)


def test_an_output_does_not_replace_another_input(tmp_path, effect, source, capsys):
    earlier = put(tmp_path, "x__small_c080.wav", sound(0.1))
    kept = earlier.read_bytes()
    assert run(effect, source, earlier, overwrite=True) == 1
    assert f"{earlier} is another input" in capsys.readouterr().err
    assert earlier.read_bytes() == kept
    assert (tmp_path / "x__small_c080__small_c080.wav").is_file()


def test_an_existing_output_is_kept_until_told_otherwise(
    tmp_path, effect, source, capsys
):
    output = tmp_path / "x__small_c080.wav"
    output.write_bytes(b"precious")
    before = snapshot(tmp_path)
    assert run(effect, source) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert snapshot(tmp_path) == before
    assert run(effect, source, overwrite=True) == 0
    assert soundfile.info(output).frames == 2400


def test_the_input_is_never_the_output(tmp_path, effect, source, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "soft.wav").symlink_to(source)
    (tmp_path / "hard.wav").hardlink_to(source)
    (tmp_path / "here").symlink_to(tmp_path)
    before = snapshot(tmp_path)
    outputs = ("x.wav", "./x.wav", "effects/../x.wav", "soft.wav", "hard.wav")
    for output in (*outputs, "here/x.wav", source):
        for flags in ({}, {"overwrite": True}):
            assert run(effect, source, output=output, **flags) == 1
            assert "is the input itself" in capsys.readouterr().err
    assert run(effect, "soft.wav", output="x.wav", overwrite=True) == 1
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("output", "word"),
    [
        ("missing/y.wav", "does not exist"),
        ("x.wav/y.wav", "does not exist"),
        ("y.flac", "ends in .wav"),
        ("y.xyz", "ends in .wav"),
        ("y", "ends in .wav"),
        ("y.wav.", "ends in .wav"),
        ("/dev/null", "exists"),
        ("link.wav", "exists"),  # it leads nowhere, but it is there
    ],
)
def test_an_output_is_refused_before_the_work(
    tmp_path, effect, source, output, word, monkeypatch, capsys
):
    monkeypatch.setattr(Rendering, "measure", None)
    (tmp_path / "link.wav").symlink_to("nowhere")
    before = snapshot(tmp_path)
    assert run(effect, source, output=tmp_path / output) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {source}: ") and word in line
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder(tmp_path, effect, source, capsys):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    assert run(effect, source, output=folder) == 1
    assert "cannot be written to" in capsys.readouterr().err


def test_a_name_that_gets_too_long(tmp_path, effect, capsys):
    source = put(tmp_path, "n" * 251 + ".wav", sound(0.1))
    assert run(effect, source) == 1
    assert "too long" in capsys.readouterr().err
    assert run(effect, source, output=tmp_path / "short.wav") == 0


def test_a_disk_that_fills_leaves_nothing(tmp_path, effect, source, capsys):
    before = snapshot(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        code = run(effect, source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1 and "cannot be written" in capsys.readouterr().err
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_no_memory_and_ctrl_c(tmp_path, effect, source, error, monkeypatch, capsys):
    other = put(tmp_path, "y.wav", sound(0.1))
    original, calls = Rendering.measure, []

    def once(self):
        calls.append(self)
        if len(calls) == 1:
            raise error
        return original(self)

    monkeypatch.setattr(Rendering, "measure", once)
    interrupted = error is KeyboardInterrupt
    assert run(effect, source, other) == (130 if interrupted else 1)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {source}: ")
    assert (tmp_path / "y__small_c080.wav").exists() != interrupted
    assert not (tmp_path / "x__small_c080.wav").exists()


def test_an_effect_that_is_valid_is_not_refused(tmp_path, source):
    # The opposite of the cases above, from the same helper.
    changed = dataclasses.replace(EFFECT, name="other", extra={"future": 1})
    assert run(effect_file(tmp_path, changed), source) == 0
    assert effect_lib.load_effect(tmp_path / "effects/effect.json") == changed
