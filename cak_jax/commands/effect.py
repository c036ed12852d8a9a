"""Effects as files and as text: show, check, mix and convert them.

    cak effect show EFFECT
    cak effect validate FILE...
    cak effect morph EFFECT EFFECT... --weights=0.7,0.3 --output=FILE
    cak effect convert EFFECT --to=code

EFFECT is an effect.json, a run folder, a name that `cak effects` lists, or a text code,
looked up in this order. Exit codes: 0 done, 1 some files are at fault or the output
could not be written, 2 unusable arguments.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

from cak_jax.commands.cli import check_output, new_parser, run_command
from cak_jax.commands.effects import details
from cak_jax.commands.render_flags import EFFECT, described, differing, parse_weights
from cak_jax.effect import locate, text_code
from cak_jax.effect.effect import describe, dumps, from_document, load_effect
from cak_jax.effect.morph import morph as morph_between
from cak_jax.effect.schema import (
    EffectError,
    check_document,
    check_name,
    is_model,
    model_document,
    read_json,
    write_text,
)
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import EXIT_DONE, EXIT_FAILED
from cak_jax.runtime.files import replace_file
from cak_jax.runtime.text import printable


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak effect`."""
    parser = new_parser("effect", __doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[..., int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name, help=text, description=f"{text.capitalize()}.", allow_abbrev=False
        )
        made.set_defaults(run=run)
        return made

    shown = add("show", show, "show what an effect consists of, and its text code")
    shown.add_argument("effect", metavar="EFFECT", help=EFFECT)
    shown.add_argument("--json", action="store_true", help="the document alone")

    checked = add("validate", validate, "check effect files, one line each")
    checked.add_argument("files", nargs="+", metavar="FILE", help=EFFECT)

    mixed = add("morph", morph, "make one effect between several")
    mixed.add_argument("effects", nargs="+", metavar="EFFECT", help=EFFECT)
    mixed.add_argument(
        "--weights", help="one each, such as 0.7,0.3; default: all the same"
    )
    mixed.add_argument("--name", help="of the result; default: made of theirs")
    _add_output(mixed, required=True, text="the effect file to write")

    converted = add("convert", convert, "write an effect as a file or as a text code")
    converted.add_argument(
        "effect", metavar="EFFECT", help=f"{EFFECT}, or a published model's JSON"
    )
    converted.add_argument("--to", required=True, choices=("json", "code"))
    converted.add_argument("--name", help="another name; only for --to=json")
    _add_output(converted, required=False, text="a file; default: print it")
    return parser


def _add_output(parser: argparse.ArgumentParser, required: bool, text: str) -> None:
    parser.add_argument("--output", required=required, metavar="FILE", help=text)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an output that exists"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return run_command(make_parser(), arguments, lambda options: options.run(options))


def show(options: argparse.Namespace) -> int:
    """Print the numbers of an effect and its text code."""
    document = locate.read(options.effect)
    if options.json:
        lines = [json.dumps(document, indent=1)]
    else:
        try:
            code = text_code.encode(document, "none")
        except EffectError as error:
            code = printable(str(error))
        lines = [*details(document), "", f"text code  {code}"]
        note = text_code.left_out(document)
        lines += [f"note: {note}"] * bool(note)
    for line in lines:
        say(line)
    return EXIT_DONE


def validate(options: argparse.Namespace) -> int:
    """Print one line per file; return the exit code."""
    code = EXIT_DONE
    for file in options.files:
        try:
            document = locate.read(file)
        except (EffectError, OSError) as error:
            code = complain(error, EXIT_FAILED)
        else:
            effect = from_document(document)
            settings = [described(effect.spectrogram), *describe(effect)]
            name = printable(effect.name)
            say(f"{printable(file)}: ok: {name}, {', '.join(settings)}")
    return code


def morph(options: argparse.Namespace) -> int:
    """Write one effect between several."""
    weights = parse_weights(options.weights, len(options.effects))
    if options.name is not None:
        check_name(options.name, "--name")
    target = checked_output(options, options.effects)
    parents = [load_effect(effect) for effect in options.effects]
    made = morph_between(parents, weights, options.name or "")
    for line in differing(parents):
        say(f"note: {line}")
    return write(target, dumps(made), f": {printable(made.name)}")


def convert(options: argparse.Namespace) -> int:
    """Print or write an effect as a document or as a text code."""
    effect, name, target = options.effect, options.name, None
    if options.to == "code" and name is not None:
        raise EffectError("--name: a text code holds no name; leave it out")
    if name is not None:
        check_name(name, "--name")
    if options.output is not None:
        target = checked_output(options, [effect])
    elif options.overwrite:
        raise EffectError("--overwrite: there is no --output to replace")
    document = read_any(effect)
    if name is not None:
        document = document | {"name": name}
    if options.to == "json":
        text = write_text(document)
    else:
        text = text_code.encode(document, effect) + "\n"
        note = text_code.left_out(document)
        if note:
            say(f"note: {note}", sys.stderr)
    if target is not None:
        return write(target, text)
    say(text.removesuffix("\n"))
    return EXIT_DONE


def read_any(effect: str) -> dict[str, Any]:
    """Return the document of an effect or of a published model."""
    path = locate.locate(effect)
    if path is None:
        return locate.read(effect)
    document: dict[str, Any] = read_json(path)
    if is_model(document):
        return model_document(document, printable(path.stem), str(path))
    check_document(document, str(path))
    return document


def checked_output(options: argparse.Namespace, effects: list[str]) -> pathlib.Path:
    """Return the path of `--output`, which must not replace a file of the effects."""
    paths = [path for effect in effects if (path := locate.locate(effect)) is not None]
    return check_output("--output", options.output, paths, options.overwrite)


def write(target: pathlib.Path, text: str, note: str = "") -> int:
    """Write a file in one piece and print its name; return the exit code."""
    try:
        replace_file(target, text.encode("utf-8"))
    except OSError as error:
        return complain(f"{target}: {error.strerror}", EXIT_FAILED)
    say(f"{printable(target)}{note}")
    return EXIT_DONE
