"""The notebooks as they stand: valid, cleared, and without definitions."""

import ast
import json
import pathlib
import re

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from support.executing import SMALLEST

from cak_jax.effect import locate

ROOT = pathlib.Path(__file__).parent.parent.parent
NAMES = ("train_your_effect", "play_with_effects", "reproduce_the_paper")


def load(name):
    return nbformat.read(ROOT / "colab" / f"{name}.ipynb", as_version=4)


def sources(notebook):
    return [c.source for c in notebook.cells if c.cell_type == "code"]


def tree_of(source):
    return ast.parse(TransformerManager().transform_cell(source))


def test_there_are_three():
    assert sorted(p.stem for p in (ROOT / "colab").glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_valid_and_cleared(name):
    notebook = load(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    identities = [cell.id for cell in notebook.cells]
    assert len(set(identities)) == len(identities)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
    assert set(notebook.metadata) == {"colab", "kernelspec", "language_info"}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_defined(name):
    defining = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    allowed = {"cak_jax", "jax", "importlib", "os", "shutil"}
    for source in sources(load(name)):
        for node in ast.walk(tree_of(source)):
            assert not isinstance(node, defining), source
            if isinstance(node, ast.Import):
                assert {a.name.split(".")[0] for a in node.names} <= allowed, source
            if isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in allowed, source


def test_the_reader_reads():
    found = [type(node) for node in ast.walk(tree_of("%pip install x\nf = lambda: 1"))]
    assert ast.Lambda in found


@pytest.mark.parametrize("name", NAMES)
def test_one_cell_of_values(name):
    tagged = [c for c in load(name).cells if "parameters" in c.metadata.get("tags", ())]
    (cell,) = tagged
    for node in tree_of(cell.source).body:
        assert isinstance(node, ast.Assign)
        ast.literal_eval(node.value)
    assigned = {n.targets[0].id for n in tree_of(cell.source).body}
    assert set(SMALLEST[name]) <= assigned


@pytest.mark.parametrize("name", NAMES)
def test_links_and_no_paths(name):
    notebook = load(name)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert not re.search(r"/(work|tmp|home|root|Users|mnt)\b", text)
    title = notebook.cells[0].source
    assert title.startswith("# ") and "colab-badge.svg" in title
    assert f"colab/{name}.ipynb" in title
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not link.startswith("https://"):
            assert (ROOT / "colab" / link).is_file(), link
    install = notebook.cells[2].source
    assert 'REPOSITORY = ""' in install and "find_spec" in install
    assert "REPOSITORY" in notebook.cells[1].source


@pytest.mark.parametrize("name", NAMES)
def test_forms_offer_what_there_is(name):
    text = "\n".join(sources(load(name)))
    for names in re.findall(r"# @param (\[.*?\])", text):
        choices = set(json.loads(names))
        if "bright" in choices:
            assert choices == set(locate.names())
