"""The machine beneath the devices: its free memory, and a cache of programs on disk."""

import hashlib
import os
import pathlib
import platform

import jax
import jaxlib

from cak_jax.training import devices


def free_memory() -> int:
    """Return the bytes that a program may still take on a device."""
    limit = devices.memory()
    if limit is not None:
        statistics = jax.local_devices()[0].memory_stats() or {}
        return limit - statistics.get("bytes_in_use", 0)
    return host_memory()


def host_memory() -> int:
    """Return the free bytes of the machine's own memory."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def use_cache(folder: str) -> pathlib.Path:
    """Keep compiled programs in a folder, for later processes on the same machine.

    Returns a subfolder, named by the versions and the processor: on CPU a program
    compiled by another jaxlib or for other instructions may crash.
    """
    kind = f"{platform.machine()} {_instructions()} {jax.__version__}"
    name = f"jaxlib-{jaxlib.__version__}-{hashlib.sha256(kind.encode()).hexdigest()}"
    place = pathlib.Path(folder).resolve() / name[:40]
    place.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    return place


def _instructions() -> str:
    # Linux lists the instruction sets; elsewhere the processor's name has to do.
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
