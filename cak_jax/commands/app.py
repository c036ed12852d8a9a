"""A page to play with effects and to train one, in the browser.

    cak app
    cak app --port=8000 --minutes=3 --no-training

Open the address that is printed. Only this machine can reach the page. With --host it
has another address: anyone who reaches that address can render and train here, but
cannot name folders of this machine. The page neither fetches from the network nor sends
to it. Uploads and results are deleted after an hour and at the end. Trainings are
deleted at the end, unless --runs names a folder for them. A page that only this machine
reaches also offers the effects of the runs in that folder. Ctrl-C ends the page and, as
its button does, a training.

Exit codes: 0 ended by Ctrl-C or SIGTERM, 1 the page could not be served, 2 unusable
arguments or Gradio is missing.
"""

import argparse
import contextlib
import importlib.metadata
import ipaddress
import os
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Iterator

from cak_jax.audio.isolated_decoding.pool import guarded
from cak_jax.commands.cli import make_folder, new_parser, run_command
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.settings import check_number
from cak_jax.report import style
from cak_jax.runtime import signals
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import EXIT_DONE, EXIT_FAILED
from cak_jax.runtime.local_http import check_address

OLDEST, MAJOR = (6, 22), 6
INSTALL = 'pip install "cak-jax[app]"'
# Flags that are numbers: default, smallest and largest value, help.
NUMBERS: dict[str, tuple[float, float, float, str]] = {
    "--port": (7860, 1, 65535, "where the page is served"),
    "--minutes": (10.0, 0.1, 60.0, "the longest sound that is taken"),
    "--megabytes": (200, 1, 2000, "the largest upload that is taken"),
    "--training-minutes": (
        *(60.0, 0.1, 1e4),
        "a training is stopped then, and its effect kept",
    ),
}


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak app`."""
    parser = new_parser("app", __doc__)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="0.0.0.0 for every network of this machine; default: this machine only",
    )
    for flag, (default, _, _, text) in NUMBERS.items():
        parser.add_argument(
            flag,
            type=type(default),
            default=default,
            metavar=flag.rpartition("-")[2].upper(),
            help=f"{text}; default: {default:g}",
        )
    parser.add_argument(
        "--no-training",
        dest="has_training",
        action="store_false",
        help="leave that tab out",
    )
    parser.add_argument(
        "--runs",
        metavar="FOLDER",
        help="where the run folders of trainings are kept; the page offers the effects "
        "of the runs there; default: they are deleted at the end",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return run_command(make_parser(), arguments, run)


def run(options: argparse.Namespace) -> int:
    """Check the flags before anything large is imported, and serve the page."""
    for flag, (_, least, most, _) in NUMBERS.items():
        name = flag.removeprefix("--").replace("-", "_")
        check_number(flag, getattr(options, name), least, most)
    if options.runs is not None:
        options.runs = make_folder("--runs", options.runs)
    check_address(options.host, options.port)
    check_installed()
    try:
        with signals.watch(), workplace() as folder, guarded():
            serve(options, folder)
    except KeyboardInterrupt:  # SIGTERM too
        return EXIT_DONE
    except OSError as error:
        return complain(error, EXIT_FAILED)
    return EXIT_DONE


def check_installed() -> None:
    """Refuse to start without Gradio and matplotlib."""
    try:
        version = importlib.metadata.version("gradio")
    except importlib.metadata.PackageNotFoundError:
        raise EffectError(f"the page needs gradio: {INSTALL}") from None
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST or numbers[0] != MAJOR:
        raise EffectError(
            f"gradio {version} is installed, the page needs "
            f"{'.'.join(map(str, OLDEST))} or newer, before {MAJOR + 1}: {INSTALL}"
        )
    if not style.available():
        raise EffectError(f"the page needs matplotlib for its pictures: {INSTALL}")


@contextlib.contextmanager
def workplace() -> Iterator[pathlib.Path]:
    """Make a private folder for uploads and results, and delete it at the end."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cak-app-"))
    # Set before Gradio is imported, because it reads them then. Other GRADIO_ variables
    # are deleted, because those of another app could open folders or share this page.
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ |= {
        "GRADIO_TEMP_DIR": str(folder / "cache"),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # No proxy, because Gradio connects to its own server only.
        "no_proxy": "*",
        "NO_PROXY": "*",
    }
    try:
        (folder / "cache").mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def serve(options: argparse.Namespace, folder: pathlib.Path) -> None:
    """Serve the page until a KeyboardInterrupt asks the process to end.

    Raises:
      OSError: the address cannot be listened at.
    """
    from cak_jax.apps.page import server
    from cak_jax.apps.page.site import ServerLimits

    runs, host = options.runs or folder / "runs", options.host
    limits = ServerLimits(
        cache=folder / "cache",
        runs=runs.resolve(),
        longest=60.0 * options.minutes,
        largest=options.megabytes << 20,
        training=options.has_training,
        training_seconds=60.0 * options.training_minutes,
        local=host == "localhost" or ipaddress.ip_address(host).is_loopback,
    )
    with server.opened(limits, host, options.port):
        shown = f"[{host}]" if ":" in host else host
        say(f"http://{shown}:{options.port} (Ctrl-C ends it)")
        if not limits.local:
            say(
                f"anyone who reaches {host} can use this page: --host says so; there "
                "is no password"
            )
        threading.Event().wait()
