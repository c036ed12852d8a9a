"""Learned audio effects from very little data, after arXiv 2508.02643, in JAX."""

__version__ = "0.1.0"
