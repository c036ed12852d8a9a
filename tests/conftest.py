"""Strictness for every test: no implicit broadcasting, no reused keys, no warnings.

Programs are compiled quickly (`support/compiling.py`); `XLA_FLAGS=" " pytest` has them
as users do.

A test whose tool is missing skips; where `CI=true` it fails. Skips that depend on the
machine stay skips there too; `support/skips.py` lists them: the user is root, or may
not make mounts; the system lacks /proc/self/mem, /dev/full or FIFOs; the file system
takes Unicode names only; the tests run on an accelerator.
"""

import os
import pathlib
import warnings

import jax
import pytest
from support import browser, small_sweep
from support.app_server import served
from support.compiling import QUICKLY
from support.skips import (  # noqa: F401 - pytest finds its hooks by these names
    pytest_make_collect_report,
    pytest_runtest_makereport,
)
from support.sounds import loader, put, sound

from cak_jax.audio.isolated_decoding.pool import guarded
from cak_jax.commands import cli

# XLA reads it when it is first used, here and in the processes that tests start.
os.environ.setdefault("XLA_FLAGS", QUICKLY)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

# Two processes take the files in this order, so that no long one is left for the end.
LONGEST = (
    "end_to_end/test_notebooks_run.py",
    "sweep/test_run_sweep.py",
    "faults/test_killed.py",
    "faults/test_stopped.py",
    "training/test_run.py",
    "training/test_devices.py",
    "training/test_batch_plan.py",
    "training/test_checkpoint.py",
    "training/test_run_summary.py",
    "commands/test_app.py",
    "commands/test_evaluate.py",
    "end_to_end/test_render_experiments.py",
    "end_to_end/test_game_experiments.py",
    "faults/test_disk.py",
    # Not beside the notebooks, because both have many threads.
    "sweep/test_sweep_devices.py",
)


def pytest_collection_modifyitems(items):
    """Put the tests of the longest files first; the others keep their order."""
    places = {name: place for place, name in enumerate(LONGEST)}

    def place(item):
        return places.get("/".join(item.path.parts[-2:]), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(scope="session")
def golden_dir() -> pathlib.Path:
    """Folder of the published system's numbers, `CAK_GOLDEN_DIR` or the shipped one."""
    default = pathlib.Path(__file__).parent / "golden"
    return pathlib.Path(os.environ.get("CAK_GOLDEN_DIR", default))


@pytest.fixture(scope="module", autouse=True)
def decoders(request):
    """Keep decoding processes from test to test, but where a module has its own."""
    if getattr(request.module, "OWN_DECODERS", False):
        yield
        return
    with guarded():
        yield


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    """A folder of sounds, not made yet."""
    return tmp_path / "sounds"


@pytest.fixture
def load(folder, tmp_path):
    """Load that folder as a corpus, with a cache of its own."""
    return loader(folder, tmp_path / "cache")


@pytest.fixture(scope="session")
def finished_sweep(tmp_path_factory) -> pathlib.Path:
    """The folder of the small sweep, with figures and map."""
    folder = tmp_path_factory.mktemp("sweeps") / "small"
    flags = ("--config.output.figures=True", "--config.sweep.probe_clips=1")
    with warnings.catch_warnings():
        # Loading a configuration file warns of importlib's own future.
        warnings.filterwarnings("ignore", "the load_module", DeprecationWarning)
        assert small_sweep.start(folder, *flags) == 0
    return folder


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory) -> pathlib.Path:
    """The folder that the page's server has its temporary files in."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="session")
def page_client(page_folder):
    """What speaks to the page, served by a process of its own."""
    with served(page_folder, "--megabytes=8", "--minutes=1") as client:
        yield client


@pytest.fixture(scope="session")
def page_sound(page_client, tmp_path_factory) -> dict:
    """An uploaded sound, as a message names it."""
    folder = tmp_path_factory.mktemp("uploads")
    return page_client.put(put(folder, "tones.wav", sound(0.5, 22050), 22050))


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> pathlib.Path:
    """The folder of an exported page; what the browser downloads comes there, too."""
    folder = tmp_path_factory.mktemp("exported")
    given = [f"--effect={name}" for name in ("bright", "noise", "published")]
    assert cli.main(["export-web", *given, f"--output={folder}"]) == 0
    return folder


@pytest.fixture(scope="session")
def window(exported):
    """A window of a browser that grants a false microphone."""
    if not browser.FOUND:
        pytest.skip(browser.MISSING)
    flags = (
        browser.ALLOWED,
        "--window-size=1280,1050",
        # A name that is not taken for this machine, so that it is no secure address.
        "--host-resolver-rules=MAP page.test 127.0.0.1",
    )
    with browser.opened(exported, *flags) as made:
        yield made


@pytest.fixture
def page(window, exported):
    """The exported page as it is after loading."""
    window.open("about:blank")
    window.open((exported / "index.html").as_uri())
    yield window
    window.run("app.stop()")
    assert window.complaints() == []
