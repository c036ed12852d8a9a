"""Evaluate an effect on a folder of sounds: can its knob be trusted?

It measures what is heard, audit, independent auditor, knob, change and kernel, and
writes tables and JSON. If the effect is in its run folder and the sounds are the run's,
it uses exactly the clips that were held out in training. Exit codes: 0 done, 1 some
sound files could not be used (they are named; the others are measured), 2 unusable
arguments.
"""

import argparse
import hashlib
import os
import pathlib
import re
import sys
from typing import Any

from cak_jax.commands.cli import check_output, new_parser, run_command
from cak_jax.effect import locate
from cak_jax.effect.effect import Effect, load_effect
from cak_jax.runtime import json_file
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_UNUSABLE,
    InputError,
)
from cak_jax.runtime.progress import Bars
from cak_jax.runtime.text import counted, printable

# Unusable sound files that are named; the others are counted.
NAMED = 10
Broken = list[tuple[str, str]]


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak evaluate`."""
    parser = new_parser("evaluate", __doc__)
    parser.add_argument(
        "--effect",
        required=True,
        help="an effect.json, a run folder, a shipped name, or a text code",
    )
    parser.add_argument("--corpus", required=True, help="a folder of sounds")
    parser.add_argument("--json", help="write the numbers there as well")
    parser.add_argument(
        "--clips",
        type=int,
        help="at most so many, evenly chosen; default: all that the run held out, or "
        "40 of another folder",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a --json file that exists"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return run_command(make_parser(), arguments, run)


def run(options: argparse.Namespace) -> int:
    """Measure an effect; print and write the measures; return the exit code."""
    if options.clips is not None and options.clips < 1:
        raise InputError(f"--clips={options.clips}: must be 1 or more")
    if not options.corpus:
        raise InputError("--corpus: is empty; name a folder of sounds")
    # Imported here, because --help and a wrong flag must answer at once.
    from jax.errors import JaxRuntimeError

    try:
        # A text code has no file.
        path = locate.locate(pathlib.Path(options.effect).expanduser())
        effect = load_effect(path or options.effect)
        target = None
        if options.json is not None:
            file = path and path.resolve()
            names = "config.json", "corpus.json"
            inputs = [file, *map(file.with_name, names)] if file else []
            target = check_output("--json", options.json, inputs, options.overwrite)
        document, broken = evaluate(effect, path, options)
    except InputError as error:
        for line in error.faults():
            complain(re.sub(r"^corpus\.path: ", "--corpus: ", line), EXIT_UNUSABLE)
        return EXIT_UNUSABLE
    except (MemoryError, JaxRuntimeError) as error:
        reason = str(error).partition("\n")[0]
        return complain(f"not enough memory: {reason}", EXIT_FAILED)
    except KeyboardInterrupt:
        return complain("stopped, nothing was written", EXIT_INTERRUPTED)
    return show(document, broken, target)


def evaluate(
    effect: Effect, path: pathlib.Path | None, options: argparse.Namespace
) -> tuple[dict[str, Any], Broken]:
    """Choose the clips and measure; return the document and the unusable files.

    The path is the effect's file, None for a text code.

    Raises:
      CorpusError: the folder holds no usable sound.
    """
    from cak_jax.evaluation.evaluate import evaluate_in_full
    from cak_jax.training import evaluation_clips

    with Bars() as bars:
        clips = evaluation_clips.choose(
            effect, path, options.corpus, options.clips or 0, bars
        )
        if clips.held_out is False:
            say(
                f"CAUTION: {clips.chosen}; what follows flatters the effect", sys.stderr
            )
        document = evaluate_in_full(effect, clips.clips, clips.files, bars)
    folder = os.path.basename(os.path.abspath(os.path.expanduser(options.corpus)))
    content = options.effect.encode() if path is None else path.read_bytes()
    document["effect"] = {
        "name": effect.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "audit": clips.audit or None,
    }
    document["corpus"] = {
        "folder": printable(folder),
        "sha256": clips.corpus.sha256,
        "clips": len(clips.indices),
        "files": len(set(clips.files)),
        "chosen": clips.chosen,
        "held_out": clips.held_out,
        "unusable_files": len(clips.broken),
    }
    return document, clips.broken


def show(document: dict[str, Any], broken: Broken, target: pathlib.Path | None) -> int:
    """Print the report and write the document; return the exit code."""
    from cak_jax.report import evaluation_text

    for name, reason in broken[:NAMED]:
        complain(f"{name}: {reason}", EXIT_FAILED)
    if len(broken) > NAMED:
        complain(f"and {len(broken) - NAMED} more files", EXIT_FAILED)
    if broken:
        say(f"{counted(len(broken), 'sound file')} could not be used; the rest counts")
    if target is not None:
        try:
            json_file.write(target, document)
        except OSError as error:
            return complain(f"{target}: {error.strerror}", EXIT_FAILED)
    for line in evaluation_text.lines(json_file.finite(document)):
        say(line)
    return EXIT_FAILED if broken else EXIT_DONE
