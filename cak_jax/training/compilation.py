"""How programs are compiled: options by backend, and a cache between processes."""

import hashlib
import pathlib
import platform

import jax
import jaxlib

# With XLA's newer loop emitters a small training iteration takes a third longer on CPU
# than with the older ones, and its compilation nearly twice as long (jaxlib 0.10.2;
# `experiments/README.md`).
CPU_OPTIONS = {"xla_cpu_use_fusion_emitters": False}


def options(backend: str) -> dict[str, bool]:
    """Return the compiler options for a backend: those of ours that it knows.

    An option is probed with an empty program, since jaxlib may drop it.
    """
    if backend != "cpu":
        return {}
    try:
        jax.jit(lambda: 0).lower().compile(compiler_options=CPU_OPTIONS)
    except jax.errors.JaxRuntimeError:
        return {}
    return CPU_OPTIONS


def use_cache(folder: str) -> pathlib.Path:
    """Keep compiled programs in a folder, for later processes on the same machine.

    A subfolder is named by the versions and the processor: on CPU a program compiled
    by another jaxlib or for other instructions may crash.

    Args:
      folder: is made if it is missing.

    Returns:
      The subfolder.
    """
    kind = f"{platform.machine()} {_instructions()} {jax.__version__}"
    name = f"jaxlib-{jaxlib.__version__}-{hashlib.sha256(kind.encode()).hexdigest()}"
    place = pathlib.Path(folder).resolve() / name[:40]
    place.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    return place


def _instructions() -> str:
    # Linux names the instruction sets; elsewhere the processor's name has to do.
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
