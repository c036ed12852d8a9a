"""Every experiment says how it is run: with `--help`, and when words are missing."""

import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "experiments"
SCRIPTS = sorted(
    path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text("utf-8")
)


def run(name, *words):
    command = [sys.executable, FOLDER / f"{name}.py", *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_docstring_says_how_to_run_the_script(name):
    text = (FOLDER / f"{name}.py").read_text("utf-8")
    assert f"python experiments/{name}.py" in text.split('"""')[1]
    # One of the three reads `--help`; the slow test below runs each.
    readers = ("arguments(__doc__", "argparse.ArgumentParser", "benchmark_flags.read")
    assert any(reader in text for reader in readers)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_help_names_the_script(name):
    done = run(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{name}.py" in done.stdout


def test_missing_words_end_with_the_docstring():
    done = run("corpus_gate", "one")
    assert done.returncode == 1 and done.stdout == ""
    assert "python experiments/corpus_gate.py" in done.stderr
