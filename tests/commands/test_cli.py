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

import cak_jax
from cak_jax.commands import cli

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("name", "hint"),
    [("trane", "did you mean train?"), ("Apply", "did you mean apply?"),
     ("--verson", "one of train, rate, apply"), ("", "one of train, rate, apply")],
)  # fmt: skip
def test_no_such_command(name, hint, capsys):
    assert cli.main([name]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"error: {name}: there is no such command; {hint}")


def test_without_a_command_the_help_is_printed(capsys):
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("usage: cak COMMAND ...\n")


def test_the_version_is_that_of_the_package(capsys):
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"cak_jax {cak_jax.__version__}\n"
    declared = settings["metadata"]["version"]
    assert declared in (cak_jax.__version__, "attr: cak_jax.__version__")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command(flag, capsys):
    assert cli.main([flag]) == 0
    usage, *lines, last = capsys.readouterr().out.splitlines()
    assert usage == "usage: cak COMMAND ..." and "cak --version" in last
    assert [line.split()[1] for line in lines] == list(cli.COMMANDS)


FORGIVEN = [
    (["--effct=x", "a"], "--effct: there is no such flag; did you mean --effect?"),
    (["a", "-mix=1"], "-mix: there is no such flag; did you mean --mix?"),
    (["a", "--effect=x", "--zzz"], "--zzz: there is no such flag"),
    (["a", "--effect=x", "--mix=loud"], "--mix: loud is no number, such as 0.5"),
    (["a", "--effect=x", "--mix=1,000"],
     "--mix: 1,000 can be read in two ways; write 1.000 or 1000"),
    (["a", "--effect=x", "--count=1.5"], "--count: must be a whole number; got 1.5"),
    (["a", "--effect=x", "--mode=slwo"],
     "--mode: must be one of fast, slow; got slwo; did you mean slow?"),
    (["a"], "--effect: missing"),
    (["a", "--effect"], "--effect: expected one argument"),
]  # fmt: skip


@pytest.fixture
def parser():
    made = cli.new_parser("try", "Try it.")
    made.add_argument("sound")
    made.add_argument("--effect", required=True)
    made.add_argument("--mix", type=float)
    made.add_argument("--count", type=int)
    made.add_argument("--mode", choices=("fast", "slow"))
    return made


@pytest.mark.parametrize(("arguments", "line"), FORGIVEN, ids=str)
def test_a_fault_is_named_in_two_lines(parser, arguments, line, capsys):
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: {line}\ncak try --help lists what can be given\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.5", 0.5), ("0,5", 0.5), ("50%", 0.5), ("12,5 %", 0.125), ("-0,5", -0.5),
     ("0,125", 0.125), ("1e-1", 0.1)],
)  # fmt: skip
def test_numbers_as_people_write_them(parser, text, number):
    given = parser.parse_args(["a", "--effect=x", f"--mix={text}"])
    assert given.mix == pytest.approx(number, rel=1e-12)


def test_what_stands_behind_two_dashes_is_no_flag(parser):
    assert parser.parse_args(["--effect=x", "--", "--take 1.wav"]).sound == (
        "--take 1.wav"
    )


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
