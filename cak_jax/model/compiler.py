"""The compiler's settings; JAX is imported where something is compiled first."""

import functools
from collections.abc import Callable
from typing import Any

# The older loop emitters, because with XLA's newer ones a small training iteration
# takes a third longer on CPU, and compiling takes nearly twice as long (jaxlib 0.10.2;
# `experiments/training_iteration.md`).
CPU_OPTIONS: dict[str, str | bool] = {"xla_cpu_use_fusion_emitters": False}


def compiler_options(backend: str) -> dict[str, str | bool]:
    """Return our compiler options for a backend, as far as jaxlib has them.

    An option is tried on an empty program, since jaxlib may drop it.
    """
    if backend != "cpu" or not _are_known(tuple(CPU_OPTIONS.items())):
        return {}
    return CPU_OPTIONS


@functools.cache
def _are_known(options: tuple[tuple[str, str | bool], ...]) -> bool:
    import jax

    try:
        jax.jit(lambda: 0).lower().compile(compiler_options=dict(options))
    except jax.errors.JaxRuntimeError:
        return False
    return True


def jit(function: Callable[..., Any], **keywords: Any) -> Callable[..., Any]:
    """Return `jax.jit(function, **keywords)` with our compiler options.

    Not to be called in a traced program, whose own options would be in conflict.
    """

    @functools.cache
    def program() -> Callable[..., Any]:
        import jax

        options = compiler_options(jax.default_backend())
        return jax.jit(function, compiler_options=options, **keywords)

    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        return program()(*arguments, **named)

    return run
