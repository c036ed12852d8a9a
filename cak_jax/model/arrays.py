"""Helpers of functions that take NumPy and JAX arrays alike; NumPy alone loads no JAX.

The same functions render a short sound in NumPy and a long one in JAX.
"""

from types import ModuleType
from typing import Any

import numpy as np

# A `jax.Array` or a `numpy.ndarray`. Naming JAX here would load it.
Array = Any


def array_module(*values: Array) -> ModuleType:
    """Return the module whose functions fit some values: `jax.numpy`, else `numpy`."""
    for value in values:
        if hasattr(value, "__array_namespace__"):
            module: ModuleType = value.__array_namespace__()
            if module is not np:
                return module
    return np


def without_gradient(values: Array) -> Array:
    """Return the same values, through which no gradient passes."""
    if array_module(values) is np:
        return values
    import jax

    return jax.lax.stop_gradient(values)


def complex_of(real: Array, imaginary: Array) -> Array:
    """Return `real + i imaginary`, from float32 in complex64."""
    if array_module(real, imaginary) is np:
        return real + 1j * imaginary
    import jax

    return jax.lax.complex(real, imaginary)


def exact_product(left: Array, right: Array) -> Array:
    """Return a product of matrices in full precision, on accelerators too."""
    xp = array_module(left, right)
    how = {} if xp is np else {"precision": "highest"}
    return xp.matmul(left, right, **how)
