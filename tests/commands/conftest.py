"""What the tests of `cak apply` begin with: a small effect and a folder of drums."""

import pytest
from support.applying import drum_folder, effect_file


@pytest.fixture
def effect(tmp_path):
    """The path of the small effect's file."""
    return effect_file(tmp_path)


@pytest.fixture
def drums(tmp_path, monkeypatch):
    """The drum folder, seen from the folder above."""
    monkeypatch.chdir(tmp_path)
    return drum_folder()
