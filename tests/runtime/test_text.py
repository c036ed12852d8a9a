"""Text for a terminal: counted, in columns that line up; numbers and names."""

import pytest

from cak_jax.runtime.text import align, counted, nearest, parse_number, suggestion


def test_columns_line_up_and_lines_have_no_trailing_space():
    rows = [["", "slope", "note"], ["raw", "-0.50", "x"], ["calibrated", "1", ""]]
    assert align(rows, right=(1,)) == [
        "            slope  note",
        "raw         -0.50  x",
        "calibrated      1",
    ]
    assert align([["a", "b"]]) == ["a  b"]


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 files"), (1, "1 file"), (2, "2 files")]
)
def test_things_are_counted(count, words):
    assert counted(count, "file") == words


def test_a_misspelt_name_finds_its_neighbour():
    assert nearest("brigth", ["dark", "bright"]) == "bright"
    assert suggestion("Drak", ["dark", "bright"]) == "; did you mean dark?"
    assert suggestion("loud", ["dark", "bright"]) == nearest("loud", ["dark"]) == ""


@pytest.mark.parametrize("text", ["", "x", "0,5,1", "1.0,5", "1,5%%", "12,345", "%"])
def test_what_is_no_number(text):
    with pytest.raises(ValueError):
        parse_number(text)
