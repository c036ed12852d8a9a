"""Entry of `python -m cak_jax`: the same as the console script `cak`."""

from cak_jax.commands.cli import script

if __name__ == "__main__":
    script()
