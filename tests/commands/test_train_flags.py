"""The command line of `cak train`: what is meant, and how a fault is named."""

import pathlib

import pytest

from cak_jax.commands import train, train_flags
from cak_jax.training.config import ConfigError, load_file, shipped
from cak_jax.training.config_checks import flatten


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of sounds, seen from the folder above."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drums").mkdir()
    (tmp_path / "kick.wav").write_bytes(b"")
    return "drums"


@pytest.mark.parametrize(
    ("arguments", "sounds", "workdir"),
    [
        (["drums"], "drums", "runs/drums"),
        (["drums/"], "drums/", "runs/drums"),
        (["drums", "--workdir=x"], "drums", "x"),
        (["--workdir", "x", "drums"], "drums", "x"),
        (["--config.corpus.path=drums"], "drums", "runs/drums"),
        (["--config=smoke", "kick.wav", "--config.seed=3"], "kick.wav", "runs/kick"),
        (["./drums/.."], "./drums/..", "runs/{above}"),
        (["--workdir=x"], "", "x"),
    ],
    ids=str,
)
def test_a_folder_of_sounds_names_the_run(folder, arguments, sounds, workdir):
    found = train_flags.parse(arguments)
    workdir = workdir.format(above=pathlib.Path.cwd().name)
    assert (found.config.corpus.path, found.workdir) == (sounds, workdir)


def test_fields_and_switches_may_stand_behind_the_folder(folder):
    given = ["drums", "--config.corpus.labels", "-attack", "--noconfig.output.figures"]
    config = train_flags.parse([*given, "--config.game.spacing=(2,3)"]).config
    assert config.corpus.labels == "-attack" and config.output.figures is False
    assert tuple(config.game.spacing) == (2, 3)


NO_FLAG, NO_FIELD = "there is no such flag", "there is no such field"
FAULTS = [
    (["--wrkdir=x"], f"--wrkdir: {NO_FLAG}; did you mean --workdir?"),
    (["--confg=x"], f"--confg: {NO_FLAG}; did you mean --config?"),
    (["--epochs=3"], f"--epochs: {NO_FLAG}; did you mean --config.train.epochs?"),
    (["--seed=3"], f"--seed: {NO_FLAG}; did you mean --config.seed?"),
    (["--sample_rat=3"],
     f"--sample_rat: {NO_FLAG}; did you mean --config.spectrogram.sample_rate?"),
    (["--zzz"], f"--zzz: {NO_FLAG}; cak train --help lists the others"),
    (["--config.corpus.pth=x"],
     f"--config.corpus.pth: {NO_FIELD}; did you mean --config.corpus.path?"),
    (["--config.epochs=3"],
     f"--config.epochs: {NO_FIELD}; did you mean --config.train.epochs?"),
    (["--config.corpus=x"], "--config.corpus: is a group; set one of its fields, such"),
    (["--config=sweep", "--config.sweep.parts.hearing.grid.train.epochs=(1,2)"],
     "--config.sweep.parts.hearing.grid.train.epochs: the configuration does not sweep "
     "this field; write a file that does"),
    (["--config.train.epochs", "--workdir=x"],
     "--config.train.epochs: needs a value: --config.train.epochs=VALUE"),
    (["drums", "--workdir"], "--workdir: needs a value: --workdir=VALUE"),
    (["--config.train.epochs=ten"],
     "--config.train.epochs=ten: must be a whole number, such as 2"),
    (["--config.corpus.seconds=0,5"],
     "--config.corpus.seconds=0,5: must be a number; write 0.5"),
    (["--config.corpus.held_out=20%"],
     "--config.corpus.held_out=20%: must be a number; write 0.2"),
    (["--config.game.critic_widths=(8,"],
     "--config.game.critic_widths=(8,: must be a tuple, such as (8, 16, 32)"),
    (["--config.output.figures=maybe"],
     "--config.output.figures=maybe: must be True or False"),
    (["--config=relativ"], "--config=relativ: there is no such file; try "
     "--config=relative"),
    (["smoke"], "smoke: there is no such folder; did you mean --config=smoke?"),
    (["snare"], "snare: there is no such folder; name a folder of sounds"),
    (["drums", "kick.wav"], "kick.wav: one folder is enough"),
    (["drums", "--config.corpus.path=x"], "drums: --config.corpus.path names the"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "line"), FAULTS, ids=str)
def test_a_fault_is_named_in_one_line(folder, arguments, line):
    with pytest.raises(ConfigError) as caught:
        train_flags.parse(arguments)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_the_help_shows_ten_fields_with_their_defaults(capsys):
    assert train.main(["--help"]) == 0
    out = capsys.readouterr().out
    shown = dict(
        line.split("  ")[1].removeprefix("--config.").split("=", 1)
        for line in out.splitlines()
        if line.startswith("  --config.")
    )
    default = flatten(load_file(shipped("default")))
    assert shown == {f: str(default[f]) for f in train_flags.FIELDS}
    assert len(shown) == 10 and out.startswith("usage: cak train FOLDER")
