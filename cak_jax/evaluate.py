"""Entry of `python -m cak_jax.evaluate`: the same as `cak evaluate`."""

from cak_jax.commands.evaluate import main

if __name__ == "__main__":
    from cak_jax.runtime.console import leave

    leave(main())
