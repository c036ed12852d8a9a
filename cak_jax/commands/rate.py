"""Rate the sounds of a folder on a page, to teach an effect by the ratings.

    cak rate FOLDER --question="How warm?"
    cak rate FOLDER --pairs --output=warmth.csv
    cak rate FOLDER --list

The page plays one sound after another, all equally loud, at most 15 s of each. Keys 0
to 9 rate it, space plays it again, the left arrow goes back, u leaves it for later.
Each rating is written to the table at once: close the page, start the same command
again, and it goes on. The files come in random order, spread over the folder, so that
any number of them is a fair sample; some 40 are enough, and the training uses all files
of the folder. With --pairs it plays two sounds and asks which one has more (keys 1, 2,
0 for equal); the ratings are fitted to these answers, which are kept beside the table.

--list prints the table with all files, for those who rate in an editor: write it to a
file, fill in the numbers, delete the lines without one. Train with

    cak train FOLDER --config.corpus.labels=ratings.csv

Exit codes: 0 ended by Ctrl-C or SIGTERM, or listed; 1 the page could not be served; 2
unusable arguments, folder or table.
"""

import argparse
import contextlib
import os
import sys
import threading
import webbrowser

from cak_jax.commands.cli import check_output, new_parser, remark, run_command
from cak_jax.runtime import signals
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError
from cak_jax.runtime.local_http import check_address
from cak_jax.runtime.text import printable

PORT = 7861
LONGEST_QUESTION = 200
# Files that are left out, named one a line.
MOST_NAMED = 10


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak rate`."""
    parser = new_parser("rate", __doc__)
    parser.add_argument("folder", metavar="FOLDER", help="searched for sounds in depth")
    parser.add_argument(
        "--output",
        default="ratings.csv",
        metavar="FILE.csv",
        help="the table, gone on with if it exists; default: ratings.csv",
    )
    parser.add_argument(
        "--question",
        default="",
        metavar="TEXT",
        help='what the page asks, such as "How bright?"',
    )
    parser.add_argument(
        "--pairs", action="store_true", help="compare two sounds instead of rating one"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=PORT,
        metavar="PORT",
        help=f"where the page is served; default: {PORT}",
    )
    parser.add_argument(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="print the address and open no browser",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="print every file with its rating, and serve no page",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return run_command(make_parser(), arguments, run)


def run(options: argparse.Namespace) -> int:
    """Check the flags, find the sounds, and list them or serve the page."""
    question = options.question.strip()
    if len(question) > LONGEST_QUESTION or not question.isprintable():
        raise InputError(
            f"--question: must be one line of at most {LONGEST_QUESTION} characters"
        )
    path = check_output("--output", options.output, (), overwrite=True)
    if path.suffix.lower() != ".csv":
        shown = printable(options.output)
        raise InputError(f"--output={shown}: must end in .csv; name such a file")
    if not options.list:
        if not 1 <= options.port <= 65535:
            raise InputError(
                f"--port={options.port}: must be between 1 and 65535; name another"
            )
        check_address("127.0.0.1", options.port)

    from cak_jax.apps.rate import server, table
    from cak_jax.apps.rate.raters import PairRater, SingleRater
    from cak_jax.audio.isolated_decoding.pool import guarded
    from cak_jax.data import scan

    with guarded():
        try:
            sources, left_out = scan.find_sources(options.folder)
        except scan.CorpusError as error:
            raise InputError(str(error).removeprefix("corpus.path: ")) from None
        names = [source.name for source in sources]
        rater = (PairRater if options.pairs else SingleRater)(path, names)
        note = table.check_names(path, list(rater.ratings()), names, options.folder)
        report(left_out)
        if note:
            remark(note)
        if options.list:
            ratings = rater.ratings()
            rows = [(name, ratings.get(name, "")) for name in sorted(names)]
            say(table.to_csv([table.COLUMNS, *rows]).removesuffix("\n"))
            return EXIT_DONE
        site = server.Site(rater, sources, question, leave_out)
        try:
            with signals.watch(), server.opened(site, options.port) as address:
                say(f"{address} (Ctrl-C ends it)")
                if options.browser and has_screen():
                    webbrowser.open(address)
                threading.Event().wait()
        except KeyboardInterrupt:  # SIGTERM too
            with contextlib.suppress(InputError):
                say(f"{len(rater.ratings())} of {len(names)} files rated in {path}")
        except OSError as error:
            return complain(error, EXIT_FAILED)
    return EXIT_DONE


def has_screen() -> bool:
    """Say whether a browser can open a window; otherwise it might fill the terminal."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, screens))


def report(left_out: list[tuple[str, str]]) -> None:
    """Name the files that cannot be rated."""
    for name, reason in left_out[:MOST_NAMED]:
        leave_out(name, reason)
    if len(left_out) > MOST_NAMED:
        remark(f"{len(left_out) - MOST_NAMED} more files are left out")


def leave_out(name: str, reason: str) -> None:
    """Name a file that cannot be rated."""
    remark(f"{name}: {reason}; it is left out")
