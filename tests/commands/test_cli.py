"""The console script: it finds its commands and hands over arguments and codes."""

import configparser
import importlib
import os
import pathlib
import subprocess
import sys

import pytest
from support.applying import effect_file
from support.sounds import put, sound

from cak_jax.commands import cli

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.mark.parametrize("arguments", [[], ["trane"], ["--version"], [""], ["Apply"]])
def test_no_such_command(arguments, capsys):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    wanted = [f"error: {arguments[0]}: no such command"] if arguments else []
    assert out == "" and lines[: len(wanted)] == wanted
    assert lines[len(wanted)] == "usage: cak COMMAND ..."


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command(flag, capsys):
    assert cli.main([flag]) == 0
    usage, *lines = capsys.readouterr().out.splitlines()
    assert usage == "usage: cak COMMAND ..."
    assert [line.split()[1] for line in lines] == list(cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_a_command_gets_its_arguments_and_gives_its_code(name, code, monkeypatch):
    module = importlib.import_module(f"cak_jax.commands.{name.replace('-', '_')}")
    seen = []
    monkeypatch.setattr(module, "main", lambda given: seen.append(given) or code)
    given = ["--flag=1", "-h", "train", "a b"]
    assert cli.main([name, *given]) == code
    monkeypatch.setattr(sys, "argv", ["cak", name])
    assert cli.main() == code
    assert seen == [given, []]


def test_apply_help_leaves_with_0(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["apply", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for flag in ("--effect", "--control", "--mode", "--output", "--overwrite"):
        assert flag in text


def test_apply_without_inputs_leaves_with_2(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["apply", "--effect=e.json", "--control=0"])
    assert caught.value.code == 2 and "IN" in capsys.readouterr().err


def test_train_help(capsys):
    assert cli.main(["train", "--help"]) == 0
    assert "--workdir" in capsys.readouterr().out


def test_apply_from_end_to_end(tmp_path):
    source = put(tmp_path, "x.wav", sound(0.1), subtype="PCM_16")
    effect = effect_file(tmp_path)
    command = [sys.executable, "-m", "cak_jax", "apply", f"--effect={effect}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--control=0", source, tmp_path / "missing.wav"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    output = tmp_path / "x__small_c000.wav"
    assert (done.returncode, done.stdout) == (1, f"{output}\n")
    assert done.stderr.startswith(f"error: {tmp_path / 'missing.wav'}: ")
    assert done.stderr.count("\n") == 1
    assert output.read_bytes() == source.read_bytes()


def test_the_console_script_is_this_one():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    scripts = settings["options.entry_points"]["console_scripts"].split("\n")
    assert scripts == ["", f"cak = {cli.__name__}:{cli.script.__name__}"]
