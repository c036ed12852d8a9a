"""How the tests compile programs; no tests here.

A program of a test runs only for moments, so that its compilation is what takes time.
"""

import contextlib
import os

import pytest

from cak_jax.model import compiler

# The loop emitters of training (`model/compiler.py`), without LLVM's optimisation: a
# training program compiles in a fifth of the time, and a calculation outside `jit`
# takes half of it or less.
QUICKLY = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
# What a program is compiled with that has to be the users' own: its bits are compared
# with another program's, or its numbers with the published ones.
OPTIMISED = {"xla_backend_optimization_level": 3}


@contextlib.contextmanager
def optimised_training():
    """Compile training programs as for users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "CPU_OPTIONS", compiler.CPU_OPTIONS | OPTIMISED)
        yield


def flags(devices: int) -> str:
    """Return the XLA_FLAGS of a process with so many emulated devices."""
    return f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
