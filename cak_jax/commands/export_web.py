"""Write a page that runs effects live in the browser, without server or network.

    cak export-web --output=FOLDER
    cak export-web --effect=runs/mine --effect=bright --output=FOLDER

FOLDER/index.html is the whole page in one file, with sounds of its own; any static host
serves it. EFFECT is an effect.json, a run folder, a name that `cak effects` lists, or a
text code; without it the page holds all effects that come with the package. Exit codes:
0 done, 1 the page could not be written, 2 unusable arguments (nothing was written).
"""

import argparse
import pathlib
from typing import Any

from cak_jax.apps.web import build_page
from cak_jax.commands.cli import new_parser, run_command
from cak_jax.commands.effect import checked_output, write
from cak_jax.commands.render_flags import EFFECT
from cak_jax.effect import locate
from cak_jax.effect.schema import EffectError
from cak_jax.runtime.console import complain
from cak_jax.runtime.errors import EXIT_FAILED, InputError
from cak_jax.runtime.files import folder_made
from cak_jax.runtime.text import printable

NAME = "index.html"


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak export-web`."""
    parser = new_parser("export-web", __doc__)
    parser.add_argument(
        "--effect",
        action="append",
        metavar="EFFECT",
        help=f"{EFFECT}; several times for several to choose from; without it all that "
        "`cak effects` lists",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        help=f"where {NAME} goes; made if missing",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help=f"replace a {NAME} that exists"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return run_command(make_parser(), arguments, run)


def run(options: argparse.Namespace) -> int:
    """Write the page; return the exit code."""
    shown = printable(options.output)
    try:
        effects = options.effect or locate.names()
        documents = read(effects)
        if not options.output:
            raise InputError("--output: is empty; name a folder")
        folder = pathlib.Path(options.output).expanduser()
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--output={shown}: is a file; name a folder")
        options.output = str(folder / NAME)
        with folder_made(folder):
            target = checked_output(options, effects)
            names = ", ".join(printable(document["name"]) for document in documents)
            return write(target, build_page.make_page(documents), f": {names}")
    except OSError as error:
        return complain(f"--output={shown}: {error.strerror}", EXIT_FAILED)


def read(effects: list[str]) -> list[dict[str, Any]]:
    """Return the documents of the effects."""
    documents: dict[str, dict[str, Any]] = {}
    for effect in effects:
        document = named(locate.read(effect), effect)
        build_page.check_effect(document, effect)
        name = document["name"]
        if name in documents:
            raise EffectError(
                f"--effect={printable(effect)}: there are two of the name "
                f"{printable(name)}; leave one out, or give it another with cak effect "
                "convert --to=json --name=NAME"
            )
        documents[name] = document
    return list(documents.values())


def named(document: dict[str, Any], effect: str) -> dict[str, Any]:
    """Return a document that nobody gave a name under the name of its folder."""
    # Imported here, because it loads the libraries of configurations.
    from cak_jax.training.config import FORMER_NAME

    path = locate.locate(effect) if document["name"] == FORMER_NAME else None
    folder = printable(path.resolve().parent.name) if path is not None else ""
    return document | {"name": folder} if folder else document
