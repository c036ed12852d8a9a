"""The embedded corpus: seeded synthetic sound."""
