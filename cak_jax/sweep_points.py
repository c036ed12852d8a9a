"""Old address of `cak_jax.sweep.grid.part`, for configurations of users.

It is kept for one release. New configurations write
`from cak_jax.sweep.grid import part`.
"""

import warnings
from typing import Any

from cak_jax.sweep import grid


def __getattr__(name: str) -> Any:
    """Return `part` from its new address, with a warning at the line that uses it."""
    if name != "part":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "cak_jax.sweep_points.part is now cak_jax.sweep.grid.part",
        DeprecationWarning,
        stacklevel=2,
    )
    return grid.part
