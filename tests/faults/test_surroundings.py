"""A finished run, continued on damaged checkpoints and in strange surroundings."""

import io
import pathlib
import shutil
import sys

import harness
import pytest

from cak_jax.runtime import console


@pytest.fixture
def folder(whole, tmp_path) -> pathlib.Path:
    """A copy of the finished run."""
    return shutil.copytree(whole.folder, tmp_path / "run")


def spoil(folder, step):
    for path in (folder / "checkpoints" / str(step) / "state").rglob("d/*"):
        path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.slow
def test_a_damaged_newest_is_trained_again(folder, whole, processes):
    newest = harness.checkpoints(folder)[-1]
    spoil(folder, newest)
    done = processes.run("main", *harness.command(folder, harness.epochs()))
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and f"checkpoint {newest} cannot be used" in lines[0], lines
    assert f"resumed after epoch {harness.EPOCHS - 2}" in done.stdout
    assert harness.outcome(folder) == whole.outcome
    aside = [p.name for p in (folder / "checkpoints").glob("*.bad-*")]
    assert len(aside) == 1 and aside[0].startswith(f"{newest}.bad-")


def test_nothing_but_damaged_ones_is_refused(folder, processes):
    for step in harness.checkpoints(folder):
        spoil(folder, step)
    before = harness.checkpoints(folder)
    done = processes.run("main", *harness.command(folder, harness.epochs()))
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "no checkpoint can be read" in done.stderr
    assert "start in another --workdir" in done.stderr
    assert harness.checkpoints(folder) == before


def continued(folder) -> str:
    return harness.shell_line(folder, harness.epochs())


def test_without_streams_home_and_letters(folder, whole, env):
    """stdin, stdout and stderr closed; no HOME; a locale of ASCII."""
    moved = folder.rename(folder.with_name("café 音"))
    (moved / "evaluation.json").unlink()
    strange = {n: v for n, v in env.items() if n not in ("HOME", "XDG_CACHE_HOME")}
    strange |= {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C"}
    done = harness.shell(f"{continued(moved)} <&- >&- 2>&-", strange)
    assert done.returncode == 0
    assert harness.outcome(moved) == whole.outcome


def test_names_are_said_in_letters_that_there_are(monkeypatch):
    said = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(said, "ascii", "strict"))
    console.make_usable()
    console.say("café 音")
    assert said.getvalue() == b"caf\\xe9 \\u97f3\n"


def test_an_output_that_nobody_reads(folder, whole, processes):
    (folder / "evaluation.json").unlink()
    command = harness.command(folder, harness.epochs())
    process = processes.start("main", *command, merged=False)
    process.stdout.close()
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert harness.outcome(folder) == whole.outcome


@pytest.mark.slow
@pytest.mark.parametrize("end", ["> /dev/full", "| true; exit ${PIPESTATUS[0]}"])
def test_an_output_that_leads_nowhere(folder, whole, env, end):
    (folder / "evaluation.json").unlink()
    done = harness.shell(f"{continued(folder)} {end}", env)
    assert done.returncode == 0 and done.stderr == ""
    assert harness.outcome(folder) == whole.outcome


def test_few_file_descriptors(folder, env):
    """Too few to work with: one line that names the way out, no traceback."""
    done = harness.shell(f"ulimit -n 12; {continued(folder)}", env)
    assert "Traceback" not in done.stderr
    assert done.returncode == 1 and "ulimit -n" in done.stderr
    assert done.stderr.count("\n") == 1
