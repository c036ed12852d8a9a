"""Figures, pages and words for people."""
