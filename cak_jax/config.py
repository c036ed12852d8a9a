"""Old address of `cak_jax.training.config`, for configurations of users.

It is kept for one release. New configurations write
`from cak_jax.training.config import load_sibling`.
"""

import warnings
from typing import Any

from cak_jax.training import config

NAMES = ("load_file", "load_sibling")


def __getattr__(name: str) -> Any:
    """Return a name from its new address, with a warning at the line that uses it."""
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"cak_jax.config.{name} is now cak_jax.training.config.{name}",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(config, name)
