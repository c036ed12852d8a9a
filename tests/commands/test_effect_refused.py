"""`cak effect`: what it refuses, in one line, and what it never replaces."""

import os

import pytest
from support.applying import effect_file, said, snapshot

from cak_jax.commands import cli
from cak_jax.effect import locate, text_code
from cak_jax.runtime import files

CODE = text_code.encode(locate.read("published"))


def call(*arguments):
    return cli.main(["effect", *map(os.fspath, arguments)])


BAD = [
    (["morph", "bright", "--output=@"], "a morph takes 2 to 16 effects, got 1"),
    (
        ["morph", *["bright"] * 17, "--output=@"],
        "a morph takes 2 to 16 effects, got 17",
    ),
    (["morph", "bright", "tones", "--weights=1", "--output=@"], "weights must be one"),
    (
        ["morph", "bright", "tones", "--weights=1,-1", "--output=@"],
        "weights must be fin",
    ),
    (
        ["morph", "bright", "tones", "--weights=nan,1", "--output=@"],
        "weights must be f",
    ),
    (
        ["morph", "bright", "tones", "--weights=0,0", "--output=@"],
        "weights must not all",
    ),
    (
        ["morph", "bright", "tones", "--weights=1;1", "--output=@"],
        "--weights=1;1: must",
    ),
    (
        ["morph", "bright", "tones", "--weights=", "--output=@"],
        "--weights=: must be num",
    ),
    (
        ["morph", "bright", "tones", "--name=", "--output=@"],
        "--name: name must be 1 to",
    ),
    (
        ["morph", "bright", "tones", "--name=a\nb", "--output=@"],
        "--name: name must be 1",
    ),
    (
        ["morph", "bright", "tonse", "--output=@"],
        "tonse: there is no such file, and no",
    ),
    (["morph", "bright", "no.json", "--output=@"], "no.json: there is no such file; g"),
    (["morph", "bright", "tones", "--output="], "--output: is empty; name a file"),
    (["morph", "bright", "tones", "--output=@/x/y"], "--output=@/x/y: the folder does"),
    (["convert", "bright", "--to=json", "--output=/"], "--output=/: is a folder"),
    (
        ["convert", "bright", "--to=json", "--output=@.wav"],
        "--output=@.wav: would take",
    ),
    (
        ["convert", "bright", "--to=json", "--overwrite"],
        "--overwrite: there is no --ou",
    ),
    (["convert", "bright", "--to=code", "--name=x"], "--name: a text code holds no na"),
    (
        ["convert", "bright", "--to=json", "--name=\x1b"],
        "--name: name must be 1 to 200",
    ),
    (["convert", "cak1x", "--to=json"], "cak1x: is a damaged text code: it has 5 char"),
    (["show", CODE[:-1]], "cak1ozKFPY5y8j3p...: is a damaged text code: it has 115"),
    (["show", "brigh"], "brigh: there is no such file, and no effect of that name"),
]


@pytest.mark.parametrize("arguments, words", BAD, ids=lambda value: str(value)[:40])
def test_what_is_refused_is_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    assert said(capsys).startswith(words)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [[], ["shown"], ["show"], ["show", "bright", "tones"], ["show", "bright", "--js"],
     ["validate"], ["morph", "bright", "tones"], ["convert", "bright"],
     ["convert", "bright", "--to=xml"], ["morph", "--out=x", "bright", "tones"]],
    ids=str,
)  # fmt: skip
def test_wrong_arguments_leave_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        call(*arguments)
    assert caught.value.code == 2 and capsys.readouterr().out == ""


def test_nothing_is_overwritten_unasked(tmp_path, capsys):
    path = effect_file(tmp_path)
    other = tmp_path / "other.json"
    other.write_text("mine")
    before = snapshot(tmp_path)
    for arguments in (
        ["morph", path, "bright", f"--output={other}"],
        ["convert", path, "--to=json", f"--output={other}"],
        # An input never, however it is called.
        ["convert", path, "--to=code", f"--output={path}", "--overwrite"],
        ["morph", "bright", os.path.dirname(path), f"--output={path}", "--overwrite"],
        ["convert", "bright", "--to=code", f"--output={locate.find('bright')}",
         "--overwrite"],
    ):  # fmt: skip
        assert call(*arguments) == 2
        line = said(capsys)
        assert line.endswith("add --overwrite to replace it") or "input" in line
    assert snapshot(tmp_path) == before
    assert call("convert", path, "--to=code", f"--output={other}", "--overwrite") == 0
    assert other.read_text().startswith("cak1")


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch, capsys):
    target = tmp_path / "x.json"
    target.write_text("mine")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    flags = [f"--output={target}", "--overwrite"]
    assert call("convert", "bright", "--to=json", *flags) == 1
    assert said(capsys) == f"{target}: No space left on device"
    assert target.read_text() == "mine" and os.listdir(tmp_path) == ["x.json"]
