"""What documents name exists: files, headings, functions, tests, commands, fields."""

import argparse
import functools
import importlib
import pathlib
import re

import pytest
import yaml
from support.documents import (
    DOCUMENTS,
    ROOT,
    command_lines,
    commands_in_sentences,
    fields,
    flags_in_sentences,
)

import cak_jax
from cak_jax.commands import cli, train_flags
from cak_jax.training.config import load_file, shipped
from cak_jax.training.config_checks import flatten

TESTS = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
SCRIPTS = "\n".join(path.read_text("utf-8") for path in ROOT.glob("experiments/*.py"))
# The commands whose flags are absl's, which has no parser to ask.
TRAIN = {"train", "main"}
# A file that the reader writes first, an address, more words.
TO_FILL_IN = ("NAME", "HOST:PORT", "...")
TRAIN_FLAGS = {"--config", *(f"--{flag}" for flag in train_flags.FLAGS)}


def exists(name: str, folder: pathlib.Path) -> bool:
    """Say whether a path is one of the document's folder or of the repository."""
    return any(place.joinpath(name).exists() for place in (folder, ROOT))


def anchors(text: str) -> set[str]:
    """Return the names that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def read(document: pathlib.Path) -> str:
    return (ROOT / document).read_text("utf-8")


def split(words: list[str]) -> tuple[str, list[str]]:
    """Return a command and its words: `cak NAME ...`, `python -m cak_jax.NAME ...`."""
    place = 1 if words[0] == "cak" else 2
    return words[place].removeprefix("cak_jax."), words[place + 1 :]


@functools.cache
def parser_of(command: str) -> argparse.ArgumentParser:
    assert command in cli.COMMANDS, command
    module = importlib.import_module(f"cak_jax.commands.{command.replace('-', '_')}")
    return module.make_parser()


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return every flag of a parser and of the parsers under it."""
    found = set()
    for action in parser._actions:
        found |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            found |= set().union(*map(flags_of, action.choices.values()))
    return found


@functools.cache
def known() -> tuple[set[str], set[str]]:
    """Return all flags of all commands, and all fields of all configurations."""
    parsers = map(parser_of, cli.COMMANDS.keys() - TRAIN)
    files = shipped("default").parent.glob("*.py")
    configs = [flatten(load_file(file)) for file in files if file.stem != "__init__"]
    return TRAIN_FLAGS.union(*map(flags_of, parsers)), set().union(*configs)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_commands_are_understood(document, monkeypatch, tmp_path):
    (tmp_path / "FOLDER").mkdir()
    for words in command_lines(read(document)):
        if any(place in word for place in TO_FILL_IN for word in words):
            continue
        command, rest = split(words)
        if command == "--version":
            continue
        if "--list-devices" in rest:  # answers while it is parsed
            assert set(rest) <= flags_of(parser_of(command))
            continue
        if command not in TRAIN:
            parser_of(command).parse_args(rest)
            continue
        # The parser would make these folders.
        makes = ("--profile", "--compilation_cache")
        monkeypatch.chdir(tmp_path)
        train_flags.parse([word for word in rest if not word.startswith(makes)])


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_named_flags_and_fields_exist(document):
    (every, known_fields), text = known(), read(document)
    for words in commands_in_sentences(text):
        command = split(words)[0] if len(words) > 1 else "train"
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert command in {*TRAIN, "--version"} or flags <= flags_of(
            parser_of(command)
        ), words
    for flag in flags_in_sentences(text):
        is_field = flag.startswith("--config.")
        assert is_field or flag in every or f'"{flag}"' in SCRIPTS + TESTS, flag
    for field in fields(text):
        # A sweep's parts have names that people choose.
        chosen = "NAME" in field or field.startswith("sweep.parts.")
        assert chosen or field in known_fields, field


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_to_files_and_headings(document):
    folder, text = (ROOT / document).parent, (ROOT / document).read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        assert exists(name or document.name, folder), target
        if anchor:
            other = (folder / name) if name else ROOT / document
            assert anchor in anchors(other.read_text("utf-8")), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_named_files_and_tests_exist(document):
    folder, text = (ROOT / document).parent, (ROOT / document).read_text("utf-8")
    for name in re.findall(r"(?<![\w/.])[\w./*]+/\w+\.py\b", text):
        # NAME stands for a file that the reader is about to write.
        assert name.endswith("/NAME.py") or exists(name, folder), name
    for name in re.findall(r"`test_\w+\.py", text):
        assert exists(name.strip("`"), folder), name
    for path, name in re.findall(r"`([\w./]+\.py)::(\w+)`", text):
        assert f"def {name}(" in (folder / path).read_text("utf-8"), (path, name)
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in TESTS, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_named_modules_and_functions_exist(document):
    text = (ROOT / document).read_text("utf-8")
    for name in re.findall(r"\bcak_jax(?:\.[A-Za-z_]+)+", text):
        head, _, last = name.rpartition(".")
        file = ROOT.joinpath(*name.split("."))
        if not (file.is_dir() or file.with_suffix(".py").is_file()):
            assert hasattr(importlib.import_module(head), last), name


def test_a_citation_names_this_version_and_the_paper():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == cak_jax.__version__ and cited["license"] == "MIT"
    [paper] = cited["references"]
    assert paper["title"] in (ROOT / "README.md").read_text("utf-8").replace("\n", " ")
    assert paper["identifiers"][0]["value"] == "arXiv:2508.02643"


def test_ci_runs_the_test_command_of_the_readme():
    text = read(pathlib.Path("README.md"))
    main, tests = re.findall(r"^    (pip install .* && .*)$", text, re.M)
    assert "cak_jax.main" in main and tests.endswith("pytest")
    assert f"({tests})\n" in (ROOT / ".ci/run").read_text("utf-8")


def test_the_documents_are_found():
    names = {str(document) for document in DOCUMENTS}
    assert {"CONTRIBUTING.md", "CHANGELOG.md"} <= names
    assert {"README.md", "colab/README.md", "tests/faults/README.md"} <= names
    assert "what-the-game-settles-and-what-it-does-not" in anchors(
        (ROOT / "experiments/game.md").read_text("utf-8")
    )
