"""An installed package holds all of it: setup.cfg names every package and file."""

import configparser
import pathlib

ROOT = pathlib.Path(__file__).parent.parent
# Modules are packed without a pattern; the rooms' READMEs are read in the repository.
SOURCE = (".py", ".md")
# Python writes these where it runs the package.
CACHE = "__pycache__"


def settings():
    """Return the sections of setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def package_data():
    """Each pattern of setup.cfg with the files it packs."""
    for package, patterns in settings()["options.package_data"].items():
        folder = ROOT.joinpath(*package.split("."))
        for pattern in patterns.split():
            yield pattern, {path for path in folder.glob(pattern) if path.is_file()}


def test_every_package_is_named():
    folders = {path.parent for path in (ROOT / "cak_jax").rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    named = settings()["options"]["packages"].split()
    assert sorted(named) == sorted(names | {"cak_jax.configs"})
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_every_asset_file_is_packed():
    files = {
        path
        for path in (ROOT / "cak_jax").rglob("*")
        if path.is_file() and path.suffix not in SOURCE and CACHE not in path.parts
    }
    assert files
    packed = set().union(*(found for _, found in package_data()))
    assert files - packed == set()


def test_every_pattern_packs_a_file():
    assert [pattern for pattern, found in package_data() if not found] == []
