"""Evaluate an effect on a folder of sounds: can its knob be trusted?

Audit, an independent auditor, knob, change and kernel, as tables and as JSON. Where the
effect lies in its run folder and the sounds are the run's, on exactly the clips that
were held out in training. Exit codes: 0 done, 1 some sound files could not be used
(named; the rest counts), 2 unusable arguments.
"""

import argparse
import hashlib
import os
import pathlib
import sys

from cak_jax.runtime import json_file
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_UNUSABLE,
)

NAMED = 10


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `python -m cak_jax.evaluate`."""
    parser = argparse.ArgumentParser(
        prog="python -m cak_jax.evaluate", description=__doc__, allow_abbrev=False
    )
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
    options = make_parser().parse_args(arguments)
    if options.clips is not None and options.clips < 1:
        return complain(f"--clips={options.clips}: must be 1 or more", EXIT_UNUSABLE)
    if not options.corpus:
        return complain("--corpus: is empty; name a folder of sounds", EXIT_UNUSABLE)
    # After parsing, so that --help and a wrong flag answer at once.
    from jax.errors import JaxRuntimeError

    from cak_jax.data.corpus import CorpusError
    from cak_jax.effect.effect import load_effect
    from cak_jax.effect.schema import EffectError
    from cak_jax.training.config import ConfigError

    try:
        path = effect_path(options.effect)
        effect = load_effect(path or options.effect)
        target = check_target(options, path)
        document, broken = evaluate(effect, path, options)
    except (EffectError, CorpusError, ConfigError) as error:
        for line in error.faults():
            if line.startswith("corpus.path: "):
                line = f"--corpus: {line.removeprefix('corpus.path: ')}"
            complain(line, EXIT_UNUSABLE)
        return EXIT_UNUSABLE
    except (ValueError, OSError) as error:
        return complain(error, EXIT_UNUSABLE)
    except (MemoryError, JaxRuntimeError) as error:
        reason = str(error).partition("\n")[0]
        return complain(f"not enough memory: {reason}", EXIT_FAILED)
    except KeyboardInterrupt:
        return complain("stopped, nothing was written", EXIT_INTERRUPTED)
    return show(document, broken, target)


def effect_path(given: str) -> pathlib.Path | None:
    """Return the file of an effect: a path, a run folder, or a shipped name.

    None for a text code, which has no file and no run.
    """
    from cak_jax.effect import locate

    return locate.locate(pathlib.Path(given).expanduser())


def check_target(options, effect: pathlib.Path | None) -> pathlib.Path | None:
    """Return where the document goes; refuse before the work what cannot be written.

    Raises:
      ValueError: one line that names the file and the remedy.
    """
    from cak_jax.commands.output_document import check_output

    if options.json is None:
        return None
    inputs = set()
    if effect is not None:
        own = effect.resolve()
        inputs = {own, own.with_name("config.json"), own.with_name("corpus.json")}
    return check_output("--json", options.json, inputs, options.overwrite)


def evaluate(effect, path: pathlib.Path | None, options) -> tuple[dict, list]:
    """Choose the clips and measure; return the document and the unusable files.

    Args:
      effect: to be judged.
      path: its file; None for a text code.
      options: the parsed command line.

    Raises:
      CorpusError: nothing usable in the folder.
    """
    from cak_jax.evaluation import evaluate as evaluation
    from cak_jax.runtime.progress import Bars
    from cak_jax.runtime.text import printable
    from cak_jax.training import evaluation_clips

    with Bars() as bars:
        clips = evaluation_clips.choose(
            effect, path, options.corpus, options.clips or 0, bars
        )
        if clips.held_out is False:
            say(
                f"CAUTION: {clips.chosen}; what follows flatters the effect", sys.stderr
            )
        document = evaluation.evaluate_in_full(effect, clips.rows, clips.files, bars)
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


def show(document: dict, broken: list, target: pathlib.Path | None) -> int:
    """Print the report and write the document; return the exit code."""
    from cak_jax.report import evaluation_text

    for name, reason in broken[:NAMED]:
        complain(f"{name}: {reason}", EXIT_FAILED)
    if len(broken) > NAMED:
        complain(f"and {len(broken) - NAMED} more files", EXIT_FAILED)
    if broken:
        some = f"{len(broken)} sound file{'s' if len(broken) > 1 else ''}"
        say(f"{some} could not be used; the rest counts")
    if target is not None:
        try:
            json_file.write(target, document)
        except OSError as error:
            return complain(f"{target}: {error.strerror}", EXIT_FAILED)
    for line in evaluation_text.lines(json_file.finite(document)):
        say(line)
    return EXIT_FAILED if broken else EXIT_DONE
