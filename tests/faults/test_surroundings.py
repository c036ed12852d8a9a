"""A finished run, continued on damaged checkpoints and in strange surroundings."""

import pathlib
import shutil

import harness
import pytest


@pytest.fixture
def folder(whole, tmp_path) -> pathlib.Path:
    """A copy of the finished run."""
    return shutil.copytree(whole.folder, tmp_path / "run")


def spoil(folder, step):
    for path in (folder / "checkpoints" / str(step) / "state").rglob("d/*"):
        path.write_bytes(bytes(path.stat().st_size))


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
    strange = {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C"}
    (folder / "evaluation.json").unlink()
    moved = folder.rename(folder.with_name("café 音"))
    command = continued(moved)
    homeless = {n: v for n, v in env.items() if n not in ("HOME", "XDG_CACHE_HOME")}
    done = harness.shell(f"{command} <&- >&- 2>&-", homeless | strange)
    assert done.returncode == 0
    assert harness.outcome(moved) == whole.outcome
    # The names are said in letters that this locale has.
    done = harness.shell(command, homeless | strange)
    assert done.returncode == 0 and "caf\\xe9" in done.stdout


@pytest.mark.parametrize(
    "sink", ["pipe", pytest.param("/dev/full", marks=pytest.mark.slow)]
)
def test_an_output_that_leads_nowhere(folder, whole, env, sink):
    (folder / "evaluation.json").unlink()
    if sink == "pipe":
        script = f"{continued(folder)} | true; exit ${{PIPESTATUS[0]}}"
    else:
        script = f"{continued(folder)} > {sink}"
    done = harness.shell(script, env)
    assert done.returncode == 0 and done.stderr == ""
    assert harness.outcome(folder) == whole.outcome


def test_few_file_descriptors(folder, env):
    """Too few to work with: one line that names the way out, no traceback."""
    done = harness.shell(f"ulimit -n 12; {continued(folder)}", env)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "ulimit -n" in done.stderr
