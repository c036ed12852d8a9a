"""The family of errors that a person can mend, and what a command prints of them."""

import importlib
import inspect
import pkgutil

import pytest

import cak_jax
from cak_jax.runtime import console, errors
from cak_jax.runtime.errors import FailedError, InputError, UserError
from cak_jax.training.config import ConfigError


def error_classes():
    """Every public exception class that a module of the package defines."""
    found = set()
    for module in pkgutil.walk_packages(cak_jax.__path__, "cak_jax."):
        if module.name == "cak_jax.__main__" or ".assets" in module.name:
            continue
        members = vars(importlib.import_module(module.name)).values()
        found |= {m for m in members if inspect.isclass(m)}
    own = {c for c in found if c.__module__.startswith("cak_jax.")}
    public = {c for c in own if not c.__name__.startswith("_")}
    return {c for c in public if issubclass(c, Exception)}


def test_every_error_of_the_package_is_a_user_error():
    classes = error_classes()
    assert len(classes) > 18
    assert all(issubclass(c, UserError) for c in classes)
    for c in classes - {UserError}:
        assert c.exit_code == (
            errors.EXIT_UNUSABLE if issubclass(c, ValueError) else errors.EXIT_FAILED
        )


def test_exit_codes():
    codes = [errors.EXIT_DONE, errors.EXIT_FAILED, errors.EXIT_UNUSABLE]
    assert codes == [0, 1, 2]
    assert (errors.EXIT_INTERRUPTED, errors.EXIT_TERMINATED) == (130, 143)


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (InputError("a\nb: is missing"), ["a\\nb: is missing"]),
        (ConfigError("x: is 1\ny: is 2"), ["x: is 1", "y: is 2"]),
        (FailedError("stopped\x1b[2J"), ["stopped\\x1b[2J"]),
        ("a text\nof two lines", ["a text\\nof two lines"]),
        (MemoryError(), ["MemoryError"]),
        ("x" * 3000, ["x" * 500 + " ... " + "x" * 500]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_complaints(error, lines, capsys):
    assert console.complain(error, 2) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines() == [f"error: {line}" for line in lines]


def test_a_line_for_nobody_is_lost_and_the_work_goes_on(tmp_path, capsys):
    with open("/dev/full", "w") as full:
        console.say("heard by nobody", full)
        console.say("nor this", full)  # closing would fail on what is still buffered
    assert capsys.readouterr() == ("", "")


def test_letters_that_a_stream_does_not_have(tmp_path):
    path = tmp_path / "ascii"
    with path.open("w", encoding="ascii") as stream:
        console.say("café", stream)
    assert path.read_text() == "caf\\xe9\n"
