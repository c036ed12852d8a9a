"""No file is longer than a reader holds in mind."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
LONGEST = 400


@pytest.mark.parametrize("folder", ["cak_jax", "configs", "experiments", "tests"])
def test_no_file_is_long(folder):
    lengths = {
        path.name: len(path.read_text("utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert lengths
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}
