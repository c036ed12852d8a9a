"""Decoding of unknown files in processes of their own, with limits."""
