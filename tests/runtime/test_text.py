"""Text for a terminal: columns that line up."""

from cak_jax.runtime.text import align


def test_columns_line_up_and_lines_have_no_trailing_space():
    rows = [["", "slope", "note"], ["raw", "-0.50", "x"], ["calibrated", "1", ""]]
    assert align(rows, right=(1,)) == [
        "            slope  note",
        "raw         -0.50  x",
        "calibrated      1",
    ]
    assert align([["a", "b"]]) == ["a  b"]
