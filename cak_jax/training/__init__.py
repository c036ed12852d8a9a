"""One run: configuration, loop, checkpoints, run folder."""
