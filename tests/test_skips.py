"""Missing tools fail in CI; skips that depend on the machine stay skips."""

import os
import pathlib
import subprocess
import sys

import pytest
from support.skips import BY_NATURE

TESTS = pathlib.Path(__file__).parent
SKIPS = """
import pytest

def test_passes():
    pass

@pytest.mark.skipif(True, reason="no /dev/full")
def test_depends_on_the_machine():
    pass

@pytest.mark.skipif(True, reason="there is no browser")
def test_needs_a_browser():
    pass

def test_needs_a_library():
    pytest.importorskip("no_such_library")
"""
# Marks by which pytest lets a test fail.
EXCUSES = ["xfail", "xfail(reason='known')"]
MARKED = "import pytest\n\n@pytest.mark.{}\ndef test_fails():\n    assert False\n"
MODULE = "import pytest\npytest.importorskip('no_such_library')\n"

OPTIONS = ["-c", os.devnull, "-p", "support.skips", "-p", "no:cacheprovider"]
OPTIONS += ["--rootdir=.", "--continue-on-collection-errors"]


@pytest.mark.parametrize(
    ("ci", "counts"),
    [
        ("true", "1 failed, 1 passed, 1 skipped, 2 errors"),
        ("", "1 passed, 4 skipped"),
    ],
)
def test_ci_takes_only_the_skips_of_the_machine(tmp_path, ci, counts):
    (tmp_path / "test_tools.py").write_text(SKIPS)
    (tmp_path / "test_module.py").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, "."],
        env=os.environ | {"CI": ci, "PYTHONPATH": str(TESTS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert counts in done.stdout


@pytest.mark.parametrize("mark", EXCUSES)
def test_a_mark_does_not_excuse_a_failure(tmp_path, mark):
    """The options in `setup.cfg` see to it, in CI and elsewhere."""
    (tmp_path / "test_marked.py").write_text(MARKED.format(mark))
    options = ["-c", str(TESTS.parent / "setup.cfg"), "-n0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir=.", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "1 failed" in done.stdout and done.returncode == 1


def test_every_listed_reason_is_one_of_the_tests():
    sources = "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    for reason in BY_NATURE:
        assert f'"{reason}"' in sources
