"""`python -m cak_jax`: the same as the console script `cak`."""

from cak_jax.cli import script

if __name__ == "__main__":
    script()
