"""The notebooks as they stand: valid, cleared, and without definitions."""

import ast
import importlib.util
import json
import pathlib
import re
import shutil
import sys
import types

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from support.executing import SMALLEST

from cak_jax.effect import locate

ROOT = pathlib.Path(__file__).parent.parent.parent
spec = importlib.util.spec_from_file_location("_", ROOT / "colab" / "set_address.py")
set_address = importlib.util.module_from_spec(spec)
spec.loader.exec_module(set_address)
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
    allowed = {"cak_jax", "jax", "glob", "google", "importlib", "os", "pathlib"}
    allowed |= {"shutil", "sys"}
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
    assert "REPOSITORY" in notebook.cells[1].source


def installed(monkeypatch, address="", uploads=None):
    """What the install cell of every notebook gives to pip where nothing is there."""
    [cell] = {load(name).cells[2].source for name in NAMES}
    cell = cell.replace('REPOSITORY = ""', f'REPOSITORY = "{address}"')
    asked, colab = [], types.ModuleType("google.colab")
    colab.files = types.SimpleNamespace(upload=lambda: uploads)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    if uploads is not None:
        monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
        monkeypatch.setitem(sys.modules, "google.colab", colab)
    shell = types.SimpleNamespace(run_line_magic=lambda *line: asked.append(line))
    scope = {"get_ipython": lambda: shell}
    exec(TransformerManager().transform_cell(cell), scope)
    [(magic, line)] = asked
    for name in ("jax_package", "source"):
        line = line.replace(f"{{{name}}}", scope[name])
    assert magic == "pip"
    return line


def test_the_install_cell_knows_the_repository(monkeypatch, capsys):
    line = installed(monkeypatch, "https://github.com/one/two")
    assert line.endswith('"cak_jax[notebook] @ git+https://github.com/one/two"')


def test_without_one_it_takes_a_file(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="upload a wheel or a zip"):
        installed(monkeypatch)
    (tmp_path / "main (1).zip").touch()
    line = installed(monkeypatch, uploads={"main (1).zip": b""})
    shown = (tmp_path / "main%20%281%29.zip").as_posix()
    assert line.endswith(f'"cak_jax[notebook] @ file://{shown}"')
    (tmp_path / "cak_jax-0.1.0-py3-none-any.whl").touch()
    line = installed(monkeypatch)
    assert line.endswith(f'@ file://{tmp_path / "cak_jax-0.1.0-py3-none-any.whl"}"')


def test_the_address_stands_in_one_place(monkeypatch, tmp_path):
    for name in NAMES:
        shutil.copy(ROOT / "colab" / f"{name}.ipynb", tmp_path)
    monkeypatch.setattr(set_address, "FOLDER", tmp_path)
    for given, where in (
        ("https://github.com/one/two.git", "one/two/blob/main/colab/{}.ipynb"),
        ("", ""),
    ):
        monkeypatch.setattr(sys, "argv", ["set_address.py", given])
        set_address.main()
        address = given.removesuffix(".git")
        for name in NAMES:
            notebook = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
            assert f'REPOSITORY = "{address}"' in notebook.cells[2].source
            badge = f"({set_address.COLAB}{where.format(name)})"
            assert badge in notebook.cells[0].source
    for name in NAMES:
        path = pathlib.Path("colab", f"{name}.ipynb")
        assert (tmp_path / path.name).read_bytes() == (ROOT / path).read_bytes()
    for wrong in ("http://github.com/a/b", "https://github.com/a", "a/b"):
        with pytest.raises(ValueError, match="OWNER/NAME"):
            set_address.with_address("", "x", wrong)


@pytest.mark.parametrize("name", NAMES)
def test_forms_offer_what_there_is(name):
    text = "\n".join(sources(load(name)))
    for names in re.findall(r"# @param (\[.*?\])", text):
        choices = set(json.loads(names))
        if "bright" in choices:
            assert choices == set(locate.names())
