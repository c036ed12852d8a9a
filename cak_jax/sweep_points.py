"""Old home of a sweep's parts, kept for one release for users' own configs.

Write `from cak_jax.sweep.grid import part` in new ones.
"""

from cak_jax.sweep.grid import part

__all__ = ["part"]
