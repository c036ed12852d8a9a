"""Learned audio effects from very little data, after arXiv 2508.02643, in JAX.

import cak_jax
effect = cak_jax.load_effect("runs/default/effect.json")
wet = effect(audio, sample_rate, control=0.8)
"""

import importlib

__version__ = "0.1.0"
__all__ = ["Curve", "Effect", "EffectError", "Follower", "Oscillator", "Stream"]
__all__ += ["load_effect", "render", "save_effect"]

_HOMES = {
    "Curve": "controls",
    "Follower": "controls",
    "Oscillator": "controls",
    "Stream": "stream",
    "Effect": "effect",
    "EffectError": "effect",
    "load_effect": "effect",
    "save_effect": "effect",
}


def __getattr__(name: str):
    """Import what is asked for when it is: the package alone imports no jax."""
    if name == "render":
        return importlib.import_module("cak_jax.render")
    if name in _HOMES:
        return getattr(importlib.import_module(f"cak_jax.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'cak_jax' has no attribute {name!r}")
