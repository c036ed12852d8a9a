"""Strictness for every test: no implicit broadcasting, no reused keys, no warnings."""

import os
import pathlib

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


@pytest.fixture(scope="session")
def golden_dir() -> pathlib.Path:
    """Folder of the published system's numbers, `CAK_GOLDEN_DIR` or the shipped one."""
    default = pathlib.Path(__file__).parent / "golden"
    return pathlib.Path(os.environ.get("CAK_GOLDEN_DIR", default))
