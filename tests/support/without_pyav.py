"""A machine on which PyAV is not installed; no tests here, and PyAV is not loaded."""

import contextlib
import importlib.util

import pytest

from cak_jax.audio.isolated_decoding import client, pool

# The processes that decode run this first. Damaged files are decoded in processes here,
# too, because libsndfile may write beyond its memory where a FLAC is damaged.
HIDING = (
    "import importlib.util as util; find = util.find_spec; "
    "util.find_spec = lambda name, package=None: "
    "None if name == 'av' else find(name, package); "
)


@contextlib.contextmanager
def without_pyav():
    """Make PyAV look as if it were not installed, here and where files are decoded."""
    find = importlib.util.find_spec
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            importlib.util,
            "find_spec",
            lambda name, package=None: None if name == "av" else find(name, package),
        )
        patch.setattr(client, "_CODE", HIDING + client._CODE)
        with pool.guarded(pool.Limits()):
            yield
