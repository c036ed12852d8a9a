"""A finished run, continued on damaged checkpoints and in strange surroundings."""

import pathlib
import shlex
import shutil
import subprocess

import harness
import pytest


@pytest.fixture
def folder(whole, tmp_path) -> pathlib.Path:
    """A copy of the finished run."""
    return shutil.copytree(whole.folder, tmp_path / "run")


def spoil(folder, step):
    for path in (folder / "checkpoints" / str(step) / "state").rglob("d/*"):
        path.write_bytes(bytes(path.stat().st_size))


def test_a_damaged_newest_is_trained_again(folder, whole, env):
    newest = harness.checkpoints(folder)[-1]
    spoil(folder, newest)
    done = harness.run(folder, harness.epochs(), env=env)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and f"checkpoint {newest} cannot be used" in lines[0], lines
    assert f"resumed after epoch {harness.EPOCHS - 2}" in done.stdout
    assert harness.outcome(folder) == whole.outcome
    aside = [p.name for p in (folder / "checkpoints").glob("*.bad-*")]
    assert len(aside) == 1 and aside[0].startswith(f"{newest}.bad-")


def test_nothing_but_damaged_ones_is_refused(folder, env):
    for step in harness.checkpoints(folder):
        spoil(folder, step)
    before = harness.checkpoints(folder)
    done = harness.run(folder, harness.epochs(), env=env)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "no checkpoint can be read" in done.stderr
    assert "start in another --workdir" in done.stderr
    assert harness.checkpoints(folder) == before


def shell(script: str, **changes) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-c", script],
        env=harness.environment(**changes),
        cwd=harness.ROOT,
        text=True,
        capture_output=True,
        timeout=harness.PATIENCE,
    )


def continued(folder) -> str:
    return shlex.join(harness.command(folder, harness.epochs()))


def test_without_streams_home_and_letters(folder, whole, env):
    """stdin, stdout and stderr closed; no HOME; a locale of ASCII."""
    strange = {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C", "PYTHONUTF8": "0"}
    (folder / "evaluation.json").unlink()
    moved = folder.rename(folder.with_name("café 音"))
    command = continued(moved)
    changes = {**env, **strange, "HOME": None, "XDG_CACHE_HOME": None}
    done = shell(f"{command} <&- >&- 2>&-", **changes)
    assert done.returncode == 0
    assert harness.outcome(moved) == whole.outcome
    # The names are said in letters that this locale has.
    done = shell(command, **changes)
    assert done.returncode == 0 and "caf\\xe9" in done.stdout


@pytest.mark.parametrize("sink", ["/dev/full", "pipe"])
def test_an_output_that_leads_nowhere(folder, whole, env, sink):
    (folder / "evaluation.json").unlink()
    if sink == "pipe":
        done = shell(f"{continued(folder)} | true; exit ${{PIPESTATUS[0]}}", **env)
    else:
        done = shell(f"{continued(folder)} > {sink}", **env)
    assert done.returncode == 0 and done.stderr == ""
    assert harness.outcome(folder) == whole.outcome


def test_few_file_descriptors(folder, env):
    """Too few to work with: one line that names the way out, no traceback."""
    done = shell(f"ulimit -n 12; {continued(folder)}", **env)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "ulimit -n" in done.stderr
