"""Entry of `python -m cak_jax.main`: the same as `cak train`."""

from cak_jax.commands.train import main

if __name__ == "__main__":
    from cak_jax.runtime.console import leave

    leave(main())
