"""Faults: what happens to real processes, and what must be left of their work."""
