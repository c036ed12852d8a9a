"""Old home of the configuration loader, kept for one release for users' own configs.

Write `from cak_jax.training.config import load_sibling` in new ones.
"""

from cak_jax.training.config import load_file, load_sibling

__all__ = ["load_file", "load_sibling"]
