"""The table of faults names tests that there are."""

import pathlib
import re

HERE = pathlib.Path(__file__).parent
# A file, a test in it, or a test in the file that was named last.
NAMED = re.compile(r"`((?:\.\./(?:\w+/)*)?test_\w+\.py)?(?:::)?(test_\w+)?`")


def names_in(path: pathlib.Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))


def test_every_test_that_is_named_is_there():
    file, count = None, 0
    for name, test in NAMED.findall((HERE / "README.md").read_text("utf-8")):
        if not name and not test:
            continue
        file = HERE / name if name else file
        assert file.is_file(), name
        if test:
            assert test in names_in(file), (file.name, test)
        count += 1
    assert count > 100


def test_every_file_of_tests_is_named():
    text = (HERE / "README.md").read_text("utf-8")
    own = {path.name for path in HERE.glob("test_*.py")} - {"test_table.py"}
    assert own == {name for name in own if f"`{name}" in text}
