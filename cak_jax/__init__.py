"""Learned audio effects from very little data, after arXiv 2508.02643, in JAX.

import cak_jax
effect = cak_jax.load_effect("runs/default/effect.json")
wet = cak_jax.render(effect, audio, sample_rate, amount=0.8)
"""

import importlib
from typing import Any

__version__ = "0.1.0"
_HOMES = {
    "Curve": "rendering.knob",
    "Follower": "rendering.knob",
    "Oscillator": "rendering.knob",
    "Stream": "rendering.stream",
    "render": "rendering.in_memory",
    "Effect": "effect.effect",
    "EffectError": "effect.schema",
    "load_effect": "effect.effect",
    "save_effect": "effect.effect",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the package loads no JAX."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cak_jax' has no attribute {name!r}")
    return getattr(importlib.import_module(f"cak_jax.{_HOMES[name]}"), name)
