"""Effects that come with the package: list them, or show what one consists of.

    cak effects
    cak effects NAME

NAME is an effect.json, a run folder, a shipped effect or a text code, looked up in this
order. Exit codes: 0 done, 2 unusable arguments.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from cak_jax.commands.cli import new_parser, run_command
from cak_jax.effect import locate
from cak_jax.effect.effect import describe, from_document
from cak_jax.effect.schema import read_document
from cak_jax.runtime import json_file
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import EXIT_DONE, EXIT_UNUSABLE
from cak_jax.runtime.text import align, printable

ABSENT = "-"


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak effects`."""
    parser = new_parser("effects", __doc__)
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this one")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the document; without NAME a list of all of them",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return run_command(make_parser(), arguments, run)


def run(options: argparse.Namespace) -> int:
    """Print one effect or the list of them."""
    value: Any
    if options.name is not None:
        value = locate.read(options.name)
        lines = details(value)
    else:
        value = shipped()
        lines = table(value)
    for line in [json.dumps(value, indent=1)] if options.json else lines:
        say(line)
    return EXIT_DONE


def shipped() -> list[dict[str, Any]]:
    """Return the documents of the effects that come with the package."""
    return [read_document(locate.find(name)) for name in locate.names()]


def table(documents: list[dict[str, Any]]) -> list[str]:
    """Return the lines that list effects, from their valid documents."""
    return [
        *align(_rows(documents), right=[2]),
        "",
        "cak apply --effect=NAME --amount=0.5 YOUR.wav   renders through one;",
        "cak effects NAME   shows what it consists of.",
    ]


def _rows(documents: list[dict[str, Any]]) -> list[list[str]]:
    rows = [["name", "does", "use up to", "more of it is", "trained on"]]
    for document in documents:
        provenance = document.get("provenance", {})
        corpus = _short(_member(_member(provenance, "corpus", {}), "name"))
        character = _short(_member(provenance, "character"))
        # Not measured is stored as null or not at all.
        usable = _member(provenance, "usable_to")
        usable = f"{usable:g}" if isinstance(usable, int | float) else ABSENT
        effect = from_document(document)
        quality = _short(effect.quality.more if effect.quality else ABSENT)
        rows.append([_short(effect.name), character, usable, quality, corpus])
    return rows


def choose(command: str, sounds: Sequence[str]) -> int:
    """Say which effects there are and how one is named; return the exit code.

    Args:
      command: that was called without an effect, such as "apply".
      sounds: its inputs.
    """
    complain("--effect: missing; name one of these, or your own run", EXIT_UNUSABLE)
    for line in align(_rows(shipped()), right=[2]):
        say(line, sys.stderr)
    shown = " ".join(printable(shlex.quote(sound)) for sound in sounds)
    say(f"cak {command} --effect=bright --amount=0.5 {shown}".rstrip(), sys.stderr)
    return EXIT_UNUSABLE


def details(document: dict[str, Any]) -> list[str]:
    """Return the lines that show a valid effect document in full."""
    offsets = ("-1", "0", "+1")
    grid = [["", *(f"frame {o}" for o in offsets)]]
    for offset, row in zip(offsets, document["kernel"], strict=True):
        grid.append([f"bin {offset}", *(f"{value:.6f}" for value in row)])
    rows = [
        ("kernel sum", _short(sum(map(sum, document["kernel"])))),
        *((field, _short(document[field])) for field in ("bias", "scale")),
    ]
    effect = from_document(document)
    fields = ["gate", "spectrogram", "normalization", "provenance"]
    if effect.quality is not None:
        fields.insert(3, "quality")
    for field in fields:
        values = json_file.leaves(document.get(field, {}), field)
        rows += [(printable(place), _short(value)) for place, value in values]
    if effect.knob is not None:
        rows.append(("knob", " ".join(f"{share:.4g}" for share in effect.knob)))
    return [
        _short(document["name"]),
        *describe(effect),
        "",
        *align(grid, right=range(4)),
        "",
        *align(rows),
    ]


def _member(value: Any, name: str, default: Any = ABSENT) -> Any:
    # Checked, because provenance is free form and may hold anything.
    return value.get(name, default) if isinstance(value, dict) else default


def _short(value: Any) -> str:
    """Return a value as one line of text without control characters."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(value if isinstance(value, str) else json.dumps(value))
