"""What the READMEs name exists: files, headings, modules, functions, tests."""

import importlib
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for folder in (".", "colab", "experiments", "tests/*", "tests/*/*")
    for path in ROOT.glob(f"{folder}/README.md")
)
TESTS = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))


def exists(name: str, folder: pathlib.Path) -> bool:
    """Say whether a path is one of the document's folder or of the repository."""
    return any(place.joinpath(name).exists() for place in (folder, ROOT))


def anchors(text: str) -> set[str]:
    """Return the names that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


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


def test_the_documents_are_found():
    names = {str(document) for document in DOCUMENTS}
    assert {"README.md", "colab/README.md", "tests/faults/README.md"} <= names
    assert "what-the-game-settles-and-what-it-does-not" in anchors(
        (ROOT / "experiments/README.md").read_text("utf-8")
    )
