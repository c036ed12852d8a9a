"""Entry of `python -m cak_jax.apply`: the same as `cak apply`."""

from cak_jax.commands.apply import main

if __name__ == "__main__":
    from cak_jax.runtime.console import leave

    leave(main())
